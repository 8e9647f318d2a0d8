import { signal } from '../../vendor/signals.js';
import { chatOf } from './chats.js';
import { client } from './client.js';

/**
 * An event of a group that is shown between its messages.
 * @typedef {object} Notice
 * @property {number} seq
 * @property {string} type
 * @property {string} at
 * @property {string} [by]
 * @property {string[]} [user_ids]
 * @property {string} [via]
 * @property {string} [how]
 * @property {string} [user_id]
 * @property {string} [role]
 * @property {string | null} [restricted_until]
 * @property {boolean} [on]
 * @property {string} [title]
 * @property {string | null} [handle]
 * @property {any} [settings]
 * @property {string[]} [changed] what an update has changed. Only known of those that came while the client ran
 */

const SHOWN = new Set(['members_added', 'members_removed', 'member_changed', 'chat_updated', 'pinned']);
const PROFILE = ['title', 'description', 'handle'];
/** Events of one request. */
const PAGE = 1_000;
/** A longer part of the history is not searched for notices at once. */
const LONGEST = 5_000;
/** The pause before another attempt. */
const RETRY = 2_000;

/**
 * `covered`: the range of `seq` whose notices are known.
 * @typedef {{from: number, to: number, seqs: number[]}} Wanted
 * @typedef {{list: import('../../vendor/signals.js').Signal<Notice[]>, covered?: [number, number], wanted?: Wanted, busy: boolean}} Entry
 */

/** By chat. @type {Map<string, Entry>} */
const known = new Map();

/** @param {string} chatId */
function entry(chatId) {
  let found = known.get(chatId);
  if (!found) known.set(chatId, (found = { list: signal(/** @type {Notice[]} */ ([])), busy: false }));
  return found;
}

/** The notices of a chat that are known, ascending. @param {string} chatId */
export const noticesOf = (chatId) => entry(chatId).list.value;

/** In a channel, members get events without content. @param {any} event */
const isShown = ({ type, user_ids, user_id }) => SHOWN.has(type) && (user_ids ? user_ids.length > 0 : type !== 'member_changed' || Boolean(user_id));

/** @param {Entry} entry @param {Notice[]} news */
function add({ list }, news) {
  const bySeq = new Map(list.peek().map((notice) => [notice.seq, notice]));
  // What came live says more.
  for (const notice of news) if (!bySeq.has(notice.seq)) bySeq.set(notice.seq, notice);
  if (bySeq.size > list.peek().length) list.value = [...bySeq.values()].sort((a, b) => a.seq - b.seq);
}

/** What an update changes: the frame has everything. @param {any} old @param {any} now @returns {string[]} */
export function changesOf(old, now) {
  if (!old?.settings || !now.settings) return [];
  return [...PROFILE.filter((name) => (old[name] ?? null) !== (now[name] ?? null)), ...Object.keys(now.settings).filter((name) => old.settings[name] !== now.settings[name])];
}

/**
 * Finds the notices of a part of a chat. Messages have all numbers but those of other events: without a hole there is nothing to ask for.
 * @param {string} chatId
 * @param {number} from
 * @param {number} to
 * @param {number[]} seqs of the messages there, ascending
 */
export async function findNotices(chatId, from, to, seqs) {
  const mine = entry(chatId);
  mine.wanted = { from, to, seqs };
  if (mine.busy) return;
  mine.busy = true;
  let now = mine.wanted;
  try {
    for (let next; (next = mine.wanted); ) {
      mine.wanted = undefined;
      await find(mine, chatId, (now = next));
    }
  } catch (/** @type {any} */ error) {
    // The messages are complete without them, so nobody has to be told.
    const again = mine.wanted ?? now;
    if (error.retryable && known.get(chatId) === mine) setTimeout(findNotices, error.retryAfterMs ?? RETRY, chatId, again.from, again.to, again.seqs);
  } finally {
    mine.busy = false;
  }
}

/** @param {Entry} mine @param {string} chatId @param {Wanted} wanted */
async function find(mine, chatId, { from, to, seqs }) {
  const [first, last] = mine.covered ?? [Infinity, -Infinity];
  const holes = holesOf(from, to, seqs).filter(([start, end]) => start < first || end > last);
  if (holes.length) await ask(mine, chatId, Math.max(holes[0][0], to - LONGEST), holes[holes.length - 1][1]);
  // What is apart from the range that was known replaces it.
  const isNear = mine.covered && from <= mine.covered[1] + 1 && to >= mine.covered[0] - 1;
  mine.covered = isNear && mine.covered ? [Math.min(from, mine.covered[0]), Math.max(to, mine.covered[1])] : [from, to];
}

/** @param {number} from @param {number} to @param {number[]} seqs @returns {[number, number][]} */
export function holesOf(from, to, seqs) {
  /** @type {[number, number][]} */
  const holes = [];
  let next = from;
  for (const seq of [...seqs, to + 1]) {
    if (seq < next || seq > to + 1) continue;
    if (seq > next) holes.push([next, seq - 1]);
    next = seq + 1;
  }
  return holes;
}

/** @param {Entry} mine @param {string} chatId @param {number} from @param {number} to */
async function ask(mine, chatId, from, to) {
  for (let after = from - 1; after < to; ) {
    const { events, has_more } = await client.rest.get('/chats/{id}/events', { id: chatId, after, limit: Math.min(PAGE, to - after) });
    add(mine, /** @type {any[]} */ (events).filter(isShown));
    after = events.at(-1)?.seq ?? to;
    if (!has_more) return;
  }
}

/** What comes live needs not be asked for. @param {any} event */
function follow({ chat_id, seq }) {
  const mine = known.get(chat_id);
  if (mine?.covered && seq === mine.covered[1] + 1) mine.covered = [mine.covered[0], seq];
}

/** Follows the client. Called once. */
export function startNotices() {
  client.on('event', (event) => {
    const mine = known.get(event.chat_id);
    if (!mine || !event.seq) return;
    if (isShown(event) && chatOf(event.chat_id)?.type !== 'direct') {
      // The item is that from before the event.
      const changed = event.type === 'chat_updated' ? changesOf(client.chats.get(event.chat_id), event) : undefined;
      add(mine, [/** @type {any} */ ({ ...event, changed })]);
    }
    follow(event);
  });
  client.on('message', follow);
  client.on('gap', ({ chat_id, skipped }) => skipped && known.delete(chat_id));
  client.on('chat', ({ type, chat_id }) => {
    if (type === 'chat_removed' && chat_id) known.delete(chat_id);
  });
}
