import { NeonChatError } from './errors.js';

/** More events than this may not wait for a consumer of `events()`. */
const WAITING = 10_000;

/**
 * Listeners by name.
 * @param {Pick<Console, 'error'>} log gets what a listener throws, or rejects with
 */
export function createEmitter(log) {
  /** @type {Map<string, Set<(data: any) => unknown>>} */
  const listeners = new Map();

  /** @param {string} name `*`: all @param {(data: any) => unknown} fn @returns {() => void} */
  function on(name, fn) {
    const set = listeners.get(name) ?? new Set();
    listeners.set(name, set.add(fn));
    return () => void set.delete(fn);
  }

  /** @param {string} name @param {any} data */
  function call(name, data) {
    // An asynchronous listener may reject, any other throws.
    for (const fn of listeners.get(name) ?? []) (async () => fn(data))().catch((error) => log.error(error));
  }

  return {
    on,
    /** @param {string} name @param {any} data */
    emit(name, data) {
      call(name, data);
      call('*', { event: name, data });
    },
    /** All events until `signal` is aborted. @param {{signal?: AbortSignal}} [options] */
    async *events({ signal } = {}) {
      /** @type {any[]} */
      const waiting = [];
      /** @type {(value?: any) => void} */
      let wake = () => {};
      const off = on('*', (event) => {
        waiting.push(event);
        wake();
      });
      signal?.addEventListener('abort', () => wake());
      try {
        while (!signal?.aborted) {
          if (waiting.length > WAITING) throw new NeonChatError('too_slow');
          if (waiting.length) yield waiting.shift();
          else await new Promise((resolve) => (wake = resolve));
        }
      } finally {
        off();
      }
    },
  };
}
