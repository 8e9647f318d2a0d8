import { createCore } from './core.js';
import { createEmitter } from './emitter.js';
import { NeonChatError } from './errors.js';
import { isSame, keep } from './ops.js';
import { byTime } from './outbox.js';
import { createContext, need } from './options.js';
import { createRest } from './rest.js';
import { createSession } from './session.js';
import { createStorage } from './storage.js';
import { createTabs } from './tabs.js';

export { NeonChatError } from './errors.js';
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
 * @typedef {import('./types.js').Target} Target
 * @typedef {import('./types.js').Options} Options
 * @typedef {import('./types.js').Events} Events
 *
 * @typedef {{entry: any, resolve: (ack: Ack) => void, reject: (error: unknown) => void}} Waiter
 */

/** The largest frame is 64 KiB; a UTF-16 unit has up to 3 bytes in it. */
const FRAME = 21_845;

/**
 * @typedef {ReturnType<typeof createClient>} Client
 * @param {Options} options
 */
function createClient(options) {
  const o = createContext(options, (name, data) => {
    deliver(name, data);
    if (isStarted) tabs.post('event', { name, data });
  });
  const { locks, name, store } = o;

  // What this tab knows: that of the leader, by its events.
  /** @type {Status} */
  let status = { state: 'stopped' };
  /** @type {Map<string, ChatItem>} */
  let chats = new Map();
  /** @type {Map<string, Pending>} */
  let pending = new Map();
  /** @type {import('./core.js').Core | undefined} */
  let core;
  // Who waits for an answer.
  /** @type {Set<Waiter>} */
  const waiters = new Set();
  let isStarted = false;
  let isClosed = false;
  // The last `start` or `stop` is done.
  let changing = Promise.resolve();
  /** @type {Promise<void> | undefined} */
  let opening;
  // The leader begins, or begins again.
  let beginning = Promise.resolve();
  let unlisten = () => {};

  const { on, emit, events } = createEmitter(o.log);
  const storage = (o.storage = createStorage(store, () => core?.saved() ?? [], o.emit));
  const rest = (o.rest = createRest(o));
  const tabs = createTabs(o, lead, answer, heard);
  const session = (o.session = createSession(
    o,
    () => storage.get('session'),
    save,
    (work) => (name && locks ? /** @type {Promise<any>} */ (locks.request(`neonchat-refresh:${name}`, work)) : work()),
    (token) => core?.auth(token),
    (reason) => {
      tabs.post('ended', reason);
      return over(reason, true);
    }
  ));
  if (options.session) session.adopt(options.session);

  // --- session ---

  /** @param {any} answer @param {boolean} [cookie] */
  async function accept(answer, cookie) {
    await open();
    await session.accept(answer, cookie);
    if (core) await begin(true);
    else follow();
    return /** @type {SessionData} */ (session.data);
  }

  /** The leader begins. @param {boolean} [again] as another user */
  function begin(again) {
    return (beginning = beginning.then(async () => {
      if (again) await core?.stop(null);
      await core?.load();
      if (core) take(core.start(isStarted));
      // The other tabs learn what it has.
      tabs.post('hello');
    }));
  }

  /** The session is over. @param {string} reason @param {boolean} [isOwn] this tab has ended it */
  async function over(reason, isOwn) {
    await core?.stop(null);
    if (reason === 'logout') {
      if (core) await core.load(true);
      else if (isOwn) await storage.wipe();
    }
    // Nothing of one user is shown to the next.
    chats.clear();
    pending.clear();
    // Listeners find the lists empty. Another user may have signed in meanwhile.
    if (isStarted && !session.data) core?.stop({ state: 'signed_out', reason });
  }

  /** @param {SessionData | null} data */
  async function save(data) {
    // A refresh token that no script can read would be in vain if the access token were on the disk.
    const stored = data?.refresh === true ? { ...data, access: undefined } : data;
    await storage.commit([keep('session', stored)]);
    if (data) tabs.post('session', data);
  }

  // --- start and stop ---

  function opened() {
    return (opening ??= (async () => {
      await storage.open();
      unlisten = o.environment.listen((change) => isStarted && call('wake', change));
      const stored = await storage.get('session');
      // One that was passed may be older than the stored one of the same user, whose refresh token is the valid one.
      if (stored && (!session.me || stored.user.id === session.me)) session.adopt(stored);
      else if (session.data) await save(session.data);
      if (!o.shared) await tabs.start();
    })());
  }

  async function open() {
    check();
    await opened();
  }

  function check() {
    if (isClosed) throw new NeonChatError('closed');
  }

  async function lead() {
    core = createCore(o);
    await begin();
  }

  /** One after the other. @param {boolean} wish */
  function change(wish) {
    return (changing = changing.then(async () => {
      isStarted = wish;
      if (wish) {
        await opened();
        tabs.start();
      }
      // What begins would go on after its end.
      await beginning;
      // The server may have stopped the leader.
      if (wish) return void (core ? core.start() : follow());
      await core?.stop();
      if (!o.shared) return;
      core = undefined;
      tabs.stop();
      deliver('state', { state: 'stopped' });
    }));
  }

  /** Does what a tab asked the leader for. @param {string} name @param {any[]} args */
  async function answer(name, args) {
    await beginning;
    return /** @type {any} */ (core)?.[name](...args);
  }

  /** @param {string} kind @param {any} data */
  async function heard(kind, data) {
    if (kind === 'event') core || deliver(data.name, data.data);
    else if (kind === 'ended') {
      session.adopt(null);
      over(data);
    } else if (kind === 'session') {
      const isOther = data.user.id !== session.me;
      session.adopt(data);
      if (isOther && core) await begin(true);
    } else follow();
  }

  /** Learns what the leader knows. */
  const follow = () => call('start').then(take, () => {});

  /**
   * Has the leader do something. Nobody has to look at the promise.
   * @param {string} name
   * @param {any[]} args
   */
  function call(name, ...args) {
    const promise = open().then(() => tabs.call(name, ...args));
    promise.catch(() => {});
    return promise;
  }

  // --- events ---

  /** @param {string} name @param {any} data */
  function deliver(name, data) {
    if (name === 'state') {
      if (isSame(data, status)) return;
      status = data;
    } else if (name === 'chat') {
      if (data.chat) chats.set(data.chat_id, data.chat);
      else chats.delete(data.chat_id);
    } else if (name === 'outbox') settle(data);
    emit(name, data);
  }

  /** @param {any} snapshot */
  function take(snapshot) {
    chats = new Map(snapshot.chats.map((/** @type {ChatItem} */ row) => [row.id, row]));
    pending = new Map(snapshot.outbox.map((/** @type {Pending} */ row) => [row.request_id, row]));
    emit('chat', { type: 'chats' });
    if (isStarted) deliver('state', snapshot.status);
    // The former leader may have ended between an answer of the server and telling it: then the answer will be the same again.
    for (const waiter of waiters) if (!pending.has(waiter.entry.request_id)) add(waiter);
  }

  // --- sending ---

  /** Gives what is sent to the outbox, as that of the user who was signed in then. @param {Waiter} waiter */
  function add(waiter) {
    const { entry, reject } = waiter;
    const stored = open().then(() => {
      entry.by ??= session.me ?? '';
      return tabs.call('add', entry);
    });
    // It was refused: no answer comes.
    stored.catch((error) => {
      waiters.delete(waiter);
      reject(error);
    });
    return stored;
  }

  /**
   * @param {string} type
   * @param {string} chat_id
   * @param {any} content
   * @param {object} [more]
   * @param {(number | null | undefined)[]} [seqs]
   * @returns {Sending}
   */
  function send(type, chat_id, content, more, seqs) {
    check();
    need(typeof chat_id === 'string' && Object(content) === content, 'chat id or content');
    const { request_id = o.uuid() } = content;
    /** @type {Frame} */
    const frame = { ...more, ...content, type, chat_id, request_id };
    // The server would close the connection, and so again with every attempt.
    if (JSON.stringify(frame).length > FRAME) throw new NeonChatError('payload_too_large');
    /** @type {any} */
    let stored;
    /** @type {Promise<Ack>} */
    const done = new Promise((resolve, reject) => {
      const waiter = { entry: { request_id, chat_id, frame, seqs }, resolve, reject };
      waiters.add(waiter);
      stored = add(waiter);
    });
    // Those who do not look at it still learn of a failure by `outbox`.
    done.catch(() => {});
    return { request_id, stored, done };
  }

  /** @param {Events['outbox']} event */
  function settle({ type, entry, ack }) {
    // An error is logged, the text of a message is not.
    const { frame, ...more } = entry;
    const { request_id } = more;
    if (type === 'added' || type === 'failed') pending.set(request_id, entry);
    else pending.delete(request_id);
    if (type === 'added') return;
    for (const waiter of waiters) {
      if (waiter.entry.request_id !== request_id) continue;
      waiters.delete(waiter);
      if (ack) waiter.resolve(ack);
      else waiter.reject(new NeonChatError(more.code ?? type, more));
    }
  }

  return {
    /** Requests to the REST API. */
    rest,

    /** Who is signed in; `null`: nobody. */
    get session() {
      return session.data;
    },
    /** @returns {import('./types.js').StateName} */
    get state() {
      return status.state;
    },
    /** The state with what belongs to it. */
    get status() {
      return status;
    },
    /** Whether this tab holds the connection. */
    get isLeader() {
      return tabs.isLeader();
    },

    /** Reads the store: then it is known who is signed in. */
    open,
    /** @param {{username: string, password: string, device_name?: string, cookie?: boolean, [member: string]: any}} credentials */
    async login(credentials) {
      return accept(await rest.request('POST', '/auth/login', { body: credentials, token: null, cookie: credentials.cookie }), credentials.cookie);
    },
    /** Takes the answer of another call than `login` that signs in, for instance of a second factor. */
    accept,
    /** Ends the session and deletes what the client has stored. */
    async logout() {
      await open();
      await session.logout();
      await storage.flush();
    },

    /** Connects, and stays connected until `stop`. */
    start() {
      check();
      change(true);
    },
    /** Disconnects. What is pending stays in the store. */
    stop: () => change(false),
    /** Stops and closes the store. The client cannot be used any more. */
    async close() {
      isClosed = true;
      await change(false);
      unlisten();
      tabs.close();
      for (const { reject } of waiters) reject(new NeonChatError('closed'));
      await storage.close();
    },

    /**
     * Calls a function with each event of a name. Returns what ends it.
     * @type {<Name extends keyof Events>(name: Name, fn: (data: Events[Name]) => void) => () => void}
     */
    on,
    /**
     * All events, with their names.
     * @type {(options?: {signal?: AbortSignal}) => AsyncGenerator<{[Name in keyof Events]: {event: Name, data: Events[Name]}}[keyof Events], void>}
     */
    events,

    chats: {
      /** Pinned chats by their places, then the most recently active. */
      list: () => [...chats.values()].sort((/** @type {any} */ a, /** @type {any} */ b) => (a.pin_place ?? Infinity) - (b.pin_place ?? Infinity) || b.updated_at.localeCompare(a.updated_at)),
      /** @param {string} id */
      get: (id) => chats.get(id),
    },

    /** What is not acknowledged. */
    outbox: {
      /** In order. @param {string} [chatId] */
      list: (chatId) => [...pending.values()].filter(({ chat_id }) => !chatId || chat_id === chatId).sort(byTime),
      /** Sends again what failed. @param {string} id @returns {Promise<boolean>} */
      retry: (id) => call('retry', id),
      /** Removes what failed or was not sent yet. @param {string} id @returns {Promise<boolean>} */
      cancel: (id) => call('cancel', id),
    },

    /**
     * Sends a message, now or when there is a connection.
     * @param {string} chatId
     * @param {{text?: string, entities?: any[], mentions?: string[], attachments?: string[], reply_to?: string, silent?: boolean, request_id?: string}} content
     */
    send: (chatId, content) => send('message', chatId, content),
    /**
     * @param {string} chatId
     * @param {Target} message
     * @param {{text: string, entities?: any[], mentions?: string[], request_id?: string}} content
     */
    edit: (chatId, message, content) => send('edit', chatId, content, { message_id: idOf(message) }, [message.seq]),
    /**
     * Deletes messages for everybody.
     * @param {string} chatId
     * @param {Target[]} messages
     * @param {{request_id?: string}} [options]
     */
    delete: (chatId, messages, options = {}) =>
      send('delete', chatId, options, { message_ids: messages.map(idOf) }, messages.map(({ seq }) => seq)),
    /**
     * @param {string} chatId
     * @param {Target} message
     * @param {string} emoji
     * @param {{on?: boolean, request_id?: string}} [options] `on: false` takes the reaction back
     */
    react: (chatId, message, emoji, options = {}) => send('react', chatId, options, { message_id: idOf(message), emoji, on: true }),

    /** The user has read a chat up to a `seq`. @param {string} chatId @param {number} seq */
    read: (chatId, seq) => void call('read', chatId, seq),
    /** Repeat it every 3 to 5 seconds while the user types. @param {string} chatId @param {boolean} [on] */
    typing: (chatId, on = true) => void call('typing', chatId, on),
    /** Whether the user is active at this device. @param {'online' | 'away'} status */
    presence: (status) => void call('presence', status),
    /**
     * Keeps what the user has written and not sent, here (`draft` of the chat) and on the user's other devices. An empty text
     * deletes it.
     * @param {string} chatId
     * @param {string} text
     * @param {string} [replyTo]
     * @returns {Promise<void>}
     */
    draft: (chatId, text, replyTo) => call('draft', chatId, text, replyTo),

    /** The messages of a chat. @param {string} chatId */
    timeline: (chatId) => ({
      /**
       * Messages before, after or around a `seq`; without it, the newest ones.
       * @param {PageQuery} [query]
       * @returns {Promise<Page>}
       */
      page: (query = {}) => call('page', chatId, query),
      /** The ranges of `seq` of which the store has every message. @returns {Promise<[number, number][]>} */
      segments: () => call('segments', chatId),
      /**
       * Calls `fn` with what happens in the chat from now on.
       * @param {(event: {event: 'message' | 'event' | 'outbox' | 'gap' | 'receipt' | 'typing', data: any}) => void} fn
       * @returns {() => void} ends it
       */
      subscribe: (fn) =>
        on('*', (event) => {
          const { chat_id, entry } = event.data;
          if ((chat_id ?? entry?.chat_id) === chatId && event.event !== 'chat') return fn(event);
        }),
    }),
  };
}

/** Of a message, or of the answer to one that was sent. @param {any} target @returns {string} */
function idOf({ message_id, id = message_id }) {
  need(id, 'message id');
  return id;
}

/** A client of one user. */
export const NeonChat = /** @type {new (options: Options) => Client} */ (/** @type {unknown} */ (
  createClient
));
