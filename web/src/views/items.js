import { dayOf } from '../lib/intl.js';

/**
 * @typedef {import('../state/segments.js').Row} Row
 *
 * @typedef {object} MessageItem
 * @property {'message'} kind
 * @property {string} key
 * @property {true} isAnchor
 * @property {Row} row
 * @property {boolean} isFirst whether it begins a group of one sender
 * @property {boolean} isLast whether it ends one
 *
 * @typedef {{kind: 'start', key: string, isAnchor?: false}} StartItem
 * @typedef {{kind: 'unread', key: string, isAnchor?: false}} UnreadItem
 * @typedef {{kind: 'day', key: string, at: number, isAnchor?: false}} DayItem
 * @typedef {import('../state/notices.js').Notice} Notice
 * @typedef {{kind: 'notice', key: string, notice: Notice, before?: Notice, isAnchor?: false}} NoticeItem
 * @typedef {MessageItem | StartItem | UnreadItem | DayItem | NoticeItem} Item
 */

/** Messages of one sender are a group while no pause is longer. */
const PAUSE = 5 * 60_000;

/**
 * Returns what a chat shows: its messages, in groups, with a heading for each day and the divider before what is unread.
 * @param {Row[]} rows
 * @param {{hasOlder: boolean, hasNewer?: boolean, divider?: number, me: string, firsts: Set<string>, notices?: Notice[]}} options `divider`: the `seq` after which it is;
 *   `firsts`: messages that stay the first of their group, because they were shown so; `notices`: what happened between them
 * @returns {Item[]}
 */
export function itemsOf(rows, { hasOlder, hasNewer, divider, me, firsts, notices = [] }) {
  /** @type {Item[]} */
  const items = hasOlder ? [] : [{ kind: 'start', key: 'start' }];
  let isDivided = divider === undefined;
  /** @type {MessageItem | undefined} */
  let before;
  let beforeAt = 0;
  // The last change of each member.
  /** @type {Map<string | undefined, Notice>} */
  const changes = new Map();
  let next = 0;
  if (hasOlder && rows.length) for (; notices[next]?.seq < rows[0].message.seq; next++) changes.set(notices[next].user_id, notices[next]);
  // What precedes the first row is not known, so neither is whether its day begins with it.
  const isFirstOfDay = (/** @type {number} */ at) => (beforeAt ? dayOf(at) !== dayOf(beforeAt) : !hasOlder);
  const day = (/** @type {number} */ at) => void items.push({ kind: 'day', key: `day-${dayOf(at)}`, at });
  /** The notices before a `seq`. @param {number} end @returns {boolean} whether there is one */
  function notify(end) {
    const start = next;
    for (; notices[next]?.seq < end; next++) {
      const notice = notices[next];
      const at = Date.parse(notice.at);
      if (isFirstOfDay(at)) day(at);
      beforeAt = at;
      items.push({ kind: 'notice', key: `notice-${notice.seq}`, notice, before: notice.user_id ? changes.get(notice.user_id) : undefined });
      changes.set(notice.user_id, notice);
    }
    return next > start;
  }
  for (const [n, row] of rows.entries()) {
    const { message } = row;
    const at = Date.parse(message.created_at);
    const isInterrupted = notify(message.seq);
    const isNewDay = isFirstOfDay(at);
    if (isNewDay) day(at);
    const isUnread = !isDivided && message.seq > /** @type {number} */ (divider) && message.sender_id !== me;
    if (isUnread) {
      items.push({ kind: 'unread', key: 'unread' });
      isDivided = true;
    }
    const follows = before && !isInterrupted && !isNewDay && !isUnread && before.row.message.sender_id === message.sender_id && at - beforeAt < PAUSE;
    if (n === 0 && hasOlder) firsts.add(row.key);
    const isFirst = !follows || firsts.has(row.key);
    if (before) before.isLast = isFirst;
    before = { kind: 'message', key: row.key, isAnchor: true, row, isFirst, isLast: true };
    beforeAt = at;
    items.push(before);
  }
  if (!hasNewer) notify(Infinity);
  return items;
}
