import { NetworkError } from './errors.js';
import { patched } from './stores/patch.js';

/**
 * @typedef {import('./types.js').Message} Message
 * @typedef {import('./types.js').Page} Page
 * @typedef {import('./types.js').PageQuery} PageQuery
 *
 * @typedef {object} Host what pages need of the client
 * @property {import('./types.js').Clock} clock
 * @property {import('./rest.js').Rest} rest
 * @property {import('./storage.js').Storage} storage
 * @property {import('./streams.js').Streams} streams
 */

/** Pages of messages, from the store where it has all of them, else from the server. */
export class Pages {
  #host;

  /** @param {Host} host */
  constructor(host) {
    this.#host = host;
  }

  /** @param {string} chatId @param {PageQuery} query @returns {Promise<Page>} */
  async page(chatId, { before, after, around, limit = 50 }) {
    const { streams } = this.#host;
    streams.freshen(chatId);
    const row = streams.chats.get(chatId)?.row;
    const first = row?.item?.first_seq ?? 1;
    /** @type {Page | undefined} */
    let local;
    if (around !== undefined) local = undefined;
    else if (after !== undefined) local = await this.#after(chatId, after, limit);
    else local = await this.#before(chatId, before, limit, first);
    if (local && (local.messages.length >= limit || !(after === undefined ? local.has_previous : local.has_next))) return local;
    try {
      return await this.#fetch(chatId, { before, after, around, limit });
    } catch (error) {
      // Without a network, what is there is better than nothing.
      if (local?.messages.length && error instanceof NetworkError) return local;
      throw error;
    }
  }

  /** @param {string} chatId @param {number | undefined} before @param {number} limit @param {number} first */
  async #before(chatId, before, limit, first) {
    const row = this.#host.streams.chats.get(chatId)?.row;
    if (!row) return undefined;
    const top = Math.min((before ?? Infinity) - 1, row.applied);
    const segment = row.segments.find(([from, to]) => from <= top && top <= to);
    if (!segment) return top < first ? { messages: [], has_previous: false, has_next: top < row.applied } : undefined;
    const messages = await this.#read(chatId, segment[0], top, limit, true);
    const has_previous = messages.length < limit ? segment[0] > first : messages[0].seq > first;
    return { messages, has_previous, has_next: top < row.applied };
  }

  /** @param {string} chatId @param {number} after @param {number} limit */
  async #after(chatId, after, limit) {
    const row = this.#host.streams.chats.get(chatId)?.row;
    const segment = row?.segments.find(([from, to]) => from <= after + 1 && after <= to);
    if (!row || !segment) return undefined;
    const messages = await this.#read(chatId, after + 1, segment[1], limit, false);
    const last = messages.length < limit ? segment[1] : /** @type {Message} */ (messages.at(-1)).seq;
    return { messages, has_previous: after >= (row.item?.first_seq ?? 1), has_next: last < row.applied };
  }

  /** @param {string} chatId @param {number} from @param {number} to @param {number} limit @param {boolean} backwards */
  async #read(chatId, from, to, limit, backwards) {
    const { storage, clock } = this.#host;
    /** @type {Message[]} */
    const messages = [];
    // Between messages there are other events.
    while (messages.length < limit && from <= to) {
      const rows = await storage.read((store) => store.events(chatId, from, to, limit, backwards));
      for (const row of rows) {
        if (!row.message || messages.length === limit) continue;
        messages.push(expired(row, clock.now()));
      }
      const last = rows.at(-1);
      if (!last || rows.length < limit) break;
      if (backwards) to = last.seq - 1;
      else from = last.seq + 1;
    }
    return backwards ? messages.reverse() : messages;
  }

  /** @param {string} chatId @param {PageQuery & {limit: number}} query @returns {Promise<Page>} */
  async #fetch(chatId, { before, after, around, limit }) {
    const { rest, streams } = this.#host;
    const row = streams.chats.get(chatId)?.row;
    const query = { before_seq: before, after_seq: after, around_seq: around, limit, min_seq: row?.applied || undefined };
    const answer = await rest.get(`/chats/${chatId}/messages`, query);
    /** @type {Message[]} */
    const messages = answer.messages.reverse();
    const { has_previous, has_next, head_seq, first_seq } = answer;
    // Everything between the edges of the page is on it; an edge that is the end of the history is further out.
    const lowest = after !== undefined ? after + 1 : has_previous ? messages[0]?.seq : first_seq;
    const highest = before !== undefined ? before - 1 : has_next ? messages.at(-1)?.seq : head_seq;
    const rows = await streams.take(chatId, messages, head_seq, lowest ?? 1, highest ?? 0, patched);
    return { messages: rows.map((row) => /** @type {Message} */ (row.message)), has_previous, has_next };
  }
}

/** A message that has disappeared is shown like a deleted one. @param {import('./types.js').EventRow} row @param {number} now */
function expired(row, now) {
  return /** @type {Message} */ ((row.expires && row.expires <= now ? patched(row, { erase: true }) : row).message);
}
