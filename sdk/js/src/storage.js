import { memoryStore } from './stores/memory.js';

/**
 * @typedef {import('./types.js').Op} Op
 * @typedef {import('./types.js').Store} Store
 * @typedef {ReturnType<typeof createStorage>} Storage
 */

/**
 * The store with a queue: what is written while a transaction runs goes into the next one together. If the store fails, it is
 * replaced by one in memory.
 * @param {Store} store
 * @param {() => Op[]} saved returns what has to be in the store now
 * @param {(name: string, data: any) => void} emit
 */
export function createStorage(store, saved, emit) {
  /** @type {Op[]} */
  const ops = [];
  /** @type {(() => void)[]} */
  const after = [];
  // The batch that collects changes, and the last one of all.
  /** @type {Promise<void> | undefined} */
  let next;
  let last = Promise.resolve();
  const first = store;

  /** @template T @param {(store: Store) => Promise<T>} work @returns {Promise<T>} */
  async function attempt(work) {
    try {
      return await work(store);
    } catch (error) {
      // The disk is full, or the browser forbids storage: go on without.
      store.close().catch(() => {});
      store = memoryStore();
      await store.write(saved());
      emit('error', { code: 'store_failed', message: String(error) });
      return work(store);
    }
  }

  async function write() {
    next = undefined;
    const written = ops.splice(0);
    const calls = after.splice(0);
    if (written.length) await attempt((store) => store.write(written));
    for (const fn of calls) fn();
  }

  /** @template T @param {(store: Store) => Promise<T>} work */
  async function read(work) {
    await last;
    return attempt(work);
  }

  return {
    open: () => attempt((store) => store.open()),
    /**
     * Makes the changes in one transaction, then calls `fn`. The calls follow in the order of `commit`.
     * @param {Op[]} changes
     * @param {() => void} [fn]
     */
    commit(changes, fn) {
      ops.push(...changes);
      if (fn) after.push(fn);
      return (next ??= last = last.then(write));
    },
    /** Resolves when everything is written. */
    flush: () => last,
    read,
    /** Reads a value of `kv`. @param {string} key */
    get: (key) => read((store) => store.get(key)),
    /** Deletes everything, also what is in a store that was replaced. */
    async wipe() {
      await last;
      await attempt((store) => store.wipe());
      if (store !== first) await first.open().then(() => first.wipe()).catch(() => {});
    },
    async close() {
      await last;
      await first.close();
    },
  };
}
