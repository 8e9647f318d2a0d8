// A program that has to end by itself: node program.js URL WEBSOCKET_URL USERNAME PASSWORD CALL…
import WebSocket from 'ws';
import { NeonChat } from '../../src/index.js';

const [url, webSocketUrl, username, password, ...calls] = process.argv.slice(2);
const client = new NeonChat({ url, webSocketUrl, webSocket: WebSocket });
await client.login({ username, password });
client.start();
await new Promise((resolve) => client.on('state', ({ state }) => state === 'live' && resolve()));
let last;
for (const call of calls) last = client[call]();
await last;
console.log(client.state);
