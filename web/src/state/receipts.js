import { signal } from '../../vendor/signals.js';
import { chatOf } from './chats.js';
import { client } from './client.js';
import { myId } from './session.js';

/** Others learn who has read what only in chats of at most this many members. */
const SMALL = 100;

/** How far the members of groups have read, by chat. @type {Map<string, import('../../vendor/signals.js').Signal<Record<string, number>>>} */
const groups = new Map();

/** @param {string} chatId */
function readsOf(chatId) {
  let reads = groups.get(chatId);
  if (!reads) groups.set(chatId, (reads = signal(/** @type {Record<string, number>} */ ({}))));
  return reads;
}

/** Up to which `seq` somebody else has read a chat. @param {string} chatId */
export function readByOthers(chatId) {
  const chat = chatOf(chatId);
  if (!chat) return 0;
  if (chat.type === 'direct') return chat.partner_read_seq ?? 0;
  return Math.max(0, ...Object.values(readsOf(chatId).value));
}

/** Asks for the receipts of a group, which frames continue. @param {string} chatId */
export async function loadReceipts(chatId) {
  const chat = chatOf(chatId);
  if (chat?.type !== 'group' || (chat.member_count ?? 0) > SMALL) return;
  const { read } = await client.rest.get('/chats/{id}/receipts', { id: chatId });
  take(chatId, read);
}

/** @param {string} chatId @param {Record<string, number>} reads */
function take(chatId, reads) {
  const { [myId()]: _, ...others } = reads;
  const known = readsOf(chatId);
  const next = { ...known.peek() };
  for (const [id, seq] of Object.entries(others)) next[id] = Math.max(seq, next[id] ?? 0);
  known.value = next;
}

/** Follows the client. Called once. */
export function startReceipts() {
  client.on('receipt', ({ chat_id, reads }) => {
    if (reads) take(chat_id, reads);
  });
}
