import { memoryStore } from './stores/memory.js';

/** @type {import('./types.js').Environment} */
const browser = {
  online: () => globalThis.navigator?.onLine !== false,
  hidden: () => globalThis.document?.hidden === true,
  listen(fn) {
    const end = new AbortController();
    const change = (/** @type {Event} */ { type }) => fn(/** @type {any} */ (type[0] === 'v' ? document.visibilityState : type));
    for (const type of ['online', 'offline', 'visibilitychange']) globalThis.addEventListener?.(type, change, end);
    return () => end.abort();
  },
};

/**
 * What the parts of a client have in common: the options, or what is used without them.
 * @param {import('./types.js').Options} options
 * @param {(name: string, data: any) => void} emit
 */
export function createContext(options, emit) {
  const o = /** @type {import('./types.js').Context & Required<Omit<import('./types.js').Options, 'session'>>} */ (/** @type {any} */ ({
    clock: { now: Date.now, setTimeout, clearTimeout },
    random: Math.random,
    uuid: () => crypto.randomUUID(),
    environment: browser,
    store: memoryStore(),
    webSocket: globalThis.WebSocket,
    fetch: (/** @type {Parameters<typeof fetch>} */ ...args) => fetch(...args),
    locks: globalThis.navigator?.locks,
    channel: globalThis.BroadcastChannel,
    delivered: true,
    log: console,
    ...options,
    timer,
    emit,
  }));
  const { store } = o;
  need(o.url, 'url');
  need(store?.write, 'store');
  need(o.webSocket, 'webSocket, as of ws');
  o.url = o.url.replace(/\/*(api\/v1\/*)?$/, '');
  o.webSocketUrl ??= o.url.replace(/^http/, 'ws').replace(/:\d+$/, ':8082') + '/ws';
  // Browsers call these only without `this`.
  const { now, setTimeout: plan, clearTimeout: cancel } = o.clock;
  o.now = now;
  o.name = store.shared;
  o.shared = o.name && o.locks && o.channel;
  return o;

  function timer() {
    /** @type {any} */
    let id;
    const one = {
      on: false,
      clear() {
        cancel(id);
        one.on = false;
      },
      set(/** @type {number} */ ms, /** @type {() => void} */ fn) {
        cancel(id);
        one.on = true;
        id = plan(() => {
          one.on = false;
          fn();
        }, ms);
      },
    };
    return one;
  }
}

/** @param {any} isThere @param {string} what */
export function need(isThere, what) {
  if (!isThere) throw new TypeError(`no valid ${what}`);
}
