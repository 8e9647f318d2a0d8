import { signal } from '../../vendor/signals.js';
import { load, save } from '../lib/storage.js';
import { client } from './client.js';
import { myId } from './session.js';

/**
 * What is written and not sent. `at`: when it was changed here.
 * @typedef {{text: string, reply_to?: string, at: number}} Draft
 */

/** A draft is stored here this long after the last key, and on the server this long. */
const STORE = 300;
const TELL = 1_500;

/** @type {Map<string, import('../../vendor/signals.js').Signal<Draft | null>>} */
const drafts = new Map();
/** Chats whose draft is not stored, or not told to the server. @type {Map<string, {store: any, tell: any}>} */
const waiting = new Map();

const keyOf = (/** @type {string} */ chatId) => `draft.${chatId}`;

/** @param {string} chatId */
export function draftOf(chatId) {
  let draft = drafts.get(chatId);
  if (!draft) drafts.set(chatId, (draft = signal(/** @type {Draft | null} */ (load(keyOf(chatId)) ?? null))));
  return draft;
}

/** @param {string} chatId @param {{text: string, reply_to?: string}} content */
export function setDraft(chatId, { text, reply_to }) {
  draftOf(chatId).value = text || reply_to ? { text, reply_to, at: Date.now() } : null;
  const timers = waiting.get(chatId) ?? { store: 0, tell: 0 };
  clearTimeout(timers.tell);
  waiting.set(chatId, timers);
  timers.store ||= setTimeout(() => {
    timers.store = 0;
    store(chatId);
  }, STORE);
  timers.tell = setTimeout(() => {
    store(chatId);
    tell(chatId);
  }, TELL);
}

/** Not for another user. @param {string} chatId */
const store = (chatId) => myId() === (load('owner') ?? '') && save(keyOf(chatId), draftOf(chatId).peek() ?? undefined);

/** @param {string} chatId */
function tell(chatId) {
  const timers = waiting.get(chatId);
  clearTimeout(timers?.tell);
  clearTimeout(timers?.store);
  waiting.delete(chatId);
  const { text = '', reply_to } = draftOf(chatId).peek() ?? {};
  client.draft(chatId, text, reply_to).catch(() => {});
}

/** Stores and tells the draft of a chat now: the user leaves it. @param {string} chatId */
export function flushDraft(chatId) {
  if (!waiting.has(chatId)) return;
  store(chatId);
  tell(chatId);
}

/** The message is sent. @param {string} chatId */
export function clearDraft(chatId) {
  const hadServerDraft = Boolean(client.chats.get(chatId)?.draft);
  draftOf(chatId).value = null;
  store(chatId);
  const timers = waiting.get(chatId);
  clearTimeout(timers?.tell);
  clearTimeout(timers?.store);
  waiting.delete(chatId);
  if (hadServerDraft) tell(chatId);
}

/** Takes the draft of another device if it is newer than the one here. @param {import('./client.js').ChatItem} chat */
function adopt({ id, draft }) {
  if (waiting.has(id)) return;
  const signal = draftOf(id);
  const mine = signal.peek();
  // Without a time it is what this browser has written.
  if (draft && !draft.updated_at) return;
  if (draft && Date.parse(draft.updated_at) > (mine?.at ?? 0) && draft.text !== mine?.text) {
    signal.value = { text: draft.text, reply_to: draft.reply_to, at: Date.parse(draft.updated_at) };
    store(id);
  }
}

/** Follows the client. Called once. */
export function startDrafts() {
  client.chats.list().forEach(adopt);
  client.on('chat', ({ type, chat }) => {
    if (type === 'chats') client.chats.list().forEach(adopt);
    else if (chat) adopt(chat);
  });
  addEventListener('pagehide', () => [...waiting.keys()].forEach(store));
  // Another tab of the browser.
  addEventListener('storage', ({ key }) => {
    const id = key?.match(/^neonchat\.draft\.(.+)$/)?.[1];
    if (id && !waiting.has(id)) draftOf(id).value = load(keyOf(id)) ?? null;
  });
}
