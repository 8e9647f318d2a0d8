import { memoryStore } from './stores/memory.js';

/**
 * The store with a queue: what is written while a transaction runs goes into the next one together. If the store fails, it is
 * replaced by one in memory.
 */
export class Storage {
  /** @type {import('./types.js').Store} */
  store;
  #failed;
  #snapshot;
  /** @type {import('./types.js').Op[]} */
  #ops = [];
  /** @type {(() => void)[]} */
  #after = [];
  /** @type {Promise<void> | undefined} */
  #running;

  /**
   * @param {import('./types.js').Store} store
   * @param {(error: unknown) => void} failed
   * @param {() => import('./types.js').Op[]} snapshot returns what has to be in the store now
   */
  constructor(store, failed, snapshot) {
    this.store = store;
    this.#failed = failed;
    this.#snapshot = snapshot;
  }

  async open() {
    try {
      await this.store.open();
    } catch (error) {
      this.#replace(error);
    }
  }

  /**
   * Makes the changes in one transaction, then calls `after`. Calls follow in the order of `commit`.
   * @param {import('./types.js').Op[]} ops
   * @param {() => void} [after]
   * @returns {Promise<void>} resolves after that
   */
  commit(ops, after) {
    this.#ops.push(...ops);
    if (after) this.#after.push(after);
    return this.#running ? this.#running.then(() => this.flush()) : this.flush();
  }

  /** Resolves when everything is written. @returns {Promise<void>} */
  flush() {
    if (this.#running) return this.#running.then(() => this.flush());
    if (!this.#ops.length && !this.#after.length) return Promise.resolve();
    this.#running = this.#write().finally(() => (this.#running = undefined));
    return this.#running.then(() => this.flush());
  }

  async #write() {
    const [ops, after] = [this.#ops, this.#after];
    [this.#ops, this.#after] = [[], []];
    if (ops.length) {
      try {
        await this.store.write(ops);
      } catch (error) {
        this.#replace(error);
        await this.store.write([...this.#snapshot(), ...ops]);
      }
    }
    for (const fn of after) fn();
  }

  /** @template T @param {(store: import('./types.js').Store) => Promise<T>} work @returns {Promise<T>} */
  async read(work) {
    await this.flush();
    try {
      return await work(this.store);
    } catch (error) {
      this.#replace(error);
      await this.store.write(this.#snapshot());
      return work(this.store);
    }
  }

  async wipe() {
    await this.flush();
    try {
      await this.store.wipe();
    } catch (error) {
      this.#replace(error);
    }
  }

  /** The disk is full, or the browser forbids storage: go on without. @param {unknown} error */
  #replace(error) {
    const former = this.store;
    this.store = memoryStore();
    former.close().catch(() => {});
    this.#failed(error);
  }
}
