import { apply } from './changes.js';
import { waited } from './connection.js';
import { keep, put, remove } from './ops.js';
import { clipped, covering } from './segments.js';
import { messageRow } from './stores/patch.js';

/** When this many events of a chat are held, the missing ones are fetched at once; otherwise after `HOLD`. */
const HELD = 501;
const HOLD = 2_000;
/** The chats of the first `sync`, of which messages are kept; and the events that a `sync` sends of a chat. */
const RECENT = 200;
const SYNC_EVENTS = 1000;
/** How long the answer to a `sync` may take. */
const SYNC = 10_000;
/** A longer gap is not fetched: the history after it starts again, and is paged. */
const LONGEST_GAP = 5000;
/** The events of a page. */
const PAGE = 1000;
/** The pause between two attempts. */
const RETRY = 2_000;
/** What was delivered is told this long after it came. Chats with more members tell nobody. */
const DELIVERED = 1_000;
const SMALL = 100;

/**
 * @typedef {import('./types.js').Frame} Frame
 * @typedef {import('./types.js').ChatRow} ChatRow
 * @typedef {import('./types.js').ChatItem} ChatItem
 * @typedef {import('./types.js').Op} Op
 * @typedef {ReturnType<typeof createStreams>} Streams
 * @typedef {import('./types.js').Chat} Chat
 */

/**
 * The chats: their cursors, what is missing, and their items.
 * @param {import('./types.js').Context} context
 * @param {import('./connection.js').Connection} connection
 * @param {(event: Frame) => void} seen gets each `new_message` when it is applied
 */
export function createStreams({ timer, rest, storage, store: { capacity }, session, uuid, name, shared, delivered, emit }, connection, seen) {
  /** @type {Map<string, Chat>} */
  const chats = new Map();
  // Counts connections: what was asked in a former one is dropped.
  let generation = 0;
  let isConnected = false;
  // Whether the whole list of chats was loaded in this run, and in any.
  let isListed = false;
  let isPrimed = false;
  // The chats that this connection has asked for.
  /** @type {Set<string>} */
  let synced = new Set();
  // Each `sync` without an answer, by request id.
  /** @type {Map<string, {cursors: Record<string, number>, due: import('./types.js').Timer}>} */
  const syncs = new Map();
  // One chat after the other is fetched.
  let fetching = Promise.resolve();

  const rows = () => [...chats.values()].flatMap(({ row }) => row ?? []);
  /** The most recent chats first. */
  const latest = () => rows().sort((a, b) => (b.item?.updated_at ?? '').localeCompare(a.item?.updated_at ?? ''));
  // Another tab may use what this one does not need.
  const isAlone = !name || shared;

  /** Returns a chat, which has events up to `head`. @param {string} id @returns {Chat} */
  function chatOf(id, head = 0) {
    let chat = chats.get(id);
    if (!chat) chats.set(id, (chat = { id, held: new Map(), hold: timer(), told: timer(), head, busy: false }));
    chat.head = Math.max(chat.head, head);
    return chat;
  }

  /** Stores changes, then tells about them. @param {Op[]} ops @param {string} name @param {any} event */
  const commit = (ops, name, event) => storage.commit(ops, () => emit(name, event));

  /** @param {ChatRow} row */
  const saved = (row) => put('chats', { ...row });

  /** Drops all messages of a chat. @param {ChatRow} row */
  const forget = (row) => cut(row, row.applied + 1);

  // --- sync ---

  /** @param {Record<string, number>} cursors */
  function sync(cursors) {
    const request_id = uuid();
    const due = timer();
    due.set(SYNC, connection.fail);
    syncs.set(request_id, { cursors, due });
    for (const id in cursors) synced.add(id);
    connection.send({ type: 'sync', request_id, cursors });
  }

  /** @param {ChatRow[]} rows */
  const cursorsOf = (rows) => Object.fromEntries(rows.map(({ id, applied }) => [id, applied]));

  /** Drops the messages of a chat below a `seq`. @param {ChatRow} row @param {number} below @returns {Op[]} */
  function cut(row, below) {
    row.segments = clipped(row.segments, below);
    return [trim(row.id, below), saved(row)];
  }

  // --- the list of chats ---

  /**
   * Asks until there is an answer. Never returns if the connection ends.
   * @param {any} path
   * @param {any} [params]
   * @returns {Promise<any>}
   */
  async function ask(path, params) {
    const mine = generation;
    while (mine === generation) {
      try {
        const answer = await rest.get(path, params);
        if (mine === generation) return answer;
      } catch (/** @type {any} */ error) {
        if (mine === generation && !error.retryable) throw error;
        await new Promise((/** @type {(value?: any) => void} */ resolve) => timer().set(error.retryAfterMs ?? RETRY, resolve));
      }
    }
    return new Promise(() => {});
  }

  async function list() {
    const unlisted = new Set(chats.keys());
    /** @type {ChatRow[]} */
    const added = [];
    for (const archived of [undefined, true]) {
      for (let after = ''; after != null; ) {
        const page = await ask('/chats', { limit: 100, archived, after });
        let news = !isListed;
        for (const item of page.chats) {
          unlisted.delete(item.id);
          news = found(item, added) || news;
        }
        // In the order of activity: if a page has nothing new, the next ones have nothing either.
        after = news ? page.next : null;
      }
    }
    if (added[0]) sync(cursorsOf(added));
    if (!isListed) for (const id of unlisted) if (!synced.has(id)) await look(id);
    isListed = isPrimed = true;
    await commit([keep('primed', true)], 'chat', { type: 'chats' });
  }

  /** Asks for a chat that is not in the list, or not yet known. @param {string} id */
  async function look(id) {
    try {
      // What else it has is fetched, unless it comes.
      found(await ask('/chats/{id}', { id }), []);
    } catch (error) {
      failed(error, id);
    }
  }

  /** @param {any} error @param {string} [id] of the chat */
  function failed(error, id) {
    // `chat_removed` says why, if it comes.
    if (id && error.status === 404) removed({ chat_id: id, reason: 'gone' });
    else if (error.code !== 'signed_out') emit('error', error);
  }

  /**
   * Takes an item of the list. Returns whether it says something new.
   * @param {ChatItem} item
   * @param {ChatRow[]} added gets the row if the chat has to be synced
   */
  function found(item, added) {
    const chat = chatOf(item.id);
    const { row } = chat;
    if (!row) {
      const known = know(chat, item, SYNC_EVENTS);
      if (known.applied < item.last_seq) added.push(known);
      return true;
    }
    const ahead = item.last_seq - row.applied;
    const former = row.item;
    if (ahead > 0 && !synced.has(item.id)) row.stale = true;
    // Live events may be ahead of the answer.
    if (!former || ahead >= 0) change(chat, item);
    return ahead > 0 || item.updated_at !== former?.updated_at;
  }

  // --- chats ---

  /**
   * A chat becomes known. At the first start everything is history. Later, what a direct chat has is news, because it came while this
   * client was away. The same applies to other chats with fewer than `most` events.
   * @param {Chat} chat
   * @param {ChatItem} item
   * @param {number} most
   */
  function know(chat, item, most) {
    const { type, first_seq, last_seq } = item;
    // What is held was sent live, so it is not history.
    const first = Math.min(...[...chat.held.values()].map(({ own, seq }) => (own ? Infinity : seq)));
    const applied = Math.min(isPrimed && (type === 'direct' || last_seq - first_seq < most) ? first_seq - 1 : last_seq, first - 1);
    chat.row = { id: chat.id, applied, segments: nothing(applied) };
    chat.busy = false;
    change(chat, item, 'chat_created');
    drain(chat);
    return chat.row;
  }

  /** @param {Chat | undefined} chat @param {any} changes of its item @param {string} [type] */
  async function change(chat, changes, type = 'chat_changed') {
    const row = chat?.row;
    if (!row) return;
    const item = (row.item = { ...row.item, ...changes });
    if (item.read_seq >= (row.read_to ?? Infinity)) delete row.read_to;
    await commit([saved(row)], 'chat', { type, chat_id: row.id, chat: item });
  }

  /** @param {any} frame `chat_removed` */
  function removed({ chat_id, reason }) {
    chats.get(chat_id)?.hold.clear();
    chats.delete(chat_id);
    commit([remove('chats', chat_id), trim(chat_id, Infinity)], 'chat', { type: 'chat_removed', chat_id, reason });
  }

  /** Nothing before `first` exists for the user. @param {Chat | undefined} chat @param {number} [first] */
  function begin(chat, first = 1) {
    const row = chat?.row;
    if (!row || row.segments[0][0] >= first) return;
    row.applied = Math.max(row.applied, first - 1);
    storage.commit(cut(row, first));
    drain(chat);
  }

  /** The history of the chat starts again after `applied`. @param {Chat} chat @param {number} applied */
  function restart(chat, applied) {
    const row = /** @type {ChatRow} */ (chat.row);
    const gap = { chat_id: chat.id, from_seq: row.applied + 1, to_seq: applied, skipped: true, restored: applied < row.applied };
    chat.head = row.applied = applied;
    row.segments = nothing(applied);
    delete row.stale;
    commit([trim(chat.id, Infinity), saved(row)], 'gap', gap);
    drain(chat);
  }

  // --- events ---

  /** Applies the held events that follow the cursor. @param {Chat} chat */
  function drain(chat) {
    const { row, held } = chat;
    if (!row) return;
    /** @type {Frame[]} */
    const events = [];
    /** @type {Op[]} */
    const ops = [];
    for (let event; (event = held.get(row.applied + 1)); events.push(event)) {
      row.segments = covering(row.segments, ++row.applied, row.applied);
      apply(row, event, ops, session.me);
    }
    for (const seq of held.keys()) if (seq <= row.applied) held.delete(seq);
    if (events.length) {
      if (row.applied >= chat.head) delete row.stale;
      // Not with every event.
      if (isAlone && row.applied - row.segments[0][0] >= capacity * 1.25) ops.push(...cut(row, row.applied - capacity + 1));
      const { item } = row;
      storage.commit([...ops, saved(row)], () => {
        for (const event of events) {
          if (event.type === 'new_message') {
            seen(event);
            emit('message', event);
            if (event.message.sender_id !== session.me) tell(chat);
          } else emit('event', event);
        }
        emit('chat', { type: 'chat_changed', chat_id: chat.id, chat: item });
      });
    }
    // Only when the number is reached: if that fetch was in vain, the next one is not made with each event.
    if (held.size === HELD) fetch(chat);
    else if (chat.head > row.applied) hold(chat);
    else chat.hold.clear();
  }

  /** Tells others, a moment later, up to where this device has the chat. @param {Chat} chat */
  function tell({ id, told, row }) {
    /** @type {any} */
    const item = row?.item;
    if (delivered && isConnected && !told.on && !(item?.member_count > SMALL)) {
      told.set(DELIVERED, () => connection.send({ type: 'receipt', chat_id: id, delivered: row?.applied }));
    }
  }

  // --- gaps ---

  /** Events are missing: if they do not come soon, they are fetched. @param {Chat} chat */
  function hold(chat) {
    if (!chat.hold.on && !chat.busy && isConnected) chat.hold.set(HOLD, () => fetch(chat));
  }

  /** Fetches the events after the cursor, when it is the turn of the chat. @param {Chat} chat */
  function fetch(chat) {
    chat.hold.clear();
    if (chat.busy || !isConnected) return;
    chat.busy = true;
    fetching = fetching
      .then(() => fill(chat))
      .catch((error) => failed(error, chat.id))
      .then(() => {
        chat.busy = false;
        // What is missing still is not fetched at once: the server has just been asked.
        if (chats.get(chat.id) === chat) missing(chat.id, chat.head);
      });
  }

  /** @param {Chat} chat */
  async function fill(chat) {
    const row = /** @type {ChatRow} */ (chat.row);
    const from_seq = row.applied + 1;
    if (chat.head >= from_seq) emit('gap', { chat_id: chat.id, from_seq, to_seq: chat.head, skipped: false });
    for (;;) {
      const { applied } = row;
      const page = await ask('/chats/{id}/events', { id: chat.id, after: applied, limit: PAGE });
      if (chats.get(chat.id) !== chat) return;
      const { head_seq, first_seq, events, has_more } = page;
      // Below the cursor: the server was restored from a backup, and what the client has is not the history any more.
      if (head_seq < applied || head_seq - applied > LONGEST_GAP) return restart(chat, head_seq);
      chatOf(chat.id, head_seq);
      begin(chat, first_seq);
      // An own event that is held is what was asked for; this one is what became of it.
      for (const event of events) chat.held.set(event.seq, { ...event, chat_id: chat.id, type: event.type === 'message' ? 'new_message' : event.type });
      drain(chat);
      if (!has_more || row.applied === applied) return;
    }
  }

  /** There are events up to `seq`, whose content is not known. @param {string} id @param {number} seq @param {boolean} [now] */
  function missing(id, seq, now) {
    const chat = chatOf(id, seq);
    if (!chat.row) discover(chat);
    else if (seq > chat.row.applied) now ? fetch(chat) : hold(chat);
  }

  /** @param {Chat} chat */
  function discover(chat) {
    if (chat.busy) return;
    chat.busy = true;
    look(chat.id);
  }

  return {
    /** @param {string} id @param {any} changes of its item */
    change: (id, changes) => change(chats.get(id), changes),
    /** @param {string} id */
    row: (id) => chats.get(id)?.row,
    rows,
    missing,

    /** @param {ChatRow[]} stored @param {boolean} primed */
    load(stored, primed) {
      chats.clear();
      for (const row of stored) chatOf(row.id).row = row;
      isPrimed = primed;
      isListed = false;
    },

    /** Returns what a store has to have that has lost everything. @returns {Op[]} */
    snapshot() {
      return [...rows().flatMap(forget), keep('primed', isPrimed)];
    },

    /** The socket is open. */
    opened() {
      isConnected = true;
      synced = new Set();
      sync(cursorsOf(latest().slice(0, RECENT)));
      list().catch(failed);
    },

    closed() {
      generation++;
      isConnected = false;
      for (const { due } of syncs.values()) due.clear();
      syncs.clear();
      fetching = Promise.resolve();
      for (const chat of chats.values()) {
        chat.hold.clear();
        chat.told.clear();
        chat.held.clear();
        chat.busy = false;
        if (!chat.row) chats.delete(chat.id);
      }
    },

    /** Takes an `error`. Returns whether it answers a `sync`. @param {Frame} error */
    refused({ request_id, retry_after_ms }) {
      const asked = syncs.get(request_id);
      asked?.due.set(waited(retry_after_ms ?? RETRY), () => {
        syncs.delete(request_id);
        sync(asked.cursors);
      });
      return asked;
    },

    /** By the type of the frame. @type {Record<string, (frame: any) => void>} */
    handlers: {
      synced({ request_id, chats: list }) {
        syncs.get(request_id)?.due.clear();
        syncs.delete(request_id);
        for (const { chat_id, first_seq, head_seq, complete } of list) {
          const chat = chatOf(chat_id, head_seq);
          begin(chat, first_seq);
          if (chat.row && (!complete || head_seq > chat.row.applied)) fetch(chat);
        }
      },
      lagged: ({ chat_id, head_seq }) => missing(chat_id, head_seq, true),
      chat_created({ chat: item }) {
        const chat = chatOf(item.id, item.last_seq);
        if (!chat.row) return know(chat, item, 0);
        begin(chat, item.first_seq);
        change(chat, item, 'chat_created');
        // On a connection that is catching up the missed events may still follow.
        missing(item.id, item.last_seq);
      },
      chat_removed: removed,
      chat_settings(frame) {
        const { type, chat_id, ...settings } = frame;
        change(chats.get(chat_id), settings);
        begin(chats.get(chat_id), settings.first_seq);
        emit('event', frame);
      },
      draft: ({ chat_id, text, reply_to, updated_at }) => change(chats.get(chat_id), { draft: text ? { text, reply_to, updated_at } : null }),
    },

    /**
     * Takes a durable event: applies it, drops it if it is known, or holds it until the earlier ones are there.
     * @param {Frame} event
     */
    offer(event) {
      const { chat_id, seq } = event;
      const chat = chatOf(chat_id, seq);
      chat.held.set(seq, event);
      if (chat.row) drain(chat);
      else discover(chat);
    },

    /**
     * How far the user, or the partner of a direct chat, has read it. The highest marker counts.
     * @param {any} receipt without `user_id`: of the user
     */
    receipt({ chat_id, user_id, read, delivered, unread_count }) {
      const chat = chats.get(chat_id);
      /** @type {any} */
      const item = chat?.row?.item;
      if (!item) return;
      if (user_id && user_id !== session.me) {
        if (read > (item.partner_read_seq ?? 0)) change(chat, { partner_read_seq: read });
        if (delivered > (item.partner_delivered_seq ?? 0)) change(chat, { partner_delivered_seq: delivered });
      } else if (read >= (item.read_seq ?? 0)) {
        change(chat, { read_seq: read, unread_count: unread_count ?? item.unread_count, ...(unread_count === 0 && { mention_count: 0 }), marked_unread: false });
      }
    },

    /** Remembers that the user has read a chat, until the server confirms it. @param {string} id @param {number} seq */
    mark(id, seq) {
      const row = chats.get(id)?.row;
      if (!row || seq <= (row.read_to ?? row.item?.read_seq ?? 0)) return;
      row.read_to = seq;
      return storage.commit([saved(row)]);
    },

    /** Fetches what a chat misses that was not synced. @param {string} id */
    fresh(id) {
      const chat = chats.get(id);
      if (chat?.row?.stale) fetch(chat);
    },

    /** Keeps the messages of the most recent chats only. */
    shrink: () => latest().slice(RECENT).filter(({ segments, applied }) => isAlone && segments[0][0] <= applied).flatMap(forget),

    /**
     * Takes all messages between two `seq`s into the store.
     * @param {string} id
     * @param {any[]} messages
     * @param {number} from
     * @param {number} to
     */
    async take(id, messages, from, to) {
      const row = chats.get(id)?.row;
      if (!row) return;
      const { applied } = row;
      row.segments = covering(row.segments, from, Math.min(to, applied));
      await storage.commit([...messages.filter(({ seq }) => seq <= applied).map((message) => put('events', messageRow(message))), saved(row)]);
    },
  };
}

/** @param {string} chat_id @param {number} below @returns {Op} */
const trim = (chat_id, below) => ({ op: 'trim', chat_id, below });

/** The segments of a chat whose messages are not in the store. @param {number} applied @returns {[number, number][]} */
const nothing = (applied) => [[applied + 1, applied]];
