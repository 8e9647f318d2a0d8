import { Core } from './core.js';
import { Emitter } from './emitter.js';
import { sendError } from './outbox.js';
import { Rest, makeApi } from './rest.js';
import { Session } from './session.js';
import { Storage } from './storage.js';
import { memoryStore } from './stores/memory.js';
import { Tabs } from './tabs.js';

export { ApiError, NetworkError, SendError, SignedOutError } from './errors.js';
export { indexedDbStore } from './stores/indexeddb.js';
export { memoryStore } from './stores/memory.js';

/**
 * @typedef {import('./types.js').Message} Message
 * @typedef {import('./types.js').ChatItem} ChatItem
 * @typedef {import('./types.js').Frame} Frame
 * @typedef {import('./types.js').Sending} Sending
 * @typedef {import('./types.js').Ack} Ack
 * @typedef {import('./types.js').Page} Page
 * @typedef {import('./types.js').PageQuery} PageQuery
 * @typedef {import('./types.js').Pending} Pending
 * @typedef {import('./types.js').SessionData} SessionData
 * @typedef {import('./types.js').Status} Status
 * @typedef {import('./types.js').Store} Store
 * @typedef {import('./types.js').Draft} Draft
 *
 * @typedef {object} Options
 * @property {string} url of chat-service, such as `http://localhost:8080`
 * @property {string} [webSocketUrl] by default port 8082 of the same host if `url` has a port, else its path `/ws`
 * @property {Store} [store] by default in memory
 * @property {SessionData} [session] of a former run, if the store does not have it
 * @property {boolean} [delivered] whether to tell others which messages this device has received; true by default
 * @property {new (url: string, protocols: string[]) => any} [webSocket] needed before Node.js 22: the class of `ws`
 * @property {typeof globalThis.fetch} [fetch]
 * @property {import('./types.js').Clock} [clock]
 * @property {() => number} [random]
 * @property {() => string} [uuid]
 * @property {import('./types.js').Environment} [environment]
 * @property {LockManager | null} [locks] Web Locks; `null`: none
 * @property {typeof BroadcastChannel | null} [channel]
 * @property {(level: 'warn', message: string, error: unknown) => void} [log]
 *
 * @typedef {object} Events
 * @property {Status} state
 * @property {Frame & {chat_id: string, seq: number, message: Message}} message a message has its place in the chat
 * @property {Frame} event another event of a chat, or a frame that has no event of its own here
 * @property {Frame} typing
 * @property {Frame} presence
 * @property {Frame} receipt
 * @property {{type: 'chat_created' | 'chat_changed' | 'chat_removed' | 'chats_listed', chat_id?: string, chat?: ChatItem, reason?: string}} chat
 * @property {{chat_id: string, from_seq: number, to_seq: number, skipped: boolean, restored?: boolean}} gap events are missing:
 *   they are being fetched, or, if `skipped`, the history begins anew after them
 * @property {{type: 'added' | 'done' | 'failed' | 'cancelled', entry: Pending, ack?: Ack}} outbox
 * @property {Frame} system
 * @property {{code: string, message?: string, [member: string]: any}} error
 */

/** The largest frame is 64 KiB. */
const FRAME = 65_536;

/** @type {import('./types.js').Clock} */
const realClock = {
  now: () => Date.now(),
  setTimeout: (fn, ms) => globalThis.setTimeout(fn, ms),
  clearTimeout: (timer) => globalThis.clearTimeout(timer),
};

/** @type {import('./types.js').Environment} */
const browser = {
  online: () => globalThis.navigator?.onLine !== false,
  hidden: () => globalThis.document?.visibilityState === 'hidden',
  listen(fn) {
    const online = () => fn('online');
    const offline = () => fn('offline');
    const visible = () => fn(browser.hidden() ? 'hidden' : 'visible');
    const { addEventListener: add, removeEventListener: remove, document } = globalThis;
    if (!add || !document) return () => {};
    add('online', online);
    add('offline', offline);
    document.addEventListener('visibilitychange', visible);
    return () => {
      remove('online', online);
      remove('offline', offline);
      document.removeEventListener('visibilitychange', visible);
    };
  },
};

/** @param {string} url */
function defaultWebSocketUrl(url) {
  const { protocol, hostname, host, port } = new URL(url);
  return `${protocol === 'https:' ? 'wss' : 'ws'}://${port ? `${hostname}:8082` : host}/ws`;
}

/** A client of one user. */
export class NeonChat {
  /** Requests to the REST API. */
  rest;
  /** The operations of the REST API by name. */
  api;
  #options;
  #emitter;
  #session;
  #storage;
  #tabs;
  /** @type {Core | undefined} */
  #core;
  #started = false;
  #restarting = Promise.resolve();
  /** @type {Promise<void> | undefined} */
  #opened;
  /** @type {() => void} */
  #unlisten = () => {};
  /** What this tab knows: that of the leader, by its events. @type {Status} */
  #status = { state: 'stopped' };
  /** @type {Map<string, ChatItem>} */
  #chats = new Map();
  /** @type {Map<string, Pending>} */
  #outbox = new Map();
  /** @type {Map<string, Draft>} */
  #drafts = new Map();
  /** @type {Map<string, {entry: any, resolve: (ack: Ack) => void, reject: (error: Error) => void}>} */
  #sendings = new Map();
  /** Which other tabs are visible. @type {Set<string>} */
  #visible = new Set();

  /** @param {Options} options */
  constructor(options) {
    const clock = options.clock ?? realClock;
    const url = options.url.replace(/\/+$/, '');
    const webSocket = options.webSocket ?? globalThis.WebSocket;
    if (!webSocket) throw new Error('there is no WebSocket here: pass the class of the package ws as `webSocket`');
    const o = (this.#options = {
      random: Math.random,
      uuid: () => globalThis.crypto.randomUUID(),
      environment: browser,
      delivered: true,
      log: (/** @type {'warn'} */ level, /** @type {string} */ message, /** @type {unknown} */ error) => console[level](`neonchat: ${message}`, error),
      ...options,
      clock,
      webSocket,
      url: options.webSocketUrl ?? defaultWebSocketUrl(url),
    });
    const store = options.store ?? memoryStore();
    const locks = options.locks === undefined ? globalThis.navigator?.locks : (options.locks ?? undefined);
    const channel = options.channel === undefined ? globalThis.BroadcastChannel : (options.channel ?? undefined);
    this.#emitter = new Emitter((error) => o.log('warn', 'a listener failed', error));
    this.#storage = new Storage(store, (error) => this.#storeFailed(error), () => this.#core?.saved() ?? []);
    this.rest = new Rest(url, options.fetch ?? globalThis.fetch.bind(globalThis), clock);
    this.api = makeApi(this.rest);
    this.#tabs = new Tabs({
      name: store.shared,
      ...{ locks, channel, uuid: o.uuid },
      lead: () => this.#lead(),
      answer: (name, args) => this.#answer(name, args),
      heard: (kind, data, from) => this.#heard(kind, data, from),
    });
    const lock = `neonchat-refresh:${store.shared}`;
    this.#session = new Session({
      ...{ clock, rest: this.rest, random: o.random, uuid: o.uuid },
      load: () => this.#storage.read((store) => store.get('session')),
      save: (data) => this.#saveSession(data),
      exclusively: (work) => (locks && store.shared ? /** @type {Promise<any>} */ (locks.request(lock, work)) : work()),
      changed: (data) => data?.access && this.#core?.authenticate(data.access),
      ended: (reason) => this.#ended(reason, true),
    });
    if (options.session) this.#session.data = options.session;
    this.rest.session = this.#session;
  }

  // --- session ---

  /** Who is signed in; `null`: nobody. @returns {SessionData | null} */
  get session() {
    return this.#session.data;
  }

  /** @param {{username: string, password: string, device_name?: string, cookie?: boolean, [member: string]: any}} credentials */
  async login(credentials) {
    await this.#open();
    const session = await this.#session.login(credentials);
    await this.#signedIn();
    return session;
  }

  /**
   * Signs in with the answer of another call than `login`, for instance of a second factor.
   * @param {any} answer
   * @param {{cookie?: boolean}} [options]
   */
  async accept(answer, { cookie } = {}) {
    await this.#open();
    const session = await this.#session.accept(answer, cookie);
    await this.#signedIn();
    return session;
  }

  async #signedIn() {
    if (this.#core) await this.#restart();
  }

  /** Ends the session and deletes what the client has stored. */
  async logout() {
    await this.#open();
    await this.#session.logout();
  }

  /** The leader begins again, for instance as another user. */
  #restart() {
    return (this.#restarting = (async () => {
      await this.#core?.stop();
      await this.#core?.start();
      this.#take(this.#core?.snapshot());
    })());
  }

  /** @param {string} reason @param {boolean} mine whether this tab found out */
  #ended(reason, mine) {
    if (mine) this.#tabs.post('ended', { reason });
    this.#forget(reason);
  }

  /** @param {string} reason */
  async #forget(reason) {
    const core = this.#core;
    await core?.stop({ state: 'signed_out', reason });
    if (reason !== 'logout') return;
    if (core) await core.wipe();
    else if (!this.#started) await this.#storage.wipe();
    this.#chats.clear();
    this.#outbox.clear();
    this.#drafts.clear();
    for (const { reject } of this.#sendings.values()) reject(sendError({ code: 'signed_out' }));
    this.#sendings.clear();
  }

  /** @param {SessionData | null} data */
  async #saveSession(data) {
    const value = data?.refresh === true ? { ...data, access: undefined } : data;
    const op = value ? { op: 'put', table: 'kv', row: { key: 'session', value } } : { op: 'delete', table: 'kv', key: 'session' };
    await this.#storage.commit([/** @type {import('./types.js').Op} */ (op)]);
    if (data) this.#tabs.post('session', { session: data });
  }

  // --- start and stop ---

  /** Connects, and stays connected until `stop`. */
  start() {
    if (this.#started) return;
    this.#started = true;
    this.#status = { state: 'connecting' };
    this.#unlisten = this.#options.environment.listen((change) => this.#wake(change));
    this.#open().then(() => {
      if (!this.#started) return;
      this.#tabs.start();
      this.#tabs.post('visible', !this.#options.environment.hidden());
    });
  }

  /** Disconnects. What is pending stays in the store. */
  async stop() {
    if (!this.#started) return;
    this.#started = false;
    this.#unlisten();
    const core = this.#core;
    this.#core = undefined;
    await core?.stop();
    await this.#storage.flush();
    this.#tabs.stop();
    this.#deliver('state', { state: 'stopped' });
  }

  /** Stops and closes the store. The client cannot be used any more. */
  async close() {
    await this.stop();
    await this.#storage.store.close();
  }

  #open() {
    return (this.#opened ??= (async () => {
      await this.#storage.open();
      const stored = await this.#storage.read((store) => store.get('session'));
      // A session that was passed may be older than the stored one of the same user, whose refresh token is the valid one.
      const { data } = this.#session;
      if (stored && (!data || data.user.id === stored.user.id)) this.#session.data = stored;
      else if (data) await this.#saveSession(data);
    })());
  }

  async #lead() {
    const { environment } = this.#options;
    this.#core = new Core({
      ...this.#options,
      session: this.#session,
      rest: this.rest,
      storage: this.#storage,
      online: environment.online,
      hidden: () => environment.hidden() && !this.#visible.size,
      exclusive: () => this.#tabs.exclusive,
      emit: (name, data) => {
        this.#deliver(name, data);
        this.#tabs.post('event', { name, data });
      },
    });
    await this.#core.start();
    this.#take(this.#core.snapshot());
  }

  /** @param {'online' | 'offline' | 'visible' | 'hidden'} change */
  #wake(change) {
    if (this.#core) this.#core.wake(change);
    else this.#tabs.post('wake', change);
    if (change === 'visible' || change === 'hidden') this.#tabs.post('visible', change === 'visible');
  }

  /** Does what a tab asked the leader for. @param {string} name @param {any[]} args */
  async #answer(name, args) {
    await this.#restarting;
    const core = /** @type {any} */ (this.#core);
    return core[name](...args);
  }

  /** @param {string} kind @param {any} data @param {string} from */
  async #heard(kind, data, from) {
    if (kind === 'event' && !this.#core) this.#deliver(data.name, data.data);
    else if (kind === 'wake') this.#core?.wake(data);
    else if (kind === 'visible') this.#visible[data ? 'add' : 'delete'](from);
    else if (kind === 'ended') {
      this.#session.adopt(null);
      this.#ended(data.reason, false);
    } else if (kind === 'session') {
      const other = data.session.user.id !== this.#session.data?.user.id;
      this.#session.adopt(data.session);
      if (other && this.#core) await this.#restart();
    } else if (kind === 'hello') {
      this.#take(await this.#tabs.call('snapshot'));
      this.#resend();
    }
  }

  /** The former leader may have ended between an answer of the server and telling it: then the answer will be the same again. */
  #resend() {
    for (const [id, { entry }] of this.#sendings) if (!this.#outbox.has(id)) this.#tabs.call('add', entry).catch(() => {});
  }

  /** @param {unknown} error */
  #storeFailed(error) {
    this.#deliver('error', { code: 'store_failed', message: `the store failed, and is replaced by one in memory: ${error}`, error });
  }

  // --- events ---

  /**
   * @template {keyof Events} Name
   * @param {Name} name
   * @param {(data: Events[Name]) => void} fn
   * @returns {() => void} ends it
   */
  on(name, fn) {
    return this.#emitter.on(name, fn);
  }

  /**
   * All events, with their names.
   * @param {{signal?: AbortSignal}} [options]
   */
  events({ signal } = {}) {
    return /** @type {AsyncGenerator<{[Name in keyof Events]: {event: Name, data: Events[Name]}}[keyof Events], void>} */ (
      /** @type {unknown} */ (this.#emitter.events(signal))
    );
  }

  /** @param {string} name @param {any} data */
  #deliver(name, data) {
    if (name === 'state') this.#status = data;
    else if (name === 'chat') {
      if (data.chat) this.#chats.set(data.chat_id, data.chat);
      else if (data.type === 'chat_removed') this.#chats.delete(data.chat_id);
    } else if (name === 'event' && data.type === 'draft') {
      if (data.text) this.#drafts.set(data.chat_id, data);
      else this.#drafts.delete(data.chat_id);
    } else if (name === 'outbox') this.#sent(data);
    this.#emitter.emit(name, data);
  }

  /** @param {Events['outbox']} event */
  #sent({ type, entry, ack }) {
    const id = entry.request_id;
    const sending = this.#sendings.get(id);
    if (type === 'added' || type === 'failed') this.#outbox.set(id, entry);
    else this.#outbox.delete(id);
    if (type === 'added') return;
    this.#sendings.delete(id);
    if (type === 'done') sending?.resolve(/** @type {Ack} */ (ack));
    else sending?.reject(sendError(type === 'failed' ? entry : { code: 'cancelled' }));
  }

  /** @param {any} snapshot */
  #take(snapshot) {
    if (!snapshot) return;
    const { status, chats, outbox, drafts } = snapshot;
    this.#chats = new Map(chats.map((/** @type {ChatItem} */ chat) => [chat.id, chat]));
    this.#outbox = new Map(outbox.map((/** @type {Pending} */ entry) => [entry.request_id, entry]));
    this.#drafts = new Map(drafts.map((/** @type {Draft} */ draft) => [draft.key, draft]));
    if (JSON.stringify(status) !== JSON.stringify(this.#status)) this.#deliver('state', status);
  }

  // --- state ---

  get state() {
    return this.#status.state;
  }

  /** The state with what belongs to it. */
  get status() {
    return this.#status;
  }

  /** Whether this tab holds the connection. */
  get isLeader() {
    return this.#tabs.isLeader;
  }

  get chats() {
    const chats = this.#chats;
    return {
      /** Pinned chats by their places, then the most recently active. */
      list: () => [...chats.values()].sort(byActivity),
      /** @param {string} id */
      get: (id) => chats.get(id),
      /** Opens the direct chat with a user. @param {string} userId @returns {Promise<ChatItem>} */
      open: (userId) => this.rest.post('/chats', { partner_id: userId }),
    };
  }

  get outbox() {
    const outbox = this.#outbox;
    return {
      /** @param {string} [chatId] */
      list: (chatId) => [...outbox.values()].filter(({ chat_id }) => !chatId || chat_id === chatId).sort((a, b) => a.created - b.created),
      /** Sends again what failed. @param {string} id @returns {Promise<boolean>} */
      retry: (id) => this.#tabs.call('retry', id),
      /** Removes what failed or was not sent yet. @param {string} id @returns {Promise<boolean>} */
      cancel: (id) => this.#tabs.call('cancel', id),
    };
  }

  // --- sending ---

  /**
   * Sends a message, now or when there is a connection.
   * @param {string} chatId
   * @param {{text?: string, entities?: any[], mentions?: string[], attachments?: string[], reply_to?: string, silent?: boolean, request_id?: string}} content
   * @returns {Sending}
   */
  send(chatId, { request_id, ...content }) {
    return this.#send({ type: 'message', chat_id: chatId, ...content }, [], request_id);
  }

  /**
   * @param {string} chatId
   * @param {{id: string, seq?: number}} message
   * @param {{text: string, entities?: any[], mentions?: string[], request_id?: string}} content
   */
  edit(chatId, { id, seq }, { request_id, ...content }) {
    return this.#send({ type: 'edit', chat_id: chatId, message_id: id, ...content }, [seq], request_id);
  }

  /**
   * Deletes messages for everybody.
   * @param {string} chatId
   * @param {{id: string, seq?: number}[]} messages
   * @param {{request_id?: string}} [options]
   */
  delete(chatId, messages, { request_id } = {}) {
    const seqs = messages.map(({ seq }) => seq);
    return this.#send({ type: 'delete', chat_id: chatId, message_ids: messages.map(({ id }) => id) }, seqs, request_id);
  }

  /**
   * @param {string} chatId
   * @param {{id: string, seq?: number}} message
   * @param {string} emoji
   * @param {boolean} [on]
   * @param {{request_id?: string}} [options]
   */
  react(chatId, { id, seq }, emoji, on = true, { request_id } = {}) {
    return this.#send({ type: 'react', chat_id: chatId, message_id: id, emoji, on }, [seq], request_id);
  }

  /** @param {Frame} frame @param {(number | undefined)[]} seqs @param {string} [id] @returns {Sending} */
  #send(frame, seqs, id) {
    if (!this.#started) throw new Error('start the client first');
    const request_id = id ?? this.#options.uuid();
    frame = { ...frame, request_id };
    // The server would close the connection, and so again with every attempt.
    if (new TextEncoder().encode(JSON.stringify(frame)).length > FRAME) throw new RangeError('a frame has at most 64 KiB');
    const entry = { request_id, chat_id: frame.chat_id, frame, ...(seqs.length && { seqs }) };
    /** @type {Promise<Ack>} */
    const done = new Promise((resolve, reject) => this.#sendings.set(request_id, { entry, resolve, reject }));
    const stored = this.#tabs.call('add', entry);
    // Those who do not look at the promises still learn of a failure by `outbox`.
    done.catch(() => {});
    stored.catch(() => {});
    return { request_id, stored, done };
  }

  /** The user has read a chat up to a `seq`. @param {string} chatId @param {number} seq */
  read(chatId, seq) {
    this.#tell('read', chatId, seq);
  }

  /** Call it with every key: what is sent is limited here. @param {string} chatId @param {boolean} [on] */
  typing(chatId, on = true) {
    this.#tell('typing', chatId, on);
  }

  /** Whether the user is active at this device. @param {'online' | 'away'} status */
  presence(status) {
    this.#tell('presence', status);
  }

  /** @param {string} name @param {any[]} args */
  #tell(name, ...args) {
    this.#tabs.call(name, ...args).catch(() => {});
  }

  get drafts() {
    const drafts = this.#drafts;
    return {
      /** @param {string} chatId @returns {Draft | undefined} */
      get: (chatId) => drafts.get(chatId),
      /**
       * Keeps what the user has written and not sent, here and on the user's other devices. An empty text deletes it.
       * @param {string} chatId
       * @param {string} text
       * @param {string} [replyTo]
       * @returns {Promise<void>}
       */
      set: (chatId, text, replyTo) => this.#tabs.call('draft', { key: chatId, chat_id: chatId, text, ...(replyTo && { reply_to: replyTo }) }),
    };
  }

  // --- history ---

  /** The messages of a chat. @param {string} chatId */
  timeline(chatId) {
    return {
      /**
       * Messages before, after or around a `seq`; without it, the newest ones.
       * @param {PageQuery} [query]
       * @returns {Promise<Page>}
       */
      page: (query = {}) => this.#tabs.call('page', chatId, query),
      /** The ranges of `seq` of which the store has every message. @returns {Promise<[number, number][]>} */
      segments: () => this.#tabs.call('segments', chatId),
      /**
       * Calls `fn` with what happens in the chat from now on.
       * @param {(event: {event: 'message' | 'event' | 'outbox' | 'gap' | 'receipt' | 'typing', data: any}) => void} fn
       * @returns {() => void} ends it
       */
      subscribe: (fn) =>
        this.#emitter.on('*', (/** @type {any} */ event) => {
          const id = event.data?.chat_id ?? event.data?.entry?.chat_id;
          if (id === chatId && event.event !== 'chat') fn(event);
        }),
    };
  }
}

/** @param {any} a @param {any} b */
function byActivity(a, b) {
  return (a.pin_place ?? Infinity) - (b.pin_place ?? Infinity) || Number(a.updated_at < b.updated_at) - Number(a.updated_at > b.updated_at);
}
