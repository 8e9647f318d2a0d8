/** Members of a message that a deletion keeps. */
const KEPT = ['id', 'chat_id', 'sender_id', 'created_at', 'updated_at', 'seq', 'request_id', 'changed_seq'];

/**
 * Returns the stored event after a change of its message. One that is older than the last change of the message does nothing.
 * @param {import('../types.js').EventRow} row
 * @param {Omit<import('../types.js').Patch, 'op' | 'chat_id' | 'seq'>} patch
 * @returns {import('../types.js').EventRow}
 */
export function patched(row, { changed_seq = 0, erase, set, react }) {
  let message = /** @type {any} */ (row.message);
  if (!message || (changed_seq && (message.changed_seq ?? 0) > changed_seq)) return row;
  if (erase) {
    message = { ...Object.fromEntries(Object.entries(message).filter(([name]) => KEPT.includes(name))), text: '', deleted: true };
    row = { ...row, expires: undefined };
    delete row.expires;
  } else if (message.deleted) return row;
  message = { ...message, ...set };
  if (changed_seq) message.changed_seq = changed_seq;
  if (react) message = reacted(message, react);
  return { ...row, message };
}

/** @param {any} message @param {{emoji: string, on: boolean, user_id: string}} change */
function reacted(message, { emoji, on, user_id }) {
  const mine = (message.my_reactions ?? []).filter((/** @type {string} */ one) => one !== emoji);
  if (on) mine.push(emoji);
  const reactions = (message.reactions ?? []).map((/** @type {any} */ one) => ({ ...one }));
  let one = reactions.find((/** @type {any} */ reaction) => reaction.emoji === emoji);
  if (!one) reactions.push((one = { emoji, count: 0, recent: [] }));
  one.count += on ? 1 : -1;
  one.recent = (one.recent ?? []).filter((/** @type {string} */ id) => id !== user_id);
  if (on) one.recent = [user_id, ...one.recent].slice(0, 3);
  return { ...message, reactions: reactions.filter((/** @type {any} */ reaction) => reaction.count > 0), my_reactions: mine };
}
