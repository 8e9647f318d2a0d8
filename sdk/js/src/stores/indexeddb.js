import { KEYS, patched } from './patch.js';

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
const answer = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/**
 * A store that survives a restart of the browser, and is the same for all tabs of an origin.
 * @param {string} [name] of the database
 * @param {{capacity?: number}} [options]
 * @returns {import('../types.js').Store}
 */
export function indexedDbStore(name = 'neonchat', { capacity = 20_000 } = {}) {
  /** @type {IDBDatabase} */
  let db;

  /** @param {IDBDatabase} db */
  function create(db) {
    for (const table in KEYS) db.createObjectStore(table, { keyPath: KEYS[table] });
    // Rows without `expires` are not in its index.
    db.createObjectStore('events', { keyPath: ['chat_id', 'seq'] }).createIndex('expires', 'expires');
  }

  async function open() {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => create(request.result);
    db = await answer(request);
    // Another tab deletes the database, or has a newer version of this code.
    db.onversionchange = () => db.close();
  }

  /** @param {string} table */
  const read = (table) => db.transaction(table).objectStore(table);

  /** @param {IDBRequest<IDBCursorWithValue | null>} request @param {(cursor: IDBCursorWithValue) => any} work until it returns false */
  async function each(request, work) {
    for (let cursor; (cursor = await answer(request)) && work(cursor) !== false; ) cursor.continue();
  }

  /** @param {IDBTransaction} transaction @param {import('../types.js').Op[]} ops */
  async function apply(transaction, ops) {
    const events = transaction.objectStore('events');
    for (const op of ops) {
      if (op.op === 'put') transaction.objectStore(op.table).put(op.row);
      else if (op.op === 'delete') transaction.objectStore(op.table).delete(op.key);
      // [chat_id] sorts before every [chat_id, seq].
      else if (op.op === 'trim') events.delete(IDBKeyRange.bound([op.chat_id], [op.chat_id, op.below], false, true));
      else {
        const found = op.op === 'patch' ? events.openCursor(IDBKeyRange.only([op.chat_id, op.seq])) : events.index('expires').openCursor(IDBKeyRange.upperBound(op.now));
        await each(found, (cursor) => cursor.update(patched(cursor.value, op)));
      }
    }
  }

  /** @param {(transaction: IDBTransaction) => Promise<void>} work @returns {Promise<void>} */
  const change = (work) =>
    new Promise((resolve, reject) => {
      const transaction = db.transaction([...db.objectStoreNames], 'readwrite');
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error);
      // The second one: it was aborted already.
      work(transaction).catch((error) => (reject(error), transaction.abort())).catch(reject);
    });

  return {
    shared: name,
    capacity,
    open,
    get: async (key) => (await answer(read('kv').get(key)))?.value,
    chats: () => answer(read('chats').getAll()),
    async events(chatId, from, to, limit, backwards) {
      /** @type {import('../types.js').EventRow[]} */
      const rows = [];
      const found = read('events').openCursor(IDBKeyRange.bound([chatId, from], [chatId, to]), backwards ? 'prev' : 'next');
      await each(found, (cursor) => rows.push(cursor.value) < limit);
      return rows;
    },
    outbox: () => answer(read('outbox').getAll()),
    write: (ops) => change((transaction) => apply(transaction, ops)),
    wipe: () =>
      change(async (transaction) => {
        for (const table of db.objectStoreNames) transaction.objectStore(table).clear();
      }),
    close: async () => db?.close(),
  };
}
