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
 * @typedef {MessageItem | StartItem | UnreadItem | DayItem} Item
 */

/** Messages of one sender are a group while no pause is longer. */
const PAUSE = 5 * 60_000;

/**
 * Returns what a chat shows: its messages, in groups, with a heading for each day and the divider before what is unread.
 * @param {Row[]} rows
 * @param {{hasOlder: boolean, divider?: number, me: string, firsts: Set<string>}} options `divider`: the `seq` after which it is;
 *   `firsts`: messages that stay the first of their group, because they were shown so
 * @returns {Item[]}
 */
export function itemsOf(rows, { hasOlder, divider, me, firsts }) {
  /** @type {Item[]} */
  const items = hasOlder ? [] : [{ kind: 'start', key: 'start' }];
  let isDivided = divider === undefined;
  /** @type {MessageItem | undefined} */
  let before;
  let beforeAt = 0;
  for (const [n, row] of rows.entries()) {
    const { message } = row;
    const at = Date.parse(message.created_at);
    // What precedes the first row is not known, so neither is whether its day begins with it.
    const isNewDay = before ? dayOf(at) !== dayOf(beforeAt) : !hasOlder;
    if (isNewDay) items.push({ kind: 'day', key: `day-${dayOf(at)}`, at });
    const isUnread = !isDivided && message.seq > /** @type {number} */ (divider) && message.sender_id !== me;
    if (isUnread) {
      items.push({ kind: 'unread', key: 'unread' });
      isDivided = true;
    }
    const follows = before && !isNewDay && !isUnread && before.row.message.sender_id === message.sender_id && at - beforeAt < PAUSE;
    if (n === 0 && hasOlder) firsts.add(row.key);
    const isFirst = !follows || firsts.has(row.key);
    if (before) before.isLast = isFirst;
    before = { kind: 'message', key: row.key, isAnchor: true, row, isFirst, isLast: true };
    beforeAt = at;
    items.push(before);
  }
  return items;
}
