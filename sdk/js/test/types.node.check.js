// Checked by tsc, never run: the types of the entry for Node.js.
import { NeonChat } from '../src/index.js';
import { consume, derivedId, fileStore } from '../src/node/index.js';

const store = fileStore('bot.jsonl', { capacity: 100 });
const client = new NeonChat({ url: 'http://localhost:8080', store });

export const end = consume(client, store, async ({ id, chat_id, text, seq }) => {
  seq + 1;
  await client.send(chat_id, { text, request_id: derivedId(id, 'echo') }).stored;
});
// @ts-expect-error a store has to be passed
consume(client, () => {});
