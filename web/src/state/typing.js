import { signal } from '../../vendor/signals.js';
import { client } from './client.js';
import { myId } from './session.js';

/** An indicator ends this long after the last frame. Writers repeat it every 3 seconds. */
const SHOWN = 6_000;
const REPEAT = 3_000;

/** Who types, by chat. @type {import('../../vendor/signals.js').Signal<Record<string, string[]>>} */
const typing = signal({});
/** @type {Map<string, ReturnType<typeof setTimeout>>} */
const timers = new Map();

/** The users who type in a chat. @param {string} chatId */
export const typingIn = (chatId) => typing.value[chatId];

/** @param {string} chatId @param {string[]} users */
function set(chatId, users) {
  const { [chatId]: before, ...rest } = typing.peek();
  if (users.length || before) typing.value = users.length ? { ...rest, [chatId]: users } : rest;
}

/** @param {string} chatId @param {string} user */
function end(chatId, user) {
  clearTimeout(timers.get(chatId + user));
  timers.delete(chatId + user);
  set(chatId, (typing.peek()[chatId] ?? []).filter((one) => one !== user));
}

/** @param {string} chatId @param {string} user */
function begin(chatId, user) {
  if (user === myId()) return;
  clearTimeout(timers.get(chatId + user));
  timers.set(chatId + user, setTimeout(() => end(chatId, user), SHOWN));
  const users = typing.peek()[chatId] ?? [];
  if (!users.includes(user)) set(chatId, [...users, user]);
}

/** Follows the client. Called once. */
export function startTyping() {
  client.on('typing', ({ chat_id, user_id, is_typing, user_ids }) => {
    if (user_ids) for (const id of user_ids) begin(chat_id, id);
    else if (is_typing) begin(chat_id, user_id);
    else end(chat_id, user_id);
  });
  client.on('message', ({ chat_id, message }) => end(chat_id, message.sender_id));
}

/** @type {{chatId: string, at: number} | undefined} */
let told;

/** The user has changed the text of a chat. @param {string} chatId @param {string} text */
export function tellTyping(chatId, text) {
  if (!text.trim()) return stopTyping(chatId);
  if (told?.chatId === chatId && Date.now() - told.at < REPEAT) return;
  told = { chatId, at: Date.now() };
  client.typing(chatId);
}

/** @param {string} chatId */
export function stopTyping(chatId) {
  if (told?.chatId !== chatId) return;
  told = undefined;
  client.typing(chatId, false);
}

/** The server ends it by itself with the message. */
export const typingSent = () => (told = undefined);
