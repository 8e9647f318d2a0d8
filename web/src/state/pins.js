import { signal } from '../../vendor/signals.js';
import { client } from './client.js';
import { expiryOf, runAt } from './segments.js';

/** @typedef {import('./client.js').Message} Message */

/** The pinned messages of the chats that were opened, the last pinned first. @type {Map<string, import('../../vendor/signals.js').Signal<Message[]>>} */
const pins = new Map();

/** @param {string} chatId */
export function pinsOf(chatId) {
  let list = pins.get(chatId);
  if (!list) pins.set(chatId, (list = signal(/** @type {Message[]} */ ([]))));
  return list;
}

/** @param {string} chatId */
export async function loadPins(chatId) {
  const { pins: list } = await client.rest.get('/chats/{id}/pins', { id: chatId });
  pinsOf(chatId).value = list.map(({ message }) => message);
  expire(chatId);
}

/** @type {Map<string, ReturnType<typeof runAt>>} */
const timers = new Map();

/** Drops what has expired, now and when its time comes. @param {string} chatId */
function expire(chatId) {
  const list = pinsOf(chatId);
  list.value = list.peek().filter((one) => expiryOf(one) > Date.now());
  clearTimeout(timers.get(chatId));
  timers.set(chatId, runAt(Math.min(...list.peek().map(expiryOf)), () => expire(chatId)));
}

/** @param {string} chatId @param {string} messageId @param {boolean} on */
export async function togglePin(chatId, messageId, on) {
  const request_id = crypto.randomUUID();
  await client.rest.request(on ? 'PUT' : 'DELETE', '/chats/{id}/pins/{message_id}', { params: { id: chatId, message_id: messageId, request_id } });
  // The event follows for this device too.
}

/** Follows the client. Called once. */
export function startPins() {
  client.on('gap', ({ chat_id, skipped }) => {
    if (skipped && pins.has(chat_id)) loadPins(chat_id).catch(() => {});
  });
  client.on('event', ({ type, chat_id, message_id, on, message, messages, first_seq }) => {
    const list = pins.get(chat_id);
    if (!list) return;
    if (type === 'pinned') {
      if (on) loadPins(chat_id).catch(() => {});
      else list.value = list.value.filter(({ id }) => id !== message_id);
    } else if (type === 'message_edited' && message) list.value = list.value.map((one) => (one.id === message.id ? { ...one, ...message } : one));
    else if (type === 'messages_deleted') list.value = list.value.filter(({ id }) => !messages.some((/** @type {Message} */ gone) => gone.id === id));
    else if (type === 'chat_settings' && first_seq) list.value = list.value.filter(({ seq }) => seq >= first_seq);
  });
}
