import { batch, signal } from '../../vendor/signals.js';
import { expiryOf, indexOf, keyOf, shortened, withSegment } from './segments.js';

/**
 * @typedef {import('./segments.js').Row} Row
 * @typedef {import('./segments.js').Segment} Segment
 * @typedef {import('./client.js').Message} Message
 * @typedef {import('./client.js').Pending} Pending
 *
 * @typedef {object} Source where the messages of a chat are
 * @property {(query: {before?: number, after?: number, around?: number, limit?: number}) => Promise<{messages: Message[], has_previous: boolean, has_next: boolean}>} page
 * @property {() => Pending[]} pending
 * @property {() => string} me
 * @property {() => number} now
 */

const PAGE = 60;
/** Rows of a chat that are kept in memory. */
const MOST = 2_000;
/** Segments of a chat that are kept beside the one that is shown. */
const OTHERS = 3;

/** The messages of a chat: one part of the history without holes is shown at a time, with what is not stored yet at its end. */
export class Timeline {
  /** What is shown. @type {import('../../vendor/signals.js').Signal<Row[]>} */
  rows = signal([]);
  /** @type {import('../../vendor/signals.js').Signal<'loading' | 'ready' | 'failed'>} */
  state = signal('loading');
  /** Whether there is more. */
  hasOlder = signal(false);
  hasNewer = signal(false);

  /** @type {Segment[]} */
  #segments = [];
  /** The one that is shown. @type {Segment | undefined} */
  #current;
  /** By key, in the order of sending. @type {Map<string, Row>} */
  #pending = new Map();
  /** What happens while a page is on its way may be missing on it. @type {{event: string, data: any}[]} */
  #meanwhile = [];
  #loads = 0;
  /** @type {Set<'older' | 'newer'>} */
  #loading = new Set();
  /** Counts resets: a page that was asked for before one is dropped. */
  #generation = 0;
  /** Counts what was to be shown: the last one is. */
  #turn = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #expiry;

  /** @param {Source} source */
  constructor(source) {
    this.source = source;
    this.#readPending();
  }

  // --- reading ---

  /**
   * Shows the end of the chat, or what is around a `seq`. Returns the row at the `seq`, or the next one; none if something else is to be
   * shown by then.
   * @param {number} [seq]
   * @returns {Promise<Row | undefined>}
   */
  async show(seq) {
    const turn = ++this.#turn;
    const known = this.#segments.find(({ from, to, newer }) => (seq === undefined ? !newer : from <= seq && (seq <= to || !newer)));
    if (known) this.#select(known);
    else {
      if (!this.#current) this.state.value = 'loading';
      await this.#load(seq === undefined ? {} : { around: seq }, (page) => {
        const { messages, has_previous, has_next } = page;
        return {
          from: has_previous ? messages[0].seq : 0,
          to: has_next ? (messages.at(-1)?.seq ?? 0) : Math.max(seq ?? 0, messages.at(-1)?.seq ?? 0),
        };
      });
      if (turn !== this.#turn) return;
    }
    const rows = this.rows.peek();
    return seq === undefined ? rows.at(-1) : rows[Math.min(indexOf(this.#current?.rows ?? [], seq), rows.length - 1)];
  }

  /** Loads what is before or after what is shown. @param {'older' | 'newer'} direction */
  async extend(direction) {
    const segment = this.#current;
    if (!segment?.[direction] || this.#loading.has(direction)) return;
    this.#loading.add(direction);
    const { from, to } = segment;
    try {
      if (direction === 'older') {
        await this.#load({ before: from }, ({ messages, has_previous }) => ({ from: has_previous ? messages[0].seq : 0, to: from - 1 }), direction);
      } else {
        await this.#load({ after: to }, ({ messages, has_next }) => ({ from: to + 1, to: has_next ? (messages.at(-1)?.seq ?? to) : Math.max(to, messages.at(-1)?.seq ?? to) }), direction);
      }
    } finally {
      this.#loading.delete(direction);
    }
  }

  /** The row of a message that is in memory. @param {string} id */
  find(id) {
    for (const { rows } of this.#segments) {
      const row = rows.find(({ message }) => message.id === id);
      if (row) return row;
    }
  }

  /**
   * @param {{before?: number, after?: number, around?: number}} query
   * @param {(page: {messages: Message[], has_previous: boolean, has_next: boolean}) => {from: number, to: number}} range what the page covers
   * @param {'older' | 'newer'} [direction]
   */
  async #load(query, range, direction) {
    const generation = this.#generation;
    const turn = this.#turn;
    this.#loads++;
    try {
      const page = await this.source.page({ ...query, limit: PAGE });
      if (generation !== this.#generation) return;
      const me = this.source.me();
      const rows = page.messages.map((message) => this.#row(message, me));
      const isFirst = direction !== 'newer';
      const isLast = direction !== 'older';
      this.#insert({ ...range(page), rows, older: isFirst ? page.has_previous : true, newer: isLast ? page.has_next : true }, direction, turn);
      for (const { event, data } of this.#meanwhile) this.#apply(event, data);
      this.#publish('ready');
    } catch (error) {
      if (generation === this.#generation && !this.#current) this.state.value = 'failed';
      throw error;
    } finally {
      if (!--this.#loads) this.#meanwhile = [];
    }
  }

  /** @param {Message} message @param {string} [me] @returns {Row} */
  #row(message, me = this.source.me()) {
    return { key: keyOf(message, me), message, state: 'stored' };
  }

  /** @param {Segment} added @param {'older' | 'newer' | undefined} direction @param {number} turn */
  #insert(added, direction, turn) {
    const { segments, merged } = withSegment(this.#segments, added);
    const kept = direction ? shortened(merged, MOST, direction) : merged;
    this.#segments = segments.map((segment) => (segment === merged ? kept : segment));
    // What is shown may be a part of it, or something else by now.
    if ((!direction && turn === this.#turn) || !this.#current || !segments.includes(this.#current)) this.#current = kept;
    if (segments.length > OTHERS + 1) this.#segments = this.#segments.filter((segment) => segment === this.#current || !segment.newer);
  }

  /** @param {Segment} segment */
  #select(segment) {
    this.#current = segment;
    this.#publish('ready');
  }

  /** Shows what has changed. @param {'ready'} [state] */
  #publish(state) {
    this.#expire();
    const segment = this.#current;
    if (!segment) return;
    batch(() => {
      if (state) this.state.value = state;
      this.hasOlder.value = segment.older;
      this.hasNewer.value = segment.newer;
      const stored = segment.rows;
      for (const { key } of stored.slice(-200)) this.#pending.delete(key);
      this.rows.value = segment.newer || !this.#pending.size ? stored : [...stored, ...this.#pending.values()];
    });
  }

  // --- what happens ---

  /** Takes an event of the chat. @param {string} event @param {any} data */
  on(event, data) {
    if (event === 'gap' && data.skipped) return this.reset();
    if (event === 'outbox') this.#outbox(data);
    else if (!this.#apply(event, data)) return;
    else if (this.#loads) this.#meanwhile.push({ event, data });
    this.#publish();
  }

  /** Forgets everything and loads the end of the chat. */
  reset() {
    this.#generation++;
    this.#segments = [];
    this.#current = undefined;
    this.#meanwhile = [];
    this.#readPending();
    this.show().catch(() => {});
  }

  /** @param {string} event @param {any} data @returns {boolean} whether it changes messages */
  #apply(event, data) {
    if (event === 'message') this.#append(data.message);
    else if (event !== 'event') return false;
    else if (data.type === 'message_edited' && data.message) {
      // What it does not have was taken away.
      const set = { entities: [], mentions: [], mention_all: false, ...data.message };
      this.#patch(set.id, (old) => ((old.changed_seq ?? 0) > set.changed_seq ? old : { ...old, ...set }));
    } else if (data.type === 'messages_deleted') for (const { id } of data.messages) this.#patch(id, (old) => erased(old));
    else if (data.type === 'reactions') this.#patch(data.message_id, (old) => ({ ...old, reactions: data.reactions }));
    else if (data.type === 'my_reaction') {
      const { emoji, on } = data;
      this.#patch(data.message_id, (old) => ({ ...old, my_reactions: [...(old.my_reactions ?? []).filter((one) => one !== emoji), ...(on ? [emoji] : [])] }));
    } else if (data.type === 'chat_settings') this.#clear(data.first_seq);
    else return false;
    return true;
  }

  /** @param {Message} message */
  #append(message) {
    const last = this.#segments.at(-1);
    if (!last || last.newer) return;
    const row = this.#row(message);
    this.#pending.delete(row.key);
    if (message.seq <= last.to) {
      if (last.rows[indexOf(last.rows, message.seq)]?.message.seq !== message.seq) this.#replace(last, withSegment([last], { ...last, rows: [row] }).merged);
      return;
    }
    this.#replace(last, { ...last, to: message.seq, rows: [...last.rows, row] });
  }

  /** @param {Segment} old @param {Segment} next */
  #replace(old, next) {
    this.#segments = this.#segments.map((segment) => (segment === old ? next : segment));
    if (this.#current === old) this.#current = next;
  }

  /** @param {string} id @param {(message: Message) => Message} change @param {Row['change']} [pending] */
  #patch(id, change, pending) {
    for (const segment of this.#segments) {
      const at = segment.rows.findLastIndex(({ message }) => message.id === id);
      if (at < 0) continue;
      const row = segment.rows[at];
      this.#replace(segment, { ...segment, rows: segment.rows.with(at, { ...row, message: change(row.message), change: pending }) });
    }
  }

  /** Nothing before a `seq` exists any more. @param {number | undefined} first */
  #clear(first) {
    if (!first) return;
    for (const segment of this.#segments) {
      if (segment.from >= first) continue;
      this.#replace(segment, { ...segment, from: first, rows: segment.rows.slice(indexOf(segment.rows, first)), older: false });
    }
  }

  // --- what is not stored yet ---

  #readPending() {
    this.#pending.clear();
    for (const entry of this.source.pending()) if (entry.frame.type === 'message') this.#pending.set(entry.request_id, this.#pendingRow(entry));
  }

  /** @param {Pending} entry @returns {Row} */
  #pendingRow({ request_id, chat_id, created, frame, state, code, reason }) {
    const at = new Date(created).toISOString();
    const { text, entities, mentions, silent, reply_to } = frame;
    const message = { id: request_id, request_id, chat_id, sender_id: this.source.me(), text, entities, mentions, silent, seq: Infinity, created_at: at, updated_at: at };
    const original = reply_to && this.find(reply_to)?.message;
    const reply = reply_to && { id: reply_to, seq: original?.seq ?? 0, sender_id: original?.sender_id ?? '' };
    return { key: request_id, message: { ...message, reply_to: reply }, state: state === 'failed' ? 'failed' : 'sending', code, reason };
  }

  /** @param {{type: string, entry: Pending, ack?: any}} event */
  #outbox({ type, entry, ack }) {
    const { request_id, frame } = entry;
    if (frame.type !== 'message') return this.#changing(type, frame);
    const row = this.#pending.get(request_id);
    if (type === 'cancelled') this.#pending.delete(request_id);
    else if (type === 'done') {
      // Its event may have to wait for earlier ones. It is shown until that comes.
      if (row) this.#pending.set(request_id, { ...row, state: 'stored', message: { ...row.message, id: ack.message_id, seq: ack.seq } });
    } else {
      // What is sent again is the last one of its chat.
      if (type === 'added') this.#pending.delete(request_id);
      this.#pending.set(request_id, this.#pendingRow(entry));
    }
  }

  /** Edits and deletions are shown before they are stored. @param {string} type @param {any} frame */
  #changing(type, { type: kind, message_id, message_ids, text, entities }) {
    if (type === 'added' && kind === 'edit') this.#patch(message_id, (old) => ({ ...old, text, entities }), 'edit');
    if (type === 'added' && kind === 'delete') for (const id of message_ids) this.#patch(id, (old) => old, 'delete');
    // What was shown is not what the server has.
    if (type === 'failed' && /edit|delete/.test(kind)) this.reset();
  }

  // --- messages that disappear ---

  /** Erases what has expired, and plans the next time. */
  #expire() {
    clearTimeout(this.#expiry);
    const now = this.source.now();
    let next = Infinity;
    for (const segment of this.#segments) {
      let isChanged = false;
      const rows = segment.rows.map((row) => {
        const at = expiryOf(row.message);
        if (at > now) {
          next = Math.min(next, at);
          return row;
        }
        isChanged = true;
        return { ...row, message: erased(row.message) };
      });
      if (isChanged) this.#replace(segment, { ...segment, rows });
    }
    if (next < Infinity) this.#expiry = setTimeout(() => this.#publish(), Math.min(next - now, 86_400_000));
  }
}

/** @param {Message} message @returns {Message} */
function erased({ id, chat_id, sender_id, created_at, updated_at, seq, request_id }) {
  return { id, chat_id, sender_id, created_at, updated_at, seq, request_id, text: '', deleted: true };
}
