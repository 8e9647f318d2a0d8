/**
 * @typedef {object} Host what tabs need of the client
 * @property {string | undefined} name of what the tabs share; `undefined`: nothing, this tab is alone
 * @property {LockManager | undefined} locks
 * @property {typeof BroadcastChannel | undefined} channel
 * @property {() => string} uuid
 * @property {() => Promise<void>} lead this tab is the leader from now on
 * @property {(name: string, args: any[]) => Promise<any>} answer a call of another tab, or of this one
 * @property {(kind: string, data: any, from: string) => void} heard
 */

/**
 * One of the tabs that share a store is the leader: the one that holds a Web Lock. It has the connection and writes the store. The
 * others call it over a BroadcastChannel. Without Web Locks each tab is its own leader.
 */
export class Tabs {
  isLeader = false;
  #host;
  #id;
  /** @type {BroadcastChannel | undefined} */
  #channel;
  #abort = new AbortController();
  /** @type {() => void} */
  #release = () => {};
  /** What the leader knows is loaded. */
  #ready = Promise.resolve();
  /** Calls without a result. @type {Map<string, {name: string, args: any[], resolve: (value: any) => void, reject: (error: any) => void}>} */
  #calls = new Map();

  /** @param {Host} host */
  constructor(host) {
    this.#host = host;
    this.#id = host.uuid();
  }

  /** Whether no other tab can be the leader while this one is. */
  get exclusive() {
    return this.isLeader && (!this.#host.name || this.#shared);
  }

  get #shared() {
    const { name, locks, channel } = this.#host;
    return Boolean(name && locks && channel);
  }

  start() {
    const { name, locks, channel } = this.#host;
    if (!name || !locks || !channel) return void this.#lead();
    this.#channel = new channel(`neonchat:${name}`);
    this.#channel.onmessage = ({ data }) => this.#message(data);
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    const hold = () =>
      /** @type {Promise<void>} */ (
        new Promise((resolve) => {
          if (signal.aborted) return resolve();
          this.#release = resolve;
          this.#lead();
        })
      );
    // The request is rejected when `stop` aborts it.
    locks.request(`neonchat:${name}`, { signal }, hold).catch(() => {});
    this.#send({ kind: 'who' });
  }

  async #lead() {
    this.isLeader = true;
    this.#ready = this.#host.lead();
    await this.#ready;
    for (const [id, { name, args }] of this.#calls) this.#answerMyself(id, name, args);
    this.#send({ kind: 'hello' });
  }

  /** Another tab becomes the leader, if there is one. */
  stop() {
    this.isLeader = false;
    this.#abort.abort();
    this.#release();
    this.#release = () => {};
    this.#channel?.close();
    this.#channel = undefined;
    const error = new Error('the client was stopped');
    for (const { reject } of this.#calls.values()) reject(error);
    this.#calls.clear();
  }

  /**
   * Has the leader do something. A call is repeated if the leader changes before it is answered.
   * @param {string} name
   * @param {any[]} args
   * @returns {Promise<any>}
   */
  call(name, ...args) {
    if (this.isLeader) return this.#answer(name, args);
    return new Promise((resolve, reject) => {
      const id = this.#host.uuid();
      this.#calls.set(id, { name, args, resolve, reject });
      this.#send({ kind: 'call', id, name, args });
    });
  }

  /** @param {string} name @param {any[]} args */
  async #answer(name, args) {
    await this.#ready;
    return this.#host.answer(name, args);
  }

  /** Tells all other tabs. @param {string} kind @param {any} data */
  post(kind, data) {
    this.#send({ kind, data });
  }

  /** @param {any} message */
  #send(message) {
    this.#channel?.postMessage({ ...message, from: this.#id });
  }

  /** @param {string} id @param {string} name @param {any[]} args */
  async #answerMyself(id, name, args) {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    try {
      call?.resolve(await this.#host.answer(name, args));
    } catch (error) {
      call?.reject(error);
    }
  }

  /** @param {any} message */
  async #message(message) {
    const { kind, id, from, to, name, args } = message;
    if (to && to !== this.#id) return;
    if (kind === 'call') {
      if (!this.isLeader) return;
      try {
        this.#send({ kind: 'result', to: from, id, value: await this.#answer(name, args) });
      } catch (error) {
        const { name, message, code, status } = /** @type {any} */ (error);
        this.#send({ kind: 'result', to: from, id, error: { name, message, code, status } });
      }
    } else if (kind === 'result') {
      const call = this.#calls.get(id);
      this.#calls.delete(id);
      if (message.error) call?.reject(Object.assign(new Error(message.error.message), message.error));
      else call?.resolve(message.value);
    } else if (kind === 'who') {
      if (this.isLeader) this.#send({ kind: 'hello', to: from });
    } else {
      if (kind === 'hello') for (const [id, { name, args }] of this.#calls) this.#send({ kind: 'call', id, name, args });
      this.#host.heard(kind, message.data, from);
    }
  }
}
