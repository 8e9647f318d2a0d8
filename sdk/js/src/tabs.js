import { NeonChatError } from './errors.js';

/**
 * @typedef {ReturnType<typeof createTabs>} Tabs
 * @typedef {{id: string, name: string, args: any[]}} Call
 * @typedef {{id: string, value?: any, error?: any}} Result
 *
 * @typedef {object} Host
 * @property {string} [name] of what the tabs share; `undefined`: nothing, this tab is alone
 * @property {any} shared
 * @property {LockManager | null | undefined} locks
 * @property {typeof BroadcastChannel | null | undefined} channel
 * @property {() => string} uuid
 */

/**
 * One of the tabs that share a store is the leader: the one that holds a Web Lock. It has the connection and writes the store. The
 * others call it over a BroadcastChannel. Without Web Locks each tab is its own leader.
 * @param {Host} context
 * @param {() => Promise<void>} lead this tab is the leader from now on; it says `hello` when it has begun
 * @param {(name: string, args: any[]) => Promise<any>} answer does what a tab asks the leader for
 * @param {(type: string, data: any) => void} heard
 */
export function createTabs({ name, shared, locks, channel, uuid }, lead, answer, heard) {
  let isLeader = false;
  /** @type {BroadcastChannel | undefined} */
  let bus;
  let ended = new AbortController();
  // Calls without a result.
  /** @type {Map<string, {entry: Call, resolve: (value: any) => void, reject: (error: any) => void}>} */
  const calls = new Map();

  /** @param {string} type @param {any} [data] */
  const post = (type, data) => bus?.postMessage({ type, data });

  /** @param {Call} call @param {(result: Result) => void} done */
  function respond({ id, name, args }, done) {
    // What caused an error cannot always be copied to another tab.
    answer(name, args).then((value) => done({ id, value }), ({ cause, ...error }) => done({ id, error }));
  }

  /** @param {Result} result */
  function settle({ id, value, error }) {
    const call = calls.get(id);
    calls.delete(id);
    if (error) call?.reject(new NeonChatError(error.code, error));
    else call?.resolve(value);
  }

  /** Answers what nobody has answered, or asks again. */
  function repeat() {
    for (const { entry } of calls.values()) {
      if (isLeader) respond(entry, settle);
      else post('call', entry);
    }
  }

  function takeOver() {
    isLeader = true;
    const ready = lead();
    repeat();
    return ready;
  }

  /** @param {any} message */
  function receive({ type, data }) {
    if (type === 'call') {
      if (isLeader) respond(data, (result) => post('result', result));
    } else if (type === 'result') settle(data);
    else {
      if (type === 'hello') repeat();
      heard(type, data);
    }
  }

  return {
    isLeader: () => isLeader,
    post,
    /** Without other tabs, resolves when what the leader knows is loaded. */
    start() {
      if (isLeader || bus) return;
      if (!shared) return takeOver();
      ended = new AbortController();
      const { signal } = ended;
      bus = new /** @type {any} */ (channel)(`neonchat:${name}`);
      /** @type {any} */ (bus).onmessage = (/** @type {MessageEvent} */ { data }) => receive(data);
      const hold = () =>
        new Promise((resolve) => {
          signal.addEventListener('abort', resolve);
          takeOver();
        });
      // The request is rejected when `stop` aborts it.
      /** @type {LockManager} */ (locks).request(`neonchat:${name}`, { signal }, hold).catch(() => {});
    },
    /** Another tab becomes the leader, if there is one. */
    stop() {
      isLeader = false;
      ended.abort();
      bus?.close();
      bus = undefined;
    },
    close() {
      for (const { reject } of calls.values()) reject(new NeonChatError('closed'));
    },
    /**
     * Has the leader do something. A call is repeated if the leader changes before it is answered.
     * @param {string} name
     * @param {any[]} args
     * @returns {Promise<any>}
     */
    call(name, ...args) {
      if (isLeader) return answer(name, args);
      return new Promise((resolve, reject) => {
        const entry = { id: uuid(), name, args };
        calls.set(entry.id, { entry, resolve, reject });
        post('call', entry);
      });
    },
  };
}
