import { Connection } from './connection.js';
import { Outbox } from './outbox.js';
import { Pages } from './pages.js';
import { Streams } from './streams.js';

/** `typing` is repeated at most this often. */
const TYPING = 3_000;
/** What was delivered is told this long after it came, together. */
const DELIVERED = 1_000;
/** Larger groups, and channels, tell nobody what was delivered. */
const SMALL = 100;
/** How often messages that have disappeared are looked for. */
const EXPIRE = 3_600_000;

/**
 * @typedef {import('./types.js').Frame} Frame
 * @typedef {import('./types.js').Draft} Draft
 *
 * @typedef {object} Host what the core needs of the client
 * @property {string} url of the WebSocket
 * @property {new (url: string, protocols: string[]) => any} webSocket
 * @property {import('./types.js').Clock} clock
 * @property {() => number} random
 * @property {() => string} uuid
 * @property {import('./session.js').Session} session
 * @property {import('./rest.js').Rest} rest
 * @property {import('./storage.js').Storage} storage
 * @property {() => boolean} online
 * @property {() => boolean} hidden
 * @property {() => boolean} exclusive
 * @property {boolean} delivered whether to tell others what this device has received
 * @property {(name: string, data: any) => void} emit
 */

/** What the leader does: the connection, and everything that writes the store. */
export class Core {
  connection;
  #host;
  #streams;
  #outbox;
  #pages;
  /** @type {Map<string, Draft>} */
  #drafts = new Map();
  /** Receipts and drafts without an answer. @type {Map<string, Frame>} */
  #notes = new Map();
  /** @type {Map<string, number>} */
  #typed = new Map();
  /** @type {Map<string, number>} */
  #received = new Map();
  /** @type {any} */
  #receivedTimer;
  /** @type {any} */
  #expireTimer;
  #presence = 'online';
  #live = false;

  /** @param {Host} host */
  constructor(host) {
    this.#host = host;
    const { clock, rest, storage, session, uuid, exclusive } = host;
    const send = (/** @type {Frame} */ frame) => this.connection.send(frame);
    const fail = () => this.connection.fail();
    const emit = (/** @type {string} */ name, /** @type {any} */ data) => this.#emit(name, data);
    this.connection = new Connection({
      ...host,
      changed: (status) => emit('state', status),
      opened: () => this.#streams.opened(),
      received: (frame) => this.#receive(frame),
      lost: () => this.#lost(),
      failed: (error) => emit('error', error),
    });
    this.#outbox = new Outbox({ clock, storage, send, fail, emit });
    this.#streams = new Streams({
      ...{ clock, rest, storage, uuid, exclusive, send, emit, fail },
      me: () => session.data?.user.id ?? '',
      seen: ({ chat_id, seq, message }) => {
        const { request_id, id: message_id, created_at } = message;
        if (request_id) this.#outbox.acknowledged({ request_id, chat_id, seq, duplicate: true, message_id, created_at, status: 'delivered' });
      },
    });
    this.#pages = new Pages({ clock, rest, storage, streams: this.#streams });
  }

  /** Reads the store, and connects if somebody is signed in. */
  async start() {
    const { storage, session, clock } = this.#host;
    const me = session.data?.user.id;
    const owner = await storage.read((store) => store.get('owner'));
    if (me && owner && owner !== me) await this.#wipe();
    if (me) await storage.commit([{ op: 'put', table: 'kv', row: { key: 'owner', value: me } }]);
    const [rows, pending, drafts, primed] = await storage.read((store) =>
      Promise.all([store.chats(), store.outbox(), store.drafts(), store.get('primed')])
    );
    this.#streams.load(rows, Boolean(primed));
    this.#outbox.load(pending);
    this.#drafts = new Map(drafts.map((draft) => [draft.key, draft]));
    const expire = () => {
      storage.commit([{ op: 'expire', now: clock.now() }]);
      this.#expireTimer = clock.setTimeout(expire, EXPIRE);
    };
    expire();
    if (me) {
      session.schedule();
      this.connection.start();
    } else this.connection.stop({ state: 'signed_out', reason: 'no_session' });
  }

  /** @param {import('./types.js').Status} [status] */
  async stop(status) {
    const { session, storage, clock } = this.#host;
    session.unschedule();
    clock.clearTimeout(this.#expireTimer);
    this.connection.stop(status);
    this.#lost();
    await storage.flush();
  }

  async wipe() {
    await this.#wipe();
    this.#streams.load([], false);
    this.#outbox.load([]);
    this.#drafts.clear();
  }

  /** Deletes everything but the session. */
  async #wipe() {
    const { storage } = this.#host;
    const session = await storage.read((store) => store.get('session'));
    await storage.wipe();
    if (session) await storage.commit([{ op: 'put', table: 'kv', row: { key: 'session', value: session } }]);
  }

  /** What has to be in a store that replaces one that fails. @returns {import('./types.js').Op[]} */
  saved() {
    const { data } = this.#host.session;
    return [
      ...this.#streams.snapshot(),
      ...this.#outbox.snapshot(),
      ...[...this.#drafts.values()].map((row) => /** @type {const} */ ({ op: 'put', table: 'drafts', row })),
      ...(data ? ['session', 'owner'].map((key) => /** @type {const} */ ({ op: 'put', table: 'kv', row: { key, value: key === 'owner' ? data.user.id : data } })) : []),
    ];
  }

  // --- what tabs ask the leader for ---

  snapshot() {
    const chats = [...this.#streams.chats.values()].flatMap(({ row }) => (row?.item ? [row.item] : []));
    return { status: this.connection.status, chats, outbox: [...this.#outbox.rows.values()], drafts: [...this.#drafts.values()] };
  }

  /** @param {any} entry */
  add(entry) {
    return this.#outbox.add(entry);
  }

  /** @param {string} id */
  retry(id) {
    return this.#outbox.retry(id);
  }

  /** @param {string} id */
  cancel(id) {
    return this.#outbox.cancel(id);
  }

  /** @param {string} chatId @param {import('./types.js').PageQuery} query */
  page(chatId, query) {
    return this.#pages.page(chatId, query);
  }

  /** @param {string} chatId */
  segments(chatId) {
    return this.#streams.chats.get(chatId)?.row?.segments ?? [];
  }

  /** @param {string} chatId @param {number} seq */
  read(chatId, seq) {
    if (this.#streams.mark(chatId, seq) && this.#live) this.#note({ type: 'receipt', chat_id: chatId, read: seq });
  }

  /** @param {string} chatId @param {boolean} on */
  typing(chatId, on) {
    const now = this.#host.clock.now();
    if (!this.#live || (on && now - (this.#typed.get(chatId) ?? -TYPING) < TYPING)) return;
    if (on) this.#typed.set(chatId, now);
    else this.#typed.delete(chatId);
    this.connection.send({ type: 'typing', chat_id: chatId, is_typing: on });
  }

  /** @param {'online' | 'away'} status */
  presence(status) {
    this.#presence = status;
    if (this.#live) this.connection.send({ type: 'presence', status });
  }

  /** @param {Draft} draft */
  async draft(draft) {
    await this.#keepDraft({ ...draft, dirty: true });
    if (this.#live) this.#sendDraft(draft);
  }

  /** @param {any} change */
  wake(change) {
    this.connection.wake(change);
  }

  // --- frames ---

  #lost() {
    this.#live = false;
    this.#notes.clear();
    this.#typed.clear();
    this.#received.clear();
    this.#host.clock.clearTimeout(this.#receivedTimer);
    this.#receivedTimer = undefined;
    this.#streams.closed();
    this.#outbox.closed();
  }

  #becomeLive() {
    if (this.#live) return;
    this.#live = true;
    this.connection.live();
    // Each connection starts as online.
    if (this.#presence !== 'online') this.presence('away');
    for (const { id, row } of this.#streams.chats.values()) if (row?.read_to) this.#note({ type: 'receipt', chat_id: id, read: row.read_to });
    for (const draft of this.#drafts.values()) if (draft.dirty) this.#sendDraft(draft);
    this.#outbox.live();
  }

  /** The session has a newer token. @param {string} token */
  authenticate(token) {
    if (['syncing', 'live'].includes(this.connection.status.state)) {
      this.connection.send({ type: 'auth', token, request_id: this.#host.uuid() });
    }
  }

  /** Sends a frame that an `ack` answers. @param {Frame} frame */
  #note(frame) {
    const request_id = this.#host.uuid();
    this.#notes.set(request_id, frame);
    this.connection.send({ ...frame, request_id });
  }

  /** @param {Draft} draft */
  #sendDraft({ chat_id, text, reply_to }) {
    this.#note({ type: 'draft', chat_id, text, ...(reply_to && { reply_to }) });
  }

  /** @param {Draft} draft */
  async #keepDraft(draft) {
    const gone = !draft.text && !draft.dirty;
    if (gone) this.#drafts.delete(draft.key);
    else this.#drafts.set(draft.key, draft);
    await this.#host.storage.commit([gone ? { op: 'delete', table: 'drafts', key: draft.key } : { op: 'put', table: 'drafts', row: draft }]);
    this.#host.emit('event', { type: 'draft', ...draft });
  }

  /** @param {string} name @param {any} data */
  #emit(name, data) {
    if (name === 'message') this.#delivered(data);
    this.#host.emit(name, data);
  }

  /** Tells, a moment later, up to where this device has the chat. @param {Frame} event */
  #delivered({ chat_id, seq, message }) {
    const { delivered, session, clock } = this.#host;
    const item = /** @type {any} */ (this.#streams.chats.get(chat_id)?.row?.item);
    if (!delivered || message.sender_id === session.data?.user.id || !item) return;
    if (item.type === 'channel' || (item.member_count ?? 2) > SMALL || (item.read_seq ?? 0) >= seq) return;
    this.#received.set(chat_id, seq);
    this.#receivedTimer ??= clock.setTimeout(() => {
      this.#receivedTimer = undefined;
      for (const [id, delivered] of this.#received) this.connection.send({ type: 'receipt', chat_id: id, delivered });
      this.#received.clear();
    }, DELIVERED);
  }

  /** @param {Frame} frame */
  #receive(frame) {
    const { emit } = this.#host;
    switch (frame?.type) {
      case 'message_sent':
      case 'ack':
        return this.#acknowledged(frame);
      case 'error':
        return this.#refused(frame);
      case 'synced':
        this.#streams.synced(frame);
        return this.#becomeLive();
      case 'lagged':
        return this.#streams.lagged(frame);
      case 'chat_created':
        return this.#streams.created(frame);
      case 'chat_removed':
        return this.#streams.removed(frame);
      case 'chat_settings':
        this.#streams.settings(frame);
        return emit('event', frame);
      case 'pong':
      case 'reconnect':
      case 'auth_ok':
        return;
      case 'presence':
      case 'typing':
      case 'system':
        return emit(frame.type, frame);
      case 'receipts':
        return emit('receipt', frame);
      case 'receipt':
        this.#streams.receipt(/** @type {any} */ (frame));
        return emit('receipt', frame);
      case 'draft': {
        const { chat_id, text, reply_to, updated_at } = frame;
        return void this.#keepDraft({ key: chat_id, chat_id, text, reply_to, updated_at });
      }
      default:
        // An event of a later version has its place in the stream; everything else that is unknown is passed on.
        if (typeof frame?.chat_id === 'string' && Number.isInteger(frame.seq)) this.#streams.offer(frame);
        else emit('event', frame);
    }
  }

  /** @param {Frame} frame `message_sent` or `ack` */
  #acknowledged(frame) {
    const { session } = this.#host;
    const { request_id, chat_id, seq, duplicate } = frame;
    const note = this.#notes.get(request_id);
    if (note) return this.#noted(note, request_id, frame);
    const row = this.#outbox.acknowledged(/** @type {any} */ (frame));
    if (!seq) return;
    // The event of a repeated change comes as a frame; that of a repeated message does not.
    if (frame.type === 'ack' && duplicate) return;
    if (!row) return this.#streams.unknown(chat_id, seq);
    const me = session.data?.user.id ?? '';
    /** @type {Frame} */
    let event = { type: 'new_message', chat_id, seq, own: true };
    if (frame.type === 'message_sent') {
      // The server sends the whole message if it has more than its text.
      const { created_at } = frame;
      event.message = frame.message ?? { id: frame.message_id, chat_id, sender_id: me, text: row.frame.text, created_at, updated_at: created_at, seq };
      event.message.request_id ??= request_id;
    } else event = this.#change(event, row, me);
    this.#streams.offer(event);
  }

  /**
   * Returns the event of an own change, which only its `ack` announces.
   * @param {Frame} event
   * @param {import('./types.js').Pending} pending
   * @param {string} by
   * @returns {Frame}
   */
  #change({ chat_id, seq }, { frame, seqs = [] }, by) {
    const origin = { chat_id, seq, by, own: true };
    const { message_id: id, message_ids, text, entities, emoji, on } = frame;
    if (frame.type === 'edit') return { ...origin, type: 'message_edited', message: { id, chat_id, seq: seqs[0], text, entities, changed_seq: seq } };
    if (frame.type === 'react') return { ...origin, type: 'reactions', message_id: id, message_seq: seqs[0], change: { emoji, on } };
    return { ...origin, type: 'messages_deleted', messages: message_ids.map((/** @type {string} */ id, /** @type {number} */ n) => ({ id, seq: seqs[n] })) };
  }

  /** @param {Frame} note @param {string} id @param {Frame} ack */
  #noted(note, id, { read_seq, unread_count }) {
    this.#notes.delete(id);
    if (note.type === 'receipt') return this.#streams.receipt({ chat_id: note.chat_id, read: read_seq, unread_count });
    const draft = this.#drafts.get(note.chat_id);
    // Unless it was changed meanwhile.
    if (draft?.dirty && draft.text === note.text) this.#keepDraft({ ...draft, dirty: undefined });
  }

  /** @param {Frame} error */
  #refused(error) {
    const { clock, emit } = this.#host;
    const note = this.#notes.get(error.request_id);
    if (note) {
      this.#notes.delete(error.request_id);
      if (!error.retryable) return emit('error', error);
      return void clock.setTimeout(() => this.#live && this.#note(note), error.retry_after_ms ?? 1000);
    }
    if (!this.#outbox.refused(error) && !this.#streams.refused(error)) emit('error', error);
  }
}
