import { createConnection } from './connection.js';
import { keep, put } from './ops.js';
import { createPages } from './pages.js';
import { createStreams } from './streams.js';
import { createOutbox } from './outbox.js';

/** How often messages that have disappeared are looked for. */
const EXPIRE = 3_600_000;

/** The longest text of a message. For a longer draft the server might close the connection, and so again with every attempt. */
const LONGEST_TEXT = 4096;

/**
 * @typedef {import('./types.js').Frame} Frame
 * @typedef {ReturnType<typeof createCore>} Core
 */

/**
 * What the leader does: the connection, and everything that writes the store.
 * @param {import('./types.js').Context} context
 */
export function createCore(context) {
  const { now, timer, uuid, storage, session, emit } = context;
  const expiry = timer();
  const connection = createConnection(context, () => streams.opened(), receive, lost, expiry.clear);
  const outbox = createOutbox(context, connection);
  const streams = createStreams(context, connection, ({ message }) => {
    // The answer was lost, but the message came back.
    outbox.acked({ ...message, message_id: message.id, status: 'delivered', duplicate: true });
  });
  const page = createPages(context, streams);
  const { send } = connection;

  // The request ids of receipts without an answer.
  /** @type {Set<string>} */
  const receipts = new Set();
  /** @type {'online' | 'away'} */
  let presence = 'online';
  let isLive = false;

  // --- start and stop ---

  /** Reads the store. What another user has left, or nobody knows who, is deleted. @param {boolean} [isOver] delete everything */
  async function load(isOver) {
    if (isOver || (session.me && (await storage.get('owner')) !== session.me)) {
      const kept = await storage.get('session');
      await storage.wipe();
      if (kept) await storage.commit([keep('session', kept), keep('owner', session.me)]);
      for (const entry of outbox.rows.values()) emit('outbox', { type: 'cancelled', entry });
    }
    const [rows, pending, primed] = await storage.read((store) => Promise.all([store.chats(), store.outbox(), store.get('primed')]));
    streams.load(rows, Boolean(primed));
    outbox.load(pending);
  }

  function expire() {
    storage.commit([{ op: 'expire', now: now(), erase: true }, ...streams.shrink()]);
    expiry.set(EXPIRE, expire);
  }

  function lost() {
    isLive = false;
    receipts.clear();
    streams.closed();
    outbox.closed();
  }

  function live() {
    connection.live();
    if (isLive) return;
    isLive = true;
    // Each connection starts as online.
    if (presence === 'away') send({ type: 'presence', status: presence });
    for (const { id, read_to, unsent } of streams.rows()) {
      if (read_to) receipt(id, read_to);
      if (unsent) draft(id);
    }
    outbox.live();
  }

  // --- what makes no event ---

  /** @param {string} chat_id @param {number} read */
  function receipt(chat_id, read) {
    const request_id = uuid();
    receipts.add(request_id);
    send({ type: 'receipt', chat_id, read, request_id });
  }

  /** @param {string} chat_id */
  function draft(chat_id) {
    const row = streams.row(chat_id);
    if (!isLive || !row) return;
    const { text = '', reply_to } = row.item?.draft ?? {};
    delete row.unsent;
    send({ type: 'draft', chat_id, text, reply_to });
  }

  // --- frames ---

  /** @param {Frame} frame `receipt` or `receipts` */
  function received(frame) {
    if (frame.user_id) streams.receipt(frame);
    emit('receipt', frame);
  }

  /** By the type of the frame. @type {Record<string, (frame: any) => void>} */
  const handlers = {
    message_sent: acknowledged,
    ack: acknowledged,
    error: refused,
    ...streams.handlers,
    synced(frame) {
      streams.handlers.synced(frame);
      live();
    },
    receipt: received,
    receipts: received,
  };

  /** @param {Frame} frame */
  function receive(frame) {
    const { type, chat_id, seq } = frame;
    if (Object.hasOwn(handlers, type)) handlers[type](frame);
    // An event of a later version has its place in the stream; everything else that is unknown is passed on.
    else if (chat_id && seq) streams.offer(frame);
    else if (!/^(pong|reconnect|auth_ok)$/.test(type)) emit(/^(presence|typing|system)$/.test(type) ? type : 'event', frame);
  }

  /** @param {Frame} frame `message_sent` or `ack` */
  function acknowledged(frame) {
    const { type, request_id, chat_id, seq, duplicate, created_at, read_seq, unread_count } = frame;
    if (receipts.delete(request_id)) return streams.receipt({ chat_id, read: read_seq, unread_count });
    /** @type {any} */
    const { frame: sent = {}, seqs = [0] } = outbox.acked(frame) ?? {};
    // The event of a repeated change comes as a frame; that of a repeated message does not.
    if (!seq || (type === 'ack' && duplicate)) return;
    const by = session.me;
    const offer = (/** @type {Frame} */ event) => streams.offer({ ...event, chat_id, seq, own: true, by });
    const { text, entities = [], message_id, message_ids, type: kind } = sent;
    if (kind === 'message') {
      // The server sends the whole message if it has more than its text.
      const known = { id: frame.message_id, chat_id, seq, sender_id: by, text, created_at, updated_at: created_at };
      offer({ type: 'new_message', message: { ...known, ...frame.message, request_id } });
      // What was sent does not tell how many reactions there are now, or where a message is that was named by its id alone.
    } else if (!seqs.every(Number)) streams.missing(chat_id, seq, true);
    else if (kind === 'edit') {
      offer({ type: 'message_edited', message: { id: message_id, chat_id, seq: seqs[0], text, entities, changed_seq: seq } });
    } else {
      const messages = message_ids.map((/** @type {string} */ id, /** @type {number} */ n) => ({ id, seq: seqs[n] }));
      offer({ type: 'messages_deleted', messages });
    }
  }

  /** @param {Frame} error */
  function refused(error) {
    // A receipt is sent again with the next one of its chat, or by the next connection.
    if (receipts.delete(error.request_id) || outbox.refused(error) || streams.refused(error)) return;
    // What may be sent again and is not pending is done, or not worth it: a message may come before its answer. What is not found may be in
    // a chat from which the user was just removed.
    if (!error.retryable && error.code !== 'not_found') emit('error', error);
  }

  return {
    ...outbox,
    load,
    /** @param {import('./types.js').Status | null} [status] */
    stop(status) {
      connection.stop(status);
      return storage.flush();
    },
    /** What has to be in a store that replaces one that fails. @returns {import('./types.js').Op[]} */
    saved() {
      return [...streams.snapshot(), ...[...outbox.rows.values()].map((row) => put('outbox', row)), keep('session', session.data), keep('owner', session.me)];
    },
    /** The session has a newer token. @param {string} token */
    auth(token) {
      if (/syncing|live/.test(connection.status().state)) send({ type: 'auth', token, request_id: uuid() });
    },
    // What tabs ask the leader for.
    wake: connection.wake,
    /** Connects if somebody is signed in. Returns what a tab has to know. */
    start(isWanted = true) {
      if (isWanted) {
        if (session.data) connection.start();
        else if (connection.status().state === 'stopped') connection.stop({ state: 'signed_out', reason: 'no_session' });
        expire();
      }
      return {
        status: connection.status(),
        chats: streams.rows().flatMap(({ item }) => item ?? []),
        outbox: [...outbox.rows.values()],
      };
    },
    page,
    /** @param {string} chatId */
    segments: (chatId) => streams.row(chatId)?.segments ?? [],
    /** @param {string} chatId @param {number} seq */
    read(chatId, seq) {
      if (streams.mark(chatId, seq) && isLive) receipt(chatId, seq);
    },
    /** @param {string} chatId @param {boolean} on */
    typing(chatId, on) {
      if (isLive) send({ type: 'typing', chat_id: chatId, is_typing: on });
    },
    /** @param {'online' | 'away'} status */
    presence(status) {
      presence = status;
      if (isLive) send({ type: 'presence', status });
    },
    /** @param {string} chatId @param {string} text @param {string} [reply_to] */
    draft(chatId, text, reply_to) {
      const row = streams.row(chatId);
      if (!row || [...text].length > LONGEST_TEXT) return;
      row.unsent = true;
      const stored = streams.change(chatId, { draft: text ? { text, reply_to } : null });
      draft(chatId);
      return stored;
    },
  };
}
