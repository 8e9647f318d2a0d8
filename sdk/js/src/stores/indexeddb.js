import { patched } from './patch.js';

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
    db.createObjectStore('chats', { keyPath: 'id' });
    // Rows without `expires` are not in its index.
    db.createObjectStore('events', { keyPath: ['chat_id', 'seq'] }).createIndex('expires', 'expires');
    db.createObjectStore('outbox', { keyPath: 'request_id' });
    db.createObjectStore('kv', { keyPath: 'key' });
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

  /** @param {IDBTransaction} transaction @param {import('../types.js').Op[]} ops */
  function apply(transaction, ops) {
    const events = transaction.objectStore('events');
    for (const [n, op] of ops.entries()) {
      if (op.op === 'patch') {
        const request = events.get([op.chat_id, op.seq]);
        request.onsuccess = () => {
          if (request.result) events.put(patched(request.result, op));
          // Another change of the same message has to find this one.
          apply(transaction, ops.slice(n + 1));
        };
        return;
      }
      if (op.op === 'put') transaction.objectStore(op.table).put(op.row);
      else if (op.op === 'delete') transaction.objectStore(op.table).delete(op.key);
      // [chat_id] sorts before every [chat_id, seq].
      else if (op.op === 'trim') events.delete(IDBKeyRange.bound([op.chat_id], [op.chat_id, op.below], false, true));
      else {
        const request = events.index('expires').openCursor(IDBKeyRange.upperBound(op.now));
        request.onsuccess = () => {
          const cursor = request.result;
          cursor?.update(patched(cursor.value, { erase: true }));
          cursor?.continue();
        };
      }
    }
  }

  /** @param {(transaction: IDBTransaction) => void} work @returns {Promise<void>} */
  const change = (work) =>
    new Promise((resolve, reject) => {
      const transaction = db.transaction([...db.objectStoreNames], 'readwrite');
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error);
      try {
        work(transaction);
      } catch (error) {
        reject(error);
        transaction.abort();
      }
    });

  return {
    shared: name,
    capacity,
    open,
    get: async (key) => (await answer(read('kv').get(key)))?.value,
    chats: () => answer(read('chats').getAll()),
    events: (chatId, from, to, limit, backwards) =>
      new Promise((resolve, reject) => {
        /** @type {import('../types.js').EventRow[]} */
        const rows = [];
        const request = read('events').openCursor(IDBKeyRange.bound([chatId, from], [chatId, to]), backwards ? 'prev' : 'next');
        request.onerror = () => reject(request.error);
        request.onsuccess = () => {
          const cursor = request.result;
          if (cursor) rows.push(cursor.value);
          if (cursor && rows.length < limit) cursor.continue();
          else resolve(rows);
        };
      }),
    outbox: async () => (await answer(read('outbox').getAll())).sort((a, b) => a.created - b.created),
    write: (ops) => change((transaction) => apply(transaction, ops)),
    wipe: () =>
      change((transaction) => {
        for (const table of db.objectStoreNames) transaction.objectStore(table).clear();
      }),
    close: async () => db?.close(),
  };
}
