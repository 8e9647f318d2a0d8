import { patched } from './stores/patch.js';

/**
 * @typedef {import('./types.js').Page} Page
 * @typedef {import('./types.js').PageQuery} PageQuery
 */

/**
 * Pages of messages, from the store where it has all of them, else from the server.
 * @param {import('./types.js').Context} context
 * @param {import('./streams.js').Streams} streams
 */
export function createPages({ now, rest, storage }, streams) {
  /** @param {string} chatId @param {number} from @param {number} to @param {number} limit @param {boolean} back */
  async function read(chatId, from, to, limit, back) {
    /** @type {any[]} */
    const messages = [];
    for (;;) {
      const rows = await storage.read((store) => store.events(chatId, from, to, limit, back));
      for (const row of rows) {
        // Between messages there are other events. What has disappeared is shown like what was deleted.
        if (row.message && messages.length < limit) messages.push((/** @type {any} */ (row.expires) <= now() ? patched(row, { erase: true }) : row).message);
      }
      if (rows.length < limit || messages.length === limit) return back ? messages.reverse() : messages;
      const { seq } = rows[limit - 1];
      if (back) to = seq - 1;
      else from = seq + 1;
    }
  }

  /** @param {string} chatId @param {PageQuery & {limit: number}} query @returns {Promise<Page | undefined>} */
  async function local(chatId, { before = Infinity, after, around, limit }) {
    const row = streams.row(chatId);
    if (!row || around !== undefined) return;
    const back = after === undefined;
    const edge = back ? Math.min(before - 1, row.applied) : after + 1;
    const segment = row.segments.find(([from, to]) => from <= edge && edge <= to + (back ? 0 : 1));
    if (!segment) return;
    const [from, to] = segment;
    const first = row.item?.first_seq ?? 1;
    const messages = await read(chatId, back ? from : edge, back ? edge : to, limit, back);
    const isFull = messages.length === limit;
    return {
      messages,
      has_previous: (back ? (isFull ? messages[0].seq : from) : edge) > first,
      has_next: (back ? edge : isFull ? messages[limit - 1].seq : to) < row.applied,
    };
  }

  /** @param {string} chatId @param {PageQuery} query @returns {Promise<Page>} */
  return async function page(chatId, { before, after, around, limit = 50 }) {
    streams.fresh(chatId);
    const stored = await local(chatId, { before, after, around, limit });
    if (stored && (stored.messages.length === limit || !(after === undefined ? stored.has_previous : stored.has_next))) return stored;
    const applied = () => streams.row(chatId)?.applied ?? 0;
    let answer;
    try {
      for (let tries = 3; tries--; ) {
        answer = await rest.get('/chats/{id}/messages', {
          ...{ id: chatId, before_seq: before, after_seq: after, around_seq: around, limit },
          min_seq: applied() || undefined,
        });
        // What has changed while the page was on its way may be missing on it.
        if (answer.head_seq >= applied()) break;
      }
    } catch (/** @type {any} */ error) {
      // Without a network, what is there is better than nothing.
      if (stored?.messages.length && error.code === 'network') return stored;
      throw error;
    }
    answer = /** @type {NonNullable<typeof answer>} */ (answer);
    const { has_previous, has_next, head_seq, first_seq } = answer;
    const messages = answer.messages.reverse();
    // Everything between the edges of the page is on it; an edge that is the end of the history is further out.
    const from = after !== undefined ? after + 1 : has_previous ? messages[0]?.seq : first_seq;
    const to = before !== undefined ? before - 1 : has_next ? messages.at(-1)?.seq : head_seq;
    if (head_seq >= applied()) await streams.take(chatId, messages, from ?? 1, to ?? 0);
    return { messages, has_previous, has_next };
  };
}
