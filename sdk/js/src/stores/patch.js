/** The keys of the tables. That of `events` is `[chat_id, seq]`. @type {Record<string, string>} */
export const KEYS = { chats: 'id', outbox: 'request_id', kv: 'key' };

/** Members of a message that a deletion keeps. */
const KEPT = ['id', 'chat_id', 'sender_id', 'created_at', 'updated_at', 'seq', 'request_id'];

/**
 * Returns the stored event after a change of its message. A change that is older than the last one does nothing.
 * @param {import('../types.js').EventRow} row
 * @param {Omit<import('../types.js').Patch, 'op' | 'chat_id' | 'seq'>} patch
 * @returns {import('../types.js').EventRow}
 */
export function patched(row, { changed_seq, erase, set }) {
  /** @type {any} */
  const old = row.message;
  if (!old || old.deleted || old.changed_seq > (changed_seq ?? Infinity)) return row;
  const { expires, ...rest } = row;
  const kept = erase ? { ...Object.fromEntries(KEPT.map((name) => [name, old[name]])), text: '', deleted: true } : { ...old, ...set };
  return { ...(erase ? rest : row), message: { ...kept, ...(changed_seq && { changed_seq }) } };
}

/**
 * Returns a message as it is stored.
 * @param {any} message
 * @returns {import('../types.js').EventRow}
 */
export function messageRow(message) {
  const { chat_id, seq, expires_at, deleted } = message;
  return { chat_id, seq, type: 'message', message, ...(expires_at && !deleted && { expires: Date.parse(expires_at) }) };
}
