import { waited } from './connection.js';
import { NeonChatError, signedOut } from './errors.js';
import { isSame, put, remove } from './ops.js';

/** How many messages and changes may be without an answer, one of each chat. */
const IN_FLIGHT = 16;
/** A connection that does not answer within this time is broken. */
const ANSWER = 10_000;
/** The wait after a refusal that does not name one. */
const RETRY = 1_000;

/**
 * @typedef {import('./types.js').Pending} Pending
 * @typedef {import('./types.js').Frame} Frame
 *
 * @typedef {object} Lane what is pending in a chat
 * @property {string[]} ids in order
 * @property {string} [busy] what was sent and is not answered
 * @property {import('./types.js').Timer} due when an answer is overdue, or the lane goes on
 */

/** @param {Pending} a @param {Pending} b */
export const byTime = (a, b) => a.created - b.created;

/**
 * Messages and changes that are not acknowledged. They are sent for ever, with the same `request_id`, until the server says that
 * they are stored, or that they are not.
 * @param {import('./types.js').Context} context
 * @param {import('./connection.js').Connection} connection
 */
export function createOutbox({ now, timer, storage, session, emit }, connection) {
  /** @type {Map<string, Pending>} */
  const rows = new Map();
  /** @type {Map<string, Lane>} */
  const lanes = new Map();
  let isLive = false;
  let last = 0;

  /** @param {Pending} row */
  function queue({ chat_id, request_id }) {
    let lane = lanes.get(chat_id);
    if (!lane) lanes.set(chat_id, (lane = { ids: [], due: timer() }));
    lane.ids.push(request_id);
  }

  /** Stores changes, then tells about them. @param {import('./types.js').Op} op @param {string} type @param {Pending} entry @param {any} [ack] */
  const commit = (op, type, entry, ack) => storage.commit([op], () => emit('outbox', { type, entry, ack }));

  /** @param {any} entry */
  async function enqueue(entry) {
    last = Math.max(now(), last + 1);
    /** @type {Pending} */
    const row = { ...entry, created: last, state: 'pending' };
    rows.set(row.request_id, row);
    emit('outbox', { type: 'added', entry: row });
    // It is sent when it is stored: nothing is sent that a restart forgets.
    await storage.commit([put('outbox', row)], () => {
      if (rows.get(row.request_id) !== row) return;
      queue(row);
      pump();
    });
  }

  function pump() {
    if (!isLive) return;
    let inFlight = [...lanes.values()].filter(({ busy }) => busy).length;
    for (const [chatId, lane] of lanes) {
      const id = lane.ids[0];
      if (!id) lanes.delete(chatId);
      else if (!lane.due.on && inFlight < IN_FLIGHT) {
        inFlight++;
        lane.busy = id;
        lane.due.set(ANSWER, connection.fail);
        connection.send(/** @type {Pending} */ (rows.get(id)).frame);
      }
    }
  }

  /** Ends the wait for an answer. @param {Pending} row */
  function answered({ chat_id, request_id }) {
    const lane = lanes.get(chat_id);
    if (lane?.busy !== request_id) return;
    lane.busy = undefined;
    lane.due.clear();
    // The other lanes come first next time.
    lanes.delete(chat_id);
    lanes.set(chat_id, lane);
    return lane;
  }

  /** @param {Pending} row */
  function leave(row) {
    answered(row);
    const lane = lanes.get(row.chat_id);
    if (lane) lane.ids = lane.ids.filter((id) => id !== row.request_id);
  }

  return {
    rows,
    /** @param {Pending[]} stored */
    load(stored) {
      rows.clear();
      lanes.clear();
      for (const row of stored.sort(byTime)) {
        rows.set(row.request_id, row);
        last = Math.max(last, row.created);
        if (row.state === 'pending') queue(row);
      }
    },
    /**
     * Adds something to send, unless nobody was signed in when it was written, or somebody else is now. Resolves when it is stored.
     * @param {Omit<Pending, 'created' | 'state'>} entry
     */
    async add(entry) {
      const { frame, request_id, by } = entry;
      if (by !== session.me) throw signedOut('no_session');
      const row = rows.get(request_id);
      if (row?.state !== 'pending') return enqueue(entry);
      // It may come again, for instance from a tab that does not know whether the former leader took it.
      if (isSame(row.frame, frame)) return storage.flush();
      throw new NeonChatError('idempotency_mismatch');
    },
    /** Everything that is pending is sent. */
    live() {
      isLive = true;
      pump();
    },
    closed() {
      isLive = false;
      for (const lane of lanes.values()) {
        lane.busy = undefined;
        lane.due.clear();
      }
    },
    /** The server has it. Returns what was sent, if this outbox did. @param {any} ack @returns {Pending | undefined} */
    acked(ack) {
      const row = rows.get(ack.request_id);
      if (!row) return;
      rows.delete(row.request_id);
      leave(row);
      commit(remove('outbox', row.request_id), 'done', row, ack);
      pump();
      return row;
    },
    /** Takes an `error` frame. Returns whether it concerns the outbox. @param {Frame} error */
    refused({ request_id, code, reason, message, retryable, retry_after_ms }) {
      const row = rows.get(request_id);
      if (!row) return false;
      if (retryable) answered(row)?.due.set(waited(retry_after_ms ?? RETRY), pump);
      else {
        leave(row);
        /** @type {Pending} */
        const failed = { ...row, state: 'failed', code, reason, detail: message, retryable };
        rows.set(request_id, failed);
        commit(put('outbox', failed), 'failed', failed);
      }
      pump();
      return true;
    },
    /** Sends again what failed, as the last one of its chat. @param {string} id */
    async retry(id) {
      const row = rows.get(id);
      if (row?.state !== 'failed') return false;
      const { code, reason, detail, retryable, ...entry } = row;
      await enqueue(entry);
      return true;
    },
    /** Removes what failed or was not sent yet. Returns false if it is on its way, or not there. @param {string} id */
    async cancel(id) {
      const row = rows.get(id);
      if (!row || lanes.get(row.chat_id)?.busy === id) return false;
      rows.delete(id);
      leave(row);
      await commit(remove('outbox', id), 'cancelled', row);
      return true;
    },
  };
}
