// What the user sets about a chat, for himself alone. Each change comes back to all devices as `chat_settings`, which the SDK applies.
import { client } from './client.js';

/**
 * @typedef {import('./client.js').ChatItem} ChatItem
 * @typedef {ChatItem['level']} Level
 */

const HOUR = 3_600_000;
/** The server keeps a time; this one does not come. */
const FOR_EVER = '9999-12-31T00:00:00Z';

/** @param {string} chatId @param {Partial<Pick<ChatItem, 'muted_until' | 'level' | 'archived' | 'pin_place' | 'marked_unread' | 'folder'>>} settings */
const change = (chatId, settings) => client.rest.patch('/chats/{id}/me', settings, { id: chatId });

/** @param {string} chatId @param {boolean} on */
export const setPinned = (chatId, on) => change(chatId, { pin_place: on ? 1 : null });

/** @param {string} chatId @param {number | null} hours `Infinity`: for ever; `null`: not any more */
export const setMuted = (chatId, hours) => change(chatId, { muted_until: mutedUntil(hours, Date.now()) });

/** @param {number | null} hours @param {number} now */
export function mutedUntil(hours, now) {
  if (hours === null) return null;
  return hours === Infinity ? FOR_EVER : new Date(now + hours * HOUR).toISOString();
}

/** @param {string} chatId @param {Level} level of which messages the user is notified */
export const setLevel = (chatId, level) => change(chatId, { level });

/** @param {string} chatId @param {boolean} archived */
export const setArchived = (chatId, archived) => change(chatId, { archived });

/** @param {string} chatId @param {string | null} folder */
export const setFolder = (chatId, folder) => change(chatId, { folder: folder?.trim() || null });

/** @param {ChatItem} chat */
export const isUnread = ({ unread_count, marked_unread }) => unread_count > 0 || marked_unread;

/** @param {ChatItem} chat @param {boolean} unread */
export async function setUnread({ id, last_seq, read_seq, marked_unread }, unread) {
  if (unread) await change(id, { marked_unread: true });
  else {
    if (last_seq > read_seq) client.read(id, last_seq);
    if (marked_unread) await change(id, { marked_unread: false });
  }
}

/** Deletes the messages of a chat for this user alone. @param {ChatItem} chat */
export const clearHistory = ({ id, last_seq }) => client.rest.post('/chats/{id}/clear', { upto: last_seq }, { id });
