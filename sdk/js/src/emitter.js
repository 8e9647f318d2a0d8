import { NeonChatError } from './errors.js';

/** More events than this may not wait for a consumer of `events()`. */
const WAITING = 10_000;

/**
 * Listeners by name.
 * @param {(error: unknown) => void} report gets what a listener throws
 */
export function createEmitter(report) {
  /** @type {Map<string, Set<(data: any) => void>>} */
  const listeners = new Map();

  /** @param {string} name `*`: all @param {(data: any) => void} fn @returns {() => void} */
  function on(name, fn) {
    const set = listeners.get(name) ?? new Set();
    listeners.set(name, set.add(fn));
    return () => void set.delete(fn);
  }

  /** @param {string} name @param {any} data */
  function call(name, data) {
    for (const fn of listeners.get(name) ?? []) {
      try {
        fn(data);
      } catch (error) {
        report(error);
      }
    }
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
