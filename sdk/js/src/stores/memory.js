import { KEYS, patched } from './patch.js';

/**
 * A store that ends with the page or process. It keeps the newest `capacity` events of a chat.
 * @param {{capacity?: number}} [options]
 * @returns {import('../types.js').Store}
 */
export function memoryStore({ capacity = 2000 } = {}) {
  /** @type {Record<string, Map<string, any>>} */
  const tables = { chats: new Map(), outbox: new Map(), kv: new Map(), events: new Map() };
  const { events } = tables;
  /** @type {(id: string) => Map<number, import('../types.js').EventRow>} */
  const of = (id) => events.get(id) ?? new Map();

  /** @param {import('../types.js').Op} op */
  function apply(op) {
    if (op.op === 'put') {
      if (op.table === 'events') events.set(op.row.chat_id, of(op.row.chat_id).set(op.row.seq, op.row));
      else tables[op.table].set(op.row[KEYS[op.table]], op.row);
    } else if (op.op === 'delete') tables[op.table].delete(op.key);
    else if (op.op === 'trim') {
      const rows = of(op.chat_id);
      for (const seq of rows.keys()) if (seq < op.below) rows.delete(seq);
    } else {
      const isExpiry = op.op === 'expire';
      for (const rows of isExpiry ? events.values() : [of(op.chat_id)]) {
        for (const [seq, row] of rows) if (isExpiry ? /** @type {any} */ (row.expires) <= op.now : seq === op.seq) rows.set(seq, patched(row, op));
      }
    }
  }

  return {
    capacity,
    open: async () => {},
    get: async (key) => tables.kv.get(key)?.value,
    chats: async () => [...tables.chats.values()],
    events: async (chatId, from, to, limit, backwards) => {
      const rows = [...of(chatId).values()].filter(({ seq }) => seq >= from && seq <= to).sort((a, b) => a.seq - b.seq);
      return (backwards ? rows.reverse() : rows).slice(0, limit);
    },
    outbox: async () => [...tables.outbox.values()],
    write: async (ops) => ops.forEach(apply),
    wipe: async () => {
      for (const name in tables) tables[name].clear();
    },
    close: async () => {},
  };
}
