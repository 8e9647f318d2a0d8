import { SendError } from './errors.js';

/** How many messages and changes may be without an answer, one of each chat. */
const IN_FLIGHT = 16;
/** A connection that does not answer within this time is broken. */
const ANSWER = 10_000;
/** The wait after a refusal that does not name one. */
const RETRY = 1_000;

/**
 * @typedef {import('./types.js').Pending} Pending
 * @typedef {import('./types.js').Ack} Ack
 * @typedef {import('./types.js').Frame} Frame
 *
 * @typedef {object} Lane what is pending in a chat, in order
 * @property {string[]} ids
 * @property {string | undefined} busy what was sent and is not answered
 * @property {any} answer the timer of the answer
 * @property {any} pause the timer until the lane goes on
 *
 * @typedef {object} Host what the outbox needs of the client
 * @property {import('./types.js').Clock} clock
 * @property {import('./storage.js').Storage} storage
 * @property {(frame: Frame) => void} send
 * @property {() => void} fail closes the connection
 * @property {(name: string, data: any) => void} emit
 */

/**
 * Messages and changes that are not acknowledged. They are sent for ever, with the same `request_id`, until the server says that
 * they are stored, or that they are not.
 */
export class Outbox {
  /** @type {Map<string, Pending>} */
  rows = new Map();
  #host;
  /** @type {Map<string, Lane>} */
  #lanes = new Map();
  #live = false;
  #inFlight = 0;
  #last = 0;

  /** @param {Host} host */
  constructor(host) {
    this.#host = host;
  }

  /** @param {Pending[]} rows in order */
  load(rows) {
    this.rows.clear();
    this.#lanes.clear();
    this.#inFlight = 0;
    for (const row of rows) {
      this.rows.set(row.request_id, row);
      this.#last = Math.max(this.#last, row.created);
      if (row.state === 'pending') this.#lane(row.chat_id).ids.push(row.request_id);
    }
  }

  /** Returns what the store has to have. @returns {import('./types.js').Op[]} */
  snapshot() {
    return [...this.rows.values()].map((row) => ({ op: 'put', table: 'outbox', row }));
  }

  /** @param {string} chatId @returns {Lane} */
  #lane(chatId) {
    let lane = this.#lanes.get(chatId);
    if (!lane) this.#lanes.set(chatId, (lane = { ids: [], busy: undefined, answer: 0, pause: 0 }));
    return lane;
  }

  /**
   * Adds something to send. It is sent when it is stored, so that nothing is sent that a restart forgets.
   * @param {Omit<Pending, 'created' | 'state'>} entry
   * @returns {Promise<void>} resolves when it is stored
   */
  async add(entry) {
    // The call may come again, from a tab that does not know whether the former leader took it.
    if (this.rows.has(entry.request_id)) return this.#host.storage.flush();
    await this.#enqueue({ ...entry, created: 0, state: 'pending' });
  }

  /** @param {Pending} row */
  #enqueue(row) {
    const { clock, storage, emit } = this.#host;
    this.#last = Math.max(clock.now(), this.#last + 1);
    row = { ...row, created: this.#last, state: 'pending' };
    delete row.code;
    delete row.reason;
    this.rows.set(row.request_id, row);
    emit('outbox', { type: 'added', entry: row });
    return storage.commit([{ op: 'put', table: 'outbox', row }], () => {
      if (!this.rows.has(row.request_id)) return;
      this.#lane(row.chat_id).ids.push(row.request_id);
      this.#pump();
    });
  }

  /** The connection is live: everything that is pending is sent. */
  live() {
    this.#live = true;
    this.#pump();
  }

  closed() {
    this.#live = false;
    this.#inFlight = 0;
    for (const lane of this.#lanes.values()) {
      lane.busy = undefined;
      this.#host.clock.clearTimeout(lane.answer);
      this.#host.clock.clearTimeout(lane.pause);
      lane.pause = 0;
    }
  }

  #pump() {
    if (!this.#live) return;
    for (const [chatId, lane] of this.#lanes) {
      if (this.#inFlight >= IN_FLIGHT) return;
      const id = lane.ids[0];
      if (lane.busy || lane.pause) continue;
      if (id === undefined) {
        this.#lanes.delete(chatId);
        continue;
      }
      lane.busy = id;
      this.#inFlight++;
      lane.answer = this.#host.clock.setTimeout(() => this.#host.fail(), ANSWER);
      this.#host.send(/** @type {Pending} */ (this.rows.get(id)).frame);
    }
  }

  /** Ends the wait for an answer. @param {Pending} row */
  #answered(row) {
    const lane = this.#lanes.get(row.chat_id);
    if (!lane) return;
    if (lane.busy === row.request_id) {
      lane.busy = undefined;
      this.#inFlight--;
      this.#host.clock.clearTimeout(lane.answer);
      // The other lanes come first next time.
      this.#lanes.delete(row.chat_id);
      this.#lanes.set(row.chat_id, lane);
    }
    return lane;
  }

  /** @param {Pending} row */
  #leave(row) {
    const lane = this.#answered(row);
    if (lane) lane.ids = lane.ids.filter((id) => id !== row.request_id);
  }

  /**
   * The server has it. Returns what was sent, if this outbox did.
   * @param {Ack} ack
   * @returns {Pending | undefined}
   */
  acknowledged(ack) {
    const row = this.rows.get(ack.request_id);
    if (!row) return undefined;
    this.rows.delete(row.request_id);
    this.#leave(row);
    this.#host.storage.commit([{ op: 'delete', table: 'outbox', key: row.request_id }], () => {
      this.#host.emit('outbox', { type: 'done', entry: row, ack });
    });
    this.#pump();
    return row;
  }

  /**
   * Takes an `error` frame. Returns whether it concerns the outbox.
   * @param {Frame} error
   */
  refused(error) {
    const row = this.rows.get(error.request_id);
    if (!row) return false;
    const { clock } = this.#host;
    if (error.retryable) {
      const lane = this.#answered(row);
      if (lane && !lane.pause) {
        lane.pause = clock.setTimeout(() => {
          lane.pause = 0;
          this.#pump();
        }, error.retry_after_ms ?? RETRY);
      }
    } else {
      this.#leave(row);
      const failed = { ...row, state: /** @type {const} */ ('failed'), code: error.code, ...(error.reason && { reason: error.reason }) };
      this.rows.set(row.request_id, failed);
      this.#host.storage.commit([{ op: 'put', table: 'outbox', row: failed }], () => this.#host.emit('outbox', { type: 'failed', entry: failed }));
    }
    this.#pump();
    return true;
  }

  /** Sends again what failed, as the last one of its chat. @param {string} id */
  async retry(id) {
    const row = this.rows.get(id);
    if (row?.state !== 'failed') return false;
    await this.#enqueue(row);
    return true;
  }

  /**
   * Removes what failed or was not sent yet.
   * @param {string} id
   * @returns {Promise<boolean>} false: it is on its way, or not there
   */
  async cancel(id) {
    const row = this.rows.get(id);
    if (!row || this.#lanes.get(row.chat_id)?.busy === id) return false;
    this.rows.delete(id);
    this.#leave(row);
    await this.#host.storage.commit([{ op: 'delete', table: 'outbox', key: id }]);
    this.#host.emit('outbox', { type: 'cancelled', entry: row });
    return true;
  }
}

/** @param {{code?: string, reason?: string}} entry */
export const sendError = (entry) => new SendError(entry.code ?? 'unknown', entry.reason);
