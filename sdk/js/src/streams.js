import { ApiError } from './errors.js';
import { clipped, covering } from './segments.js';

/** How many events of a chat are held while an earlier one is missing, and for how long. */
const HELD = 500;
const HOLD = 2_000;
/** The chats of the first `sync`, and the events that a `sync` sends of a chat. */
const SYNC_CHATS = 200;
const SYNC_EVENTS = 1000;
/** A longer gap is not fetched: the history after it begins anew, and is paged. */
const LONGEST_GAP = 5000;
/** How many chats are fetched at a time. */
const FETCHES = 4;
const PAGE = 1000;
/** How many changes of messages are remembered for pages that were on their way. */
const CHANGES = 256;

/**
 * @typedef {import('./types.js').Frame} Frame
 * @typedef {import('./types.js').ChatRow} ChatRow
 * @typedef {import('./types.js').ChatItem} ChatItem
 * @typedef {import('./types.js').Op} Op
 *
 * @typedef {object} Chat a chat in memory
 * @property {string} id
 * @property {ChatRow | undefined} row `undefined`: the chat is not known yet, and its frames are held
 * @property {Map<number, Frame>} held events that came before an earlier one
 * @property {any} timer of the hold
 * @property {number} head the highest `seq` that was heard of
 * @property {boolean} fetching
 * @property {{seq: number, patch: import('./types.js').Patch}[]} changes
 *
 * @typedef {object} Host what the streams need of the client
 * @property {import('./types.js').Clock} clock
 * @property {import('./rest.js').Rest} rest
 * @property {import('./storage.js').Storage} storage
 * @property {() => string} uuid
 * @property {() => string} me the id of the user
 * @property {() => boolean} exclusive whether no other tab writes the store
 * @property {(frame: Frame) => void} send
 * @property {(name: string, data: any) => void} emit
 * @property {(frame: Frame) => void} seen an own message came as an event
 * @property {() => void} fail closes the connection
 */

/** The chats: their cursors, what is missing, and their items. */
export class Streams {
  /** @type {Map<string, Chat>} */
  chats = new Map();
  #host;
  /** Counts connections: what was asked in a former one is dropped. */
  #generation = 0;
  #connected = false;
  /** Whether the whole list of chats was loaded in this run, and ever. */
  #listed = false;
  #primed = false;
  /** @type {Set<string>} */
  #syncing = new Set();
  /** Request ids of `sync`, with their cursors. @type {Map<string, Record<string, number>>} */
  #syncs = new Map();
  #fetches = 0;
  /** @type {Chat[]} */
  #queue = [];

  /** @param {Host} host */
  constructor(host) {
    this.#host = host;
  }

  /** @param {ChatRow[]} rows @param {boolean} primed */
  load(rows, primed) {
    this.chats.clear();
    for (const row of rows) this.#chat(row.id).row = row;
    this.#primed = primed;
    this.#listed = false;
  }

  /** Returns what the store has to have, if it lost everything. @returns {Op[]} */
  snapshot() {
    /** @type {Op[]} */
    const ops = [];
    for (const { row } of this.chats.values()) {
      if (!row) continue;
      row.segments = [[row.applied + 1, row.applied]];
      ops.push({ op: 'put', table: 'chats', row: { ...row } });
    }
    if (this.#primed) ops.push({ op: 'put', table: 'kv', row: { key: 'primed', value: true } });
    return ops;
  }

  /** @param {string} id @returns {Chat} */
  #chat(id) {
    let chat = this.chats.get(id);
    if (!chat) this.chats.set(id, (chat = { id, row: undefined, held: new Map(), timer: 0, head: 0, fetching: false, changes: [] }));
    return chat;
  }

  // --- the connection ---

  /** The socket is open. */
  opened() {
    this.#generation++;
    this.#connected = true;
    this.#syncing.clear();
    const rows = [...this.chats.values()].flatMap(({ row }) => (row ? [row] : []));
    rows.sort((a, b) => Number(activity(a) < activity(b)) - Number(activity(a) > activity(b)));
    this.#sync(rows.slice(0, SYNC_CHATS));
    this.#list().catch((error) => this.#report(error));
  }

  closed() {
    this.#generation++;
    this.#connected = false;
    this.#syncs.clear();
    this.#queue = [];
    for (const chat of this.chats.values()) {
      this.#release(chat);
      chat.held.clear();
      chat.fetching = false;
      if (!chat.row) this.chats.delete(chat.id);
    }
    this.#fetches = 0;
  }

  /** @param {ChatRow[]} rows */
  #sync(rows) {
    for (const { id } of rows) this.#syncing.add(id);
    this.#ask(Object.fromEntries(rows.map(({ id, applied }) => [id, applied])));
  }

  /** @param {Record<string, number>} cursors */
  #ask(cursors) {
    const { clock, send, uuid, fail } = this.#host;
    const request_id = uuid();
    this.#syncs.set(request_id, cursors);
    send({ type: 'sync', request_id, cursors });
    const generation = this.#generation;
    clock.setTimeout(() => {
      if (generation === this.#generation && this.#syncs.has(request_id)) fail();
    }, 10_000);
  }

  /** @param {Frame} frame an `error`. Returns whether it answers a `sync`. */
  refused(frame) {
    const cursors = this.#syncs.get(frame.request_id);
    if (!cursors) return false;
    this.#syncs.delete(frame.request_id);
    const generation = this.#generation;
    this.#host.clock.setTimeout(() => {
      if (generation === this.#generation) this.#ask(cursors);
    }, frame.retry_after_ms ?? 1000);
    return true;
  }

  /** @param {Frame} frame */
  synced(frame) {
    this.#syncs.delete(frame.request_id);
    for (const { chat_id, first_seq, head_seq, complete } of frame.chats) {
      const chat = this.chats.get(chat_id);
      if (!chat?.row) continue;
      this.#begins(chat, first_seq);
      chat.head = Math.max(chat.head, head_seq);
      if (head_seq < chat.row.applied && !complete) {
        // The server was restored from a backup: what the client has is not the history any more.
        chat.head = head_seq;
        this.#reset(chat, head_seq, { restored: true });
      } else if (!complete || head_seq > chat.row.applied) this.fetch(chat);
    }
  }

  // --- the list of chats ---

  async #list() {
    const { rest, storage } = this.#host;
    const generation = this.#generation;
    const whole = !this.#listed;
    const before = new Set(this.chats.keys());
    /** @type {ChatRow[]} */
    const added = [];
    for (const archived of [false, true]) {
      let after = '';
      for (;;) {
        const page = await this.#patiently(() => rest.get('/chats', { limit: 100, archived: archived || undefined, after }));
        if (generation !== this.#generation) return;
        let news = false;
        for (const item of page.chats) {
          before.delete(item.id);
          news = this.#found(item, added) || news;
        }
        after = page.next;
        // In the order of activity: if a page has nothing new, the next ones have nothing either.
        if (!after || !(whole || news)) break;
      }
    }
    if (added.length) this.#sync(added);
    if (whole) await this.#missing([...before].filter((id) => !this.#syncing.has(id)));
    if (generation !== this.#generation) return;
    this.#listed = true;
    if (!this.#primed) {
      this.#primed = true;
      storage.commit([{ op: 'put', table: 'kv', row: { key: 'primed', value: true } }]);
    }
    this.#host.emit('chat', { type: 'chats_listed' });
  }

  /**
   * Takes an item of the list. Returns whether it says something new.
   * @param {ChatItem} item
   * @param {ChatRow[]} added gets the row if the chat has to be synced
   */
  #found(item, added) {
    const chat = this.#chat(item.id);
    const { row } = chat;
    if (!row) {
      const count = item.last_seq - item.first_seq + 1;
      // A chat that came while this client was away has its events as news; at the first start everything is history.
      if (this.#primed && !chat.held.size && count > 0 && count <= SYNC_EVENTS) {
        added.push(this.#know(chat, item, item.first_seq - 1));
      } else this.#know(chat, item, item.last_seq);
      return true;
    }
    const news = item.last_seq > row.applied || item.updated_at !== row.item?.updated_at;
    if (item.last_seq > row.applied && !this.#syncing.has(item.id)) row.stale = true;
    // Live events may be ahead of the answer.
    if (!row.item || item.last_seq >= row.applied) this.#item(chat, item);
    return news;
  }

  /** Looks after chats that are not in the list. @param {string[]} ids */
  async #missing(ids) {
    const generation = this.#generation;
    for (const id of ids) {
      if (generation !== this.#generation || !this.chats.get(id)?.row) continue;
      try {
        const item = await this.#patiently(() => this.#host.rest.get(`/chats/${id}`));
        if (generation === this.#generation) this.#found(item, []);
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 404)) throw error;
        if (generation === this.#generation) this.removed({ type: 'chat_removed', chat_id: id, reason: 'gone' });
      }
    }
  }

  /**
   * Repeats a request of the client itself until it is answered.
   * @template T
   * @param {() => Promise<T>} request
   * @returns {Promise<T>}
   */
  async #patiently(request) {
    const { clock } = this.#host;
    const generation = this.#generation;
    for (let wait = 1000; ; wait = Math.min(wait * 2, 30_000)) {
      try {
        return await request();
      } catch (error) {
        const { retryable, retryAfterMs } = /** @type {any} */ (error);
        if (!retryable || generation !== this.#generation) throw error;
        await new Promise((resolve) => clock.setTimeout(() => resolve(undefined), retryAfterMs ?? wait));
        if (generation !== this.#generation) throw error;
      }
    }
  }

  /** @param {any} error */
  #report(error) {
    if (error?.retryable || error?.code === 'signed_out') return;
    this.#host.emit('error', { code: error?.code ?? 'internal', message: String(error?.message ?? error) });
  }

  // --- chats ---

  /**
   * A chat becomes known, with this cursor.
   * @param {Chat} chat
   * @param {ChatItem} item
   * @param {number} cursor
   * @returns {ChatRow}
   */
  #know(chat, item, cursor) {
    // What is held was sent live, so it is not history.
    const first = Math.min(...[...chat.held].filter(([, event]) => !event.own).map(([seq]) => seq));
    const applied = Math.min(cursor, first - 1);
    chat.row = { id: chat.id, applied, segments: [[applied + 1, applied]], item };
    this.#item(chat, item, 'chat_created');
    this.#drain(chat);
    return chat.row;
  }

  /** A frame of a chat came that is not known. @param {Chat} chat */
  async #discover(chat) {
    if (chat.fetching) return;
    chat.fetching = true;
    const generation = this.#generation;
    try {
      const item = await this.#patiently(() => this.#host.rest.get(`/chats/${chat.id}`));
      if (generation === this.#generation && !chat.row) this.#know(chat, item, item.last_seq);
    } catch (error) {
      if (generation === this.#generation && !chat.row) this.chats.delete(chat.id);
      this.#report(error);
    } finally {
      if (generation === this.#generation) chat.fetching = false;
    }
  }

  /** @param {Chat} chat @param {Partial<ChatItem>} change @param {string} [type] */
  #item(chat, change, type = 'chat_changed') {
    const row = /** @type {ChatRow} */ (chat.row);
    row.item = /** @type {ChatItem} */ ({ ...row.item, ...change });
    if (row.read_to && row.item.read_seq >= row.read_to) delete row.read_to;
    const { item } = row;
    this.#host.storage.commit([this.#put(row)], () => this.#host.emit('chat', { type, chat_id: chat.id, chat: item }));
  }

  /** @param {ChatRow} row @returns {Op} */
  #put(row) {
    return { op: 'put', table: 'chats', row: { ...row, segments: row.segments.map((segment) => [...segment]) } };
  }

  /** @param {Frame} frame `chat_created` */
  created({ chat: item }) {
    const chat = this.#chat(item.id);
    if (!chat.row) return void this.#know(chat, item, item.last_seq);
    this.#begins(chat, item.first_seq);
    this.#item(chat, item, 'chat_created');
    chat.head = Math.max(chat.head, item.last_seq);
    // On a connection that is catching up the missed events may still follow.
    if (item.last_seq > chat.row.applied) this.#hold(chat);
  }

  /** @param {Frame} frame `chat_removed` */
  removed({ chat_id, reason }) {
    const chat = this.chats.get(chat_id);
    if (chat) this.#release(chat);
    this.chats.delete(chat_id);
    const { storage, emit } = this.#host;
    /** @type {Op[]} */
    const ops = [
      { op: 'delete', table: 'chats', key: chat_id },
      { op: 'trim', chat_id, below: Infinity },
    ];
    storage.commit(ops, () => emit('chat', { type: 'chat_removed', chat_id, reason }));
  }

  /** @param {Frame} frame `chat_settings` */
  settings({ type: _, chat_id, ...settings }) {
    const chat = this.chats.get(chat_id);
    if (!chat?.row) return;
    this.#item(chat, settings);
    this.#begins(chat, settings.first_seq);
  }

  /** Nothing before `first_seq` exists for the user. @param {Chat} chat @param {number} [first] */
  #begins(chat, first = 1) {
    const row = /** @type {ChatRow} */ (chat.row);
    if (row.segments[0][0] >= first && row.applied >= first - 1) return;
    row.segments = clipped(row.segments, first);
    row.applied = Math.max(row.applied, first - 1);
    this.#host.storage.commit([{ op: 'trim', chat_id: chat.id, below: first }, this.#put(row)]);
    this.#drain(chat);
  }

  /**
   * The history of the chat begins after `applied`.
   * @param {Chat} chat
   * @param {number} applied
   * @param {object} why
   */
  #reset(chat, applied, why) {
    const row = /** @type {ChatRow} */ (chat.row);
    const from_seq = row.applied + 1;
    row.applied = applied;
    row.segments = [[applied + 1, applied]];
    delete row.stale;
    const { storage, emit } = this.#host;
    /** @type {Op[]} */
    const ops = [{ op: 'trim', chat_id: chat.id, below: Infinity }, this.#put(row)];
    storage.commit(ops, () => emit('gap', { chat_id: chat.id, from_seq, to_seq: applied, skipped: true, ...why }));
    this.#drain(chat);
  }

  // --- events ---

  /**
   * Takes a durable event: applies it, drops it if it is known, or holds it until the earlier ones are there.
   * @param {Frame} event with `chat_id` and `seq`
   */
  offer(event) {
    const chat = this.#chat(event.chat_id);
    chat.head = Math.max(chat.head, event.seq);
    if (!chat.row) {
      chat.held.set(event.seq, event);
      this.#discover(chat);
      return;
    }
    if (event.seq <= chat.row.applied) return;
    chat.held.set(event.seq, event);
    this.#drain(chat);
  }

  /** The content of an event is not known: it has to be fetched. @param {string} chatId @param {number} seq */
  unknown(chatId, seq) {
    const chat = this.#chat(chatId);
    chat.head = Math.max(chat.head, seq);
    if (chat.row && seq > chat.row.applied) this.#hold(chat);
  }

  /** @param {Frame} frame */
  lagged({ chat_id, head_seq }) {
    const chat = this.#chat(chat_id);
    chat.head = Math.max(chat.head, head_seq);
    if (chat.row) this.fetch(chat);
    else this.#discover(chat);
  }

  /** Applies the held events that follow the cursor. @param {Chat} chat */
  #drain(chat) {
    const row = /** @type {ChatRow} */ (chat.row);
    const { storage } = this.#host;
    /** @type {Frame[]} */
    const events = [];
    /** @type {Op[]} */
    const ops = [];
    for (const seq of chat.held.keys()) if (seq <= row.applied) chat.held.delete(seq);
    for (let event; (event = chat.held.get(row.applied + 1)); ) {
      chat.held.delete(event.seq);
      row.applied = event.seq;
      /** @type {[number, number]} */ (row.segments.at(-1))[1] = event.seq;
      this.#apply(chat, event, ops);
      events.push(event);
    }
    if (events.length) {
      if (row.applied >= chat.head) delete row.stale;
      this.#shorten(row, ops);
      const { item } = row;
      storage.commit([...ops, this.#put(row)], () => {
        for (const event of events) this.#tell(event);
        this.#host.emit('chat', { type: 'chat_changed', chat_id: chat.id, chat: item });
      });
    }
    if (chat.held.size > HELD) this.fetch(chat);
    else if (chat.held.size) this.#hold(chat);
    else if (row.applied >= chat.head) this.#release(chat);
  }

  /** @param {ChatRow} row @param {Op[]} ops */
  #shorten(row, ops) {
    const { storage, exclusive } = this.#host;
    const { capacity } = storage.store;
    // Not with every event.
    if (!exclusive() || row.applied - row.segments[0][0] < capacity * 1.25) return;
    const below = row.applied - capacity + 1;
    row.segments = clipped(row.segments, below);
    ops.push({ op: 'trim', chat_id: row.id, below });
  }

  /** @param {Frame} event */
  #tell(event) {
    const { emit } = this.#host;
    if (event.type === 'new_message') {
      this.#host.seen(event);
      emit('message', event);
    } else emit('event', event);
  }

  /** What an event changes in the store and in the item of its chat. @param {Chat} chat @param {Frame} event @param {Op[]} ops */
  #apply(chat, event, ops) {
    const me = this.#host.me();
    const row = /** @type {ChatRow} */ (chat.row);
    const item = /** @type {any} */ (row.item ?? {});
    const { chat_id, seq, type, at } = event;
    /** @type {any} */
    const change = { last_seq: Math.max(seq, item.last_seq ?? 0) };
    const patch = (/** @type {number | undefined} */ target, /** @type {any} */ what) => {
      // Of an own change to a message of which the application knew the id only.
      if (!target) return;
      /** @type {import('./types.js').Patch} */
      const op = { op: 'patch', chat_id, seq: target, ...what };
      ops.push(op);
      chat.changes.push({ seq, patch: op });
      if (chat.changes.length > CHANGES) chat.changes.shift();
    };
    if (type === 'new_message') {
      const { message } = event;
      ops.push({ op: 'put', table: 'events', row: messageRow(message) });
      // An item of the list may be ahead of the events.
      if (seq > (item.last_message?.seq ?? 0) && !message.deleted) {
        change.last_message = { id: message.id, seq, text: message.text, sender_id: message.sender_id, created_at: message.created_at };
        change.updated_at = message.created_at;
      }
      if (seq > (item.last_seq ?? 0)) {
        if (message.sender_id === me) Object.assign(change, { read_seq: seq, unread_count: 0, mention_count: 0, marked_unread: false });
        else if (!message.deleted) {
          change.unread_count = (item.unread_count ?? 0) + 1;
          const toMe = message.mention_all || message.mentions?.includes(me) || message.reply_to?.sender_id === me;
          if (toMe) change.mention_count = (item.mention_count ?? 0) + 1;
        }
      }
    } else if (type === 'message_edited') {
      const { message } = event;
      if (message) patch(message.seq, { set: message, changed_seq: seq });
      if (message && item.last_message?.id === message.id) change.last_message = { ...item.last_message, text: message.text };
    } else if (type === 'messages_deleted') {
      for (const { id, seq: target } of event.messages) {
        patch(target, { erase: true, changed_seq: seq });
        if (item.last_message?.id === id) change.last_message = { ...item.last_message, text: '', deleted: true };
      }
    } else if (type === 'reactions') {
      patch(event.message_seq, event.change ? { react: { ...event.change, user_id: me } } : { set: { reactions: event.reactions } });
    } else {
      if (at) change.updated_at = at;
      if (event.member_count !== undefined) change.member_count = event.member_count;
      if (type === 'chat_updated') for (const name of ['title', 'description', 'handle', 'settings']) if (name in event) change[name] = event[name];
      if (type === 'member_changed' && event.user_id === me) change.role = event.role;
      if (type === 'member_changed' && event.former === me) change.role = 'admin';
      if (SHOWN.has(type)) ops.push({ op: 'put', table: 'events', row: event });
    }
    row.item = { ...item, ...change };
  }

  // --- gaps ---

  /** Events are missing: if they do not come soon, they are fetched. @param {Chat} chat */
  #hold(chat) {
    if (chat.timer || chat.fetching || !this.#connected) return;
    chat.timer = this.#host.clock.setTimeout(() => {
      chat.timer = 0;
      if (chat.row && chat.row.applied < chat.head) this.fetch(chat);
    }, HOLD);
  }

  /** @param {Chat} chat */
  #release(chat) {
    this.#host.clock.clearTimeout(chat.timer);
    chat.timer = 0;
  }

  /** Fetches the events after the cursor, when it is the turn of the chat. @param {Chat} chat */
  fetch(chat) {
    this.#release(chat);
    if (chat.fetching || !this.#connected) return;
    chat.fetching = true;
    this.#queue.push(chat);
    this.#next();
  }

  #next() {
    if (this.#fetches >= FETCHES) return;
    const chat = this.#queue.shift();
    if (!chat) return;
    this.#fetches++;
    const generation = this.#generation;
    this.#fetch(chat, generation)
      .catch((error) => this.#gone(chat, generation, error))
      .finally(() => {
        if (generation !== this.#generation) return;
        this.#fetches--;
        chat.fetching = false;
        if (chat.held.size) this.#hold(chat);
        this.#next();
      });
    this.#next();
  }

  /** @param {Chat} chat @param {number} generation @param {any} error */
  #gone(chat, generation, error) {
    if (generation !== this.#generation) return;
    // `chat_removed` says why, if it comes.
    if (error instanceof ApiError && error.status === 404) this.removed({ type: 'chat_removed', chat_id: chat.id, reason: 'gone' });
    else this.#report(error);
  }

  /** @param {Chat} chat @param {number} generation */
  async #fetch(chat, generation) {
    const { rest, emit } = this.#host;
    const row = /** @type {ChatRow} */ (chat.row);
    const isMine = () => generation === this.#generation && chat.row === row;
    const from_seq = row.applied + 1;
    if (chat.head - row.applied > LONGEST_GAP) return this.#reset(chat, chat.head, {});
    if (chat.head >= from_seq) emit('gap', { chat_id: chat.id, from_seq, to_seq: chat.head, skipped: false });
    for (;;) {
      const page = await this.#patiently(() => rest.get(`/chats/${chat.id}/events`, { after: row.applied, limit: PAGE }));
      if (!isMine()) return;
      if (page.head_seq < row.applied) return this.#reset(chat, page.head_seq, { restored: true });
      this.#begins(chat, page.first_seq);
      if (page.head_seq - row.applied > LONGEST_GAP) return this.#reset(chat, page.head_seq, {});
      for (const event of page.events) {
        if (event.seq <= row.applied) continue;
        // An own event that is held has what was asked for; this one is what became of it.
        chat.held.set(event.seq, { ...event, chat_id: chat.id, type: event.type === 'message' ? 'new_message' : event.type });
      }
      const before = row.applied;
      this.#drain(chat);
      if (!page.has_more || row.applied === before) return;
    }
  }

  // --- for pages and markers ---

  /** Fetches what a stale chat misses. @param {string} id */
  freshen(id) {
    const chat = this.chats.get(id);
    if (chat?.row?.stale) this.fetch(chat);
  }

  /**
   * Takes messages of a page into the store. Returns them as they are now.
   * @param {string} id
   * @param {import('./types.js').Message[]} messages
   * @param {number} head the page reflects the events up to there
   * @param {number} from of the range of which the page has every message
   * @param {number} to
   * @param {(row: import('./types.js').EventRow, patch: any) => import('./types.js').EventRow} patched
   */
  async take(id, messages, head, from, to, patched) {
    const chat = this.chats.get(id);
    let rows = messages.map(messageRow);
    if (!chat?.row) return rows;
    for (const { seq, patch } of chat.changes) {
      if (seq > head) rows = rows.map((row) => (row.seq === patch.seq ? patched(row, patch) : row));
    }
    const { row } = chat;
    /** @type {Op[]} */
    const ops = rows.filter(({ seq }) => seq <= row.applied).map((row) => ({ op: 'put', table: 'events', row }));
    const upper = Math.min(to, row.applied);
    row.segments = covering(row.segments, from, upper);
    await this.#host.storage.commit([...ops, this.#put(row)]);
    return rows;
  }

  /**
   * How far the user, or the partner of a direct chat, has read it. The highest marker counts.
   * @param {{chat_id: string, user_id?: string, read: number, delivered?: number, unread_count?: number}} receipt without
   *   `user_id`: of the user
   */
  receipt({ chat_id, user_id, read, delivered = 0, unread_count }) {
    const chat = this.chats.get(chat_id);
    const item = /** @type {any} */ (chat?.row?.item);
    if (!chat || !item) return;
    if (user_id && user_id !== this.#host.me()) {
      const { partner_read_seq = 0, partner_delivered_seq = 0 } = item;
      const change = { partner_read_seq: Math.max(read, partner_read_seq), partner_delivered_seq: Math.max(delivered, partner_delivered_seq) };
      this.#item(chat, /** @type {any} */ (change));
    } else if (read >= (item.read_seq ?? 0)) {
      this.#item(chat, { read_seq: read, marked_unread: false, ...(unread_count !== undefined && { unread_count }) });
    }
  }

  /** Remembers that the user has read a chat, until the server confirms it. @param {string} id @param {number} seq */
  mark(id, seq) {
    const row = this.chats.get(id)?.row;
    if (!row || seq <= Math.max(row.item?.read_seq ?? 0, row.read_to ?? 0)) return false;
    row.read_to = seq;
    this.#host.storage.commit([this.#put(row)]);
    return true;
  }
}

/** The events that are a row of the history, beside messages. */
const SHOWN = new Set(['pinned', 'members_added', 'members_removed', 'member_changed', 'chat_updated', 'chat_closed']);

/** @param {ChatRow} row */
const activity = (row) => row.item?.updated_at ?? '';

/** @param {import('./types.js').Message} message @returns {import('./types.js').EventRow} */
export function messageRow(message) {
  const { chat_id, seq, expires_at } = /** @type {any} */ (message);
  return { chat_id, seq, type: 'message', message, ...(expires_at && !(/** @type {any} */ (message).deleted) && { expires: Date.parse(expires_at) }) };
}
