import { batch, computed, signal } from '../../vendor/signals.js';
import { client } from './client.js';
import { learn } from './people.js';
import { myId } from './session.js';

/** @typedef {import('./client.js').ChatItem} ChatItem */

/** All chats: pinned first, then the most recently active. @type {import('../../vendor/signals.js').Signal<ChatItem[]>} */
export const chats = signal([]);

/** Chats that were opened over REST and are not in the list of the client yet. @type {Map<string, ChatItem>} */
const opened = new Map();

const byId = computed(() => new Map(chats.value.map((chat) => [chat.id, chat])));

/** @param {string} id */
export const chatOf = (id) => byId.value.get(id);

export const shownChats = computed(() => chats.value.filter(({ archived }) => !archived));
export const archivedChats = computed(() => chats.value.filter(({ archived }) => archived));

/** @param {ChatItem} chat */
export const isMuted = ({ muted_until }) => muted_until !== null && Date.parse(muted_until) > Date.now();

/** Unread messages of the chats that are neither muted nor archived. */
export const unreadTotal = computed(() => shownChats.value.reduce((sum, chat) => sum + (isMuted(chat) ? 0 : chat.unread_count), 0));

/** @param {ChatItem} chat */
export function titleOf(chat) {
  const partner = /** @type {{username: string, name?: string} | null} */ (chat.partner);
  return partner ? (partner.name ?? partner.username) : (chat.title ?? '');
}

/** Of a chat that was cleared, the SDK keeps what it had. @param {ChatItem} chat @returns {ChatItem} */
const withoutCleared = (chat) => (chat.last_seq < chat.first_seq && chat.last_message ? { ...chat, last_message: null, unread_count: 0, mention_count: 0 } : chat);

function refresh() {
  isPlanned = false;
  const list = client.chats.list().map(withoutCleared);
  for (const { id } of list) opened.delete(id);
  batch(() => {
    learn(list.flatMap(({ partner }) => partner ?? []));
    chats.value = opened.size ? [...opened.values(), ...list] : list;
  });
}

let isPlanned = false;

/** One event often follows another: the list is sorted once for all of them. */
function plan() {
  if (isPlanned) return;
  isPlanned = true;
  queueMicrotask(refresh);
}

/** Follows the client. Called once. */
export function startChats() {
  client.on('chat', ({ type, chat_id }) => {
    if (type === 'chat_removed' && chat_id) opened.delete(chat_id);
    plan();
  });
  plan();
}

/**
 * Returns the direct chat with a user. Creates it if it does not exist.
 * @param {string} partnerId
 */
export async function openDirect(partnerId) {
  const known = chats.value.find(({ partner }) => partner?.id === partnerId);
  return known ?? adopt(await client.rest.post('/chats', { partner_id: partnerId }));
}

/** Returns a chat that is not in the list, for instance of a link. Throws if it does not exist. @param {string} id */
export async function fetchChat(id) {
  const chat = await client.rest.get('/chats/{id}', { id });
  // The card of a public chat has no role.
  if (!('last_seq' in chat)) throw Object.assign(new Error('not a member'), { code: 'not_found', room: chat });
  return adopt(chat);
}

/** @param {ChatItem} chat */
export function adopt(chat) {
  if (!client.chats.get(chat.id)) opened.set(chat.id, chat);
  refresh();
  return chat;
}

/** How the sender of the last message is shown in the list: not at all in a direct chat. @param {ChatItem} chat */
export const showsSender = (chat) => chat.last_message && (chat.last_message.sender_id === myId() || chat.type === 'group');
