/** More events than this may not wait for a consumer of `events()`. */
const WAITING = 10_000;

/** Listeners by name. */
export class Emitter {
  /** @type {Map<string, Set<(data: any) => void>>} */
  #listeners = new Map();
  #report;

  /** @param {(error: unknown) => void} report gets what a listener throws */
  constructor(report) {
    this.#report = report;
  }

  /** @param {string} name `*`: all @param {(data: any) => void} fn @returns {() => void} */
  on(name, fn) {
    let set = this.#listeners.get(name);
    if (!set) this.#listeners.set(name, (set = new Set()));
    set.add(fn);
    return () => void set.delete(fn);
  }

  /** @param {string} name @param {any} data */
  emit(name, data) {
    for (const fn of this.#listeners.get(name) ?? []) this.#call(fn, data);
    for (const fn of this.#listeners.get('*') ?? []) this.#call(fn, { event: name, data });
  }

  /** @param {(data: any) => void} fn @param {any} data */
  #call(fn, data) {
    try {
      fn(data);
    } catch (error) {
      this.#report(error);
    }
  }

  /**
   * @param {AbortSignal} [signal] ends the iteration
   * @returns {AsyncGenerator<{event: string, data: any}, void>}
   */
  async *events(signal) {
    /** @type {{event: string, data: any}[]} */
    const waiting = [];
    let wake = () => {};
    const off = this.on('*', (event) => {
      waiting.push(event);
      wake();
    });
    const abort = () => wake();
    signal?.addEventListener('abort', abort);
    try {
      while (!signal?.aborted) {
        if (waiting.length > WAITING) throw new Error('the consumer of events() is too slow');
        const event = waiting.shift();
        if (event) yield event;
        else await new Promise((resolve) => (wake = () => resolve(undefined)));
      }
    } finally {
      off();
      signal?.removeEventListener('abort', abort);
    }
  }
}
