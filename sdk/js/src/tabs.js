import { NeonChatError } from './errors.js';

/**
 * @typedef {ReturnType<typeof createTabs>} Tabs
 * @typedef {{id: string, name: string, args: any[]}} Call
 * @typedef {{id: string, value?: any, error?: any}} Result
 *
 * @typedef {object} Host
 * @property {string | undefined} name of what the tabs share; `undefined`: nothing, this tab is alone
 * @property {LockManager | null | undefined} locks
 * @property {typeof BroadcastChannel | null | undefined} channel
 * @property {() => string} uuid
 * @property {() => Promise<void>} lead this tab is the leader from now on
 * @property {(name: string, args: any[]) => Promise<any>} answer does what a tab asks the leader for
 * @property {(kind: string, data: any) => void} heard
 */

/**
 * One of the tabs that share a store is the leader: the one that holds a Web Lock. It has the connection and writes the store. The
 * others call it over a BroadcastChannel. Without Web Locks each tab is its own leader.
 * @param {Host} host
 */
export function createTabs({ name, locks, channel, uuid, lead, answer, heard }) {
  const me = uuid();
  const isShared = name && locks && channel;
  let isLeader = false;
  // What the leader knows is loaded.
  let ready = Promise.resolve();
  /** @type {BroadcastChannel | undefined} */
  let bus;
  let ended = new AbortController();
  // Calls without a result.
  /** @type {Map<string, {name: string, args: any[], resolve: (value: any) => void, reject: (error: any) => void}>} */
  const calls = new Map();

  /** @param {string} kind @param {any} [data] @param {string} [to] */
  const post = (kind, data, to) => bus?.postMessage({ kind, data, to, from: me });

  /** @param {string} name @param {any[]} args */
  const execute = (name, args) => ready.then(() => answer(name, args));

  /** @param {Call} call @param {(result: Result) => void} done */
  function respond({ id, name, args }, done) {
    // What caused an error cannot always be copied to another tab.
    execute(name, args).then((value) => done({ id, value }), ({ cause, ...error }) => done({ id, error }));
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
    for (const [id, { name, args }] of calls) {
      if (isLeader) respond({ id, name, args }, settle);
      else post('call', { id, name, args });
    }
  }

  function takeOver() {
    isLeader = true;
    ready = lead();
    ready.then(() => post('hello'));
    repeat();
  }

  /** @param {any} message */
  function receive({ kind, data, from, to }) {
    if (to && to !== me) return;
    if (kind === 'call') {
      if (isLeader) respond(data, (result) => post('result', result, from));
    } else if (kind === 'result') settle(data);
    else if (kind === 'who') {
      if (isLeader) ready.then(() => post('hello', undefined, from));
    } else {
      if (kind === 'hello') repeat();
      heard(kind, data);
    }
  }

  return {
    get isLeader() {
      return isLeader;
    },
    /** Whether no other tab writes the store while this one does. */
    exclusive: Boolean(isShared || !name),
    post,
    start() {
      if (!isShared) return takeOver();
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
      post('who');
    },
    /** Another tab becomes the leader, if there is one. */
    stop() {
      isLeader = false;
      ended.abort();
      bus?.close();
      bus = undefined;
      for (const id of calls.keys()) settle({ id, error: { code: 'stopped' } });
    },
    /**
     * Has the leader do something. A call is repeated if the leader changes before it is answered.
     * @param {string} name
     * @param {any[]} args
     * @returns {Promise<any>}
     */
    call(name, ...args) {
      if (isLeader) return execute(name, args);
      return new Promise((resolve, reject) => {
        const id = uuid();
        calls.set(id, { name, args, resolve, reject });
        post('call', { id, name, args });
      });
    },
  };
}
