import { computed, signal } from '../../vendor/signals.js';
import { isMuted, shownChats } from './chats.js';

/** @typedef {import('./client.js').ChatItem} ChatItem */

/** The folder that was chosen; `null`: all chats. */
const chosen = signal(/** @type {string | null} */ (null));

/**
 * The folders in the order of their names, each with the unread messages of its chats that are not muted.
 * @param {ChatItem[]} list
 * @returns {{name: string, unread: number}[]}
 */
export function foldersOf(list) {
  /** @type {Map<string, number>} */
  const folders = new Map();
  for (const chat of list) {
    if (chat.folder) folders.set(chat.folder, (folders.get(chat.folder) ?? 0) + (isMuted(chat) ? 0 : chat.unread_count));
  }
  return [...folders].map(([name, unread]) => ({ name, unread })).sort((a, b) => a.name.localeCompare(b.name));
}

export const folders = computed(() => foldersOf(shownChats.value));

/** The folder that is shown. One that has lost its last chat is left. */
export const folder = computed(() => (folders.value.some(({ name }) => name === chosen.value) ? chosen.value : null));

/** @param {string | null} name */
export const showFolder = (name) => void (chosen.value = name);

/** The chats of the folder that is shown. */
export const chatsInFolder = computed(() => (folder.value === null ? shownChats.value : shownChats.value.filter((chat) => chat.folder === folder.value)));
