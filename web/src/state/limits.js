import { signal } from '../../vendor/signals.js';
import { chatOf } from './chats.js';
import { client } from './client.js';
import { myId, user } from './session.js';

// What keeps the user from writing in a group for a time: a restriction, or slow mode. Values are milliseconds since 1970; 0: nothing does.

/** @typedef {import('../../vendor/signals.js').Signal<number>} Until */

/** @type {Map<string, Until>} */
const restrictions = new Map();
/** @type {Map<string, Until>} */
const waits = new Map();
/** @type {Map<Until, ReturnType<typeof setTimeout>>} */
const timers = new Map();

/** Counts the restrictions that events have told: an answer may be older than they are. */
let told = 0;

/** The groups of which it was asked whether the user is restricted. @type {Set<string>} */
const asked = new Set();

/** The pause before another attempt. */
const RETRY = 2_000;
/** Timers of browsers cannot wait longer. */
const LONGEST = 2 ** 31 - 1;

/** @param {Map<string, Until>} map @param {string} chatId @returns {Until} */
function entry(map, chatId) {
  let until = map.get(chatId);
  if (!until) map.set(chatId, (until = signal(0)));
  return until;
}

/** It ends by itself. @param {Until} until @param {number} at */
function set(until, at) {
  clearTimeout(timers.get(until));
  const rest = at - Date.now();
  until.value = rest > 0 ? at : 0;
  if (rest > 0) timers.set(until, setTimeout(set, Math.min(rest, LONGEST), until, at));
}

/** Until when the user may only read a chat. @param {string} chatId */
export const restrictedUntil = (chatId) => entry(restrictions, chatId).value;

/** Until when slow mode holds the next message. @param {string} chatId */
export const slowUntil = (chatId) => entry(waits, chatId).value;

/** The user has sent a message. @param {string} chatId @param {number} [at] when, by this device's clock */
export function sentIn(chatId, at = Date.now()) {
  const chat = chatOf(chatId);
  const slow = /** @type {any} */ (chat?.settings)?.slow_s ?? 0;
  const until = entry(waits, chatId);
  if (!slow || chat?.role !== 'member') return until.value && set(until, 0);
  // The clocks of the server and the device may differ.
  set(until, Math.max(until.peek(), Math.min(at, Date.now()) + slow * 1000));
}

/** Asks whether the user is restricted in a group: the list of chats does not say so. @param {string} chatId */
export async function loadRestriction(chatId) {
  asked.add(chatId);
  const before = told;
  try {
    const { members } = await client.rest.get('/chats/{id}/members', { id: chatId, q: user.peek()?.username, limit: 20 });
    if (told !== before) return void loadRestriction(chatId);
    const mine = members.find(({ user_id }) => user_id === myId());
    if (mine) set(entry(restrictions, chatId), mine.restricted_until ? Date.parse(mine.restricted_until) : 0);
  } catch (/** @type {any} */ error) {
    // Until then the server refuses what it has to.
    if (error.retryable && chatOf(chatId)) setTimeout(loadRestriction, error.retryAfterMs ?? RETRY, chatId);
  }
}

/** Follows the client. Called once. */
export function startLimits() {
  client.on('event', ({ type, chat_id, user_id, restricted_until, settings }) => {
    if (type === 'member_changed' && user_id === myId()) {
      told++;
      set(entry(restrictions, chat_id), restricted_until ? Date.parse(restricted_until) : 0);
    }
    if (type === 'chat_updated' && settings && !settings.slow_s) set(entry(waits, chat_id), 0);
  });
  client.on('outbox', ({ type, entry: { chat_id, frame } }) => {
    if (type === 'done' && frame.type === 'message') sentIn(chat_id);
  });
  client.on('chat', ({ type, chat_id }) => {
    // Where the history starts, what happened before comes as no event.
    if (type === 'chat_created' && chat_id && asked.has(chat_id)) loadRestriction(chat_id);
    if (type !== 'chat_removed' || !chat_id) return;
    asked.delete(chat_id);
    // They hold again for one who comes back, and are asked for then.
    restrictions.delete(chat_id);
    waits.delete(chat_id);
  });
}
