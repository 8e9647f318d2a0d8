import { chatOf } from './chats.js';
import { myId } from './session.js';

const RANKS = { member: 0, admin: 1, owner: 2 };

/**
 * Whether the user's role allows what a setting of a chat names. In a direct chat both may do everything.
 * @param {string} chatId
 * @param {string} right
 */
export function may(chatId, right) {
  const chat = chatOf(chatId);
  if (!chat) return false;
  if (chat.type === 'direct') return true;
  const needed = /** @type {Record<string, keyof typeof RANKS>} */ (/** @type {unknown} */ (chat.settings))[right];
  return RANKS[chat.role ?? 'member'] >= RANKS[needed ?? 'member'];
}

/** @param {string} chatId */
export const isProtected = (chatId) => Boolean(/** @type {any} */ (chatOf(chatId)?.settings)?.protected);

/** @param {import('./client.js').Message} message */
export const isOwn = ({ sender_id }) => sender_id === myId();
