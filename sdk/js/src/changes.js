import { put } from './ops.js';
import { messageRow } from './stores/patch.js';

/** The events that are a row of the history, beside messages. */
const SHOWN = /^(pinned|members?_\w+|chat_(updated|closed))$/;
/** What `chat_updated` changes. */
const PROFILE = ['title', 'description', 'handle', 'settings'];

/**
 * What an event changes in the store and in the item of its chat.
 * @param {import('./types.js').ChatRow} row
 * @param {import('./types.js').Frame} event
 * @param {import('./types.js').Op[]} ops
 * @param {string} [me] the id of the user
 */
export function apply(row, event, ops, me) {
  const { chat_id, seq, type, at, message, message_seq, member_count, user_id } = event;
  /** @type {any} */
  const old = row.item ?? {};
  const { last_message: last, last_seq = 0 } = old;
  /** @type {any} */
  const item = (row.item = { ...old, last_seq: Math.max(seq, last_seq) });
  // The item of a list may be ahead of the events.
  const isNews = seq > last_seq;
  const patch = (/** @type {number | undefined} */ target, /** @type {any} */ what) => {
    // The application may have known only the id of the message that it changed.
    if (target) ops.push({ op: 'patch', chat_id, seq: target, ...what });
  };
  if (type === 'new_message') {
    const { id, text, entities, sender_id, created_at, deleted, mention_all, mentions, reply_to } = message;
    ops.push(put('events', messageRow(message)));
    if (seq > (last?.seq ?? 0) && !deleted) {
      item.last_message = { id, seq, text, entities, sender_id, created_at };
      item.updated_at = created_at;
    }
    if (!isNews) return;
    if (sender_id === me) Object.assign(item, { read_seq: seq, unread_count: 0, mention_count: 0, marked_unread: false });
    else if (!deleted) {
      item.unread_count = (item.unread_count ?? 0) + 1;
      if (mention_all || mentions?.includes(me) || reply_to?.sender_id === me) item.mention_count = (item.mention_count ?? 0) + 1;
    }
  } else if (type === 'message_edited' && message) {
    // Without a message: it was changed again since. What it does not have was taken away.
    const { id, text, entities } = message;
    patch(message.seq, { set: { entities: [], mentions: [], mention_all: false, ...message }, changed_seq: seq });
    if (last?.id === id) item.last_message = { ...last, text, entities };
  } else if (type === 'messages_deleted') {
    for (const { id, seq: target } of event.messages) {
      patch(target, { erase: true, changed_seq: seq });
      if (last?.id === id) item.last_message = { ...last, text: '', entities: [], deleted: true };
    }
  } else if (type === 'reactions') patch(message_seq, { set: { reactions: event.reactions } });
  else if (SHOWN.test(type)) {
    ops.push(put('events', event));
    if (at) item.updated_at = at;
    if (member_count >= 0) item.member_count = member_count;
    if (type === 'chat_updated') for (const name of PROFILE) if (name in event) item[name] = event[name];
    if (me && user_id === me) item.role = event.role;
    if (me && event.former === me) item.role = 'admin';
  }
}
