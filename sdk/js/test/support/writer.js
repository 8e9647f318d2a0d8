// Writes to a file store until it is killed, and says what is stored: node writer.js PATH
import { fileStore } from '../../src/node/index.js';

const store = fileStore(process.argv[2]);
await store.open();
const first = ((await store.get('n')) ?? 0) + 1;
for (let n = first; ; n++) {
  const row = { request_id: `r${n}`, chat_id: 'c', created: n, state: 'pending', frame: { text: 'x'.repeat(n % 5000) } };
  await store.write([
    { op: 'put', table: 'outbox', row },
    { op: 'delete', table: 'outbox', key: `r${n - 20}` },
    { op: 'put', table: 'kv', row: { key: 'n', value: n } },
  ]);
  process.stdout.write(`${n}\n`);
}
