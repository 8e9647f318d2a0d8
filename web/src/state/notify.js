import { effect, signal } from '../../vendor/signals.js';
import { t } from '../lib/i18n.js';
import { load, save } from '../lib/storage.js';
import { preview } from '../lib/entities.js';
import { isMuted, titleOf, unreadTotal } from './chats.js';
import { client } from './client.js';
import { nameOf } from './people.js';
import { leaving, myId, user } from './session.js';

/**
 * @typedef {import('./client.js').ChatItem} ChatItem
 * @typedef {import('./client.js').Message} Message
 * @typedef {{isOn: boolean, showsText: boolean, hasSound: boolean}} Preferences
 */

const DEFAULT = { isOn: false, showsText: true, hasSound: false };
/** Held by every tab that the user looks at. */
const LOCK = 'neonchat-attention';
const ICON = '/icons/icon-192.png';
const MOST = 200;

const stored = () => ({ ...DEFAULT, ...load('notifications') });

/** What this device does with new messages while no tab is looked at. @type {import('../../vendor/signals.js').Signal<Preferences>} */
export const preferences = signal(stored());

/** What the browser says: `unsupported`, `default` (it was not asked), `granted` or `denied`. */
export const permission = signal(/** @type {NotificationPermission | 'unsupported'} */ (globalThis.Notification?.permission ?? 'unsupported'));

/** Switches notifications on or off. The browser asks the user at the first time. @param {Partial<Preferences>} change */
export async function setPreferences(change) {
  if (change.isOn && permission.peek() === 'default') permission.value = await Notification.requestPermission();
  if (change.isOn && permission.peek() !== 'granted') return;
  preferences.value = { ...preferences.peek(), ...change };
  save('notifications', preferences.peek());
}

/**
 * Whether the user wants to be told of a message: not of own and read ones, and as the chat is set.
 * @param {ChatItem} chat
 * @param {Message} message
 * @param {string} me
 */
export function isWanted(chat, message, me) {
  if (message.sender_id === me || message.deleted || message.seq <= chat.read_seq) return false;
  if (isMuted(chat) || chat.archived || chat.level === 'none') return false;
  return chat.level === 'all' || isMentioned(message, me);
}

/** @param {Message} message @param {string} me */
const isMentioned = ({ mentions, mention_all, reply_to }, me) => Boolean(mentions?.includes(me) || mention_all || reply_to?.sender_id === me);

/** What is longer is cut. @param {string} text */
export const shortened = (text) => (text.length > MOST ? `${text.slice(0, MOST)}…` : text);

/** @param {ChatItem} chat @param {Message} message @param {Preferences} preferences */
function contentOf(chat, message, { showsText, hasSound }) {
  const sender = chat.type === 'direct' ? '' : nameOf(message.sender_id);
  const body = showsText ? `${sender && `${sender}: `}${shortened(preview(message))}` : t().newMessage;
  return { title: titleOf(chat), options: { body, tag: chat.id, icon: ICON, silent: !hasSound || Boolean(message.silent), data: { path: `/c/${chat.id}` } } };
}

/** The notifications that are shown, by chat. @type {Map<string, {id: string, close: () => void}>} */
const shown = new Map();

/** @param {string} chatId */
function dismiss(chatId) {
  shown.get(chatId)?.close();
  shown.delete(chatId);
}

/** @param {ChatItem} chat @param {Message} message @param {(path: string) => void} open */
async function show(chat, message, open) {
  const { title, options } = contentOf(chat, message, preferences.peek());
  try {
    const notification = new Notification(title, options);
    notification.onclick = () => {
      window.focus();
      open(options.data.path);
      dismiss(chat.id);
    };
    shown.set(chat.id, { id: message.id, close: () => notification.close() });
  } catch {
    // Mobile browsers show only those of the worker, which says what was clicked.
    const worker = await navigator.serviceWorker?.getRegistration();
    if (leaving.peek()) return;
    await worker?.showNotification(title, options);
    const close = async () => (await worker?.getNotifications({ tag: chat.id }))?.forEach((one) => one.close());
    shown.set(chat.id, { id: message.id, close });
  }
}

const looks = () => document.visibilityState === 'visible' && document.hasFocus();

/** Whether the user looks at any tab of the client. */
async function isAttended() {
  const locks = await navigator.locks?.query();
  return locks ? Boolean(locks.held?.some(({ name }) => name === LOCK)) : looks();
}

/** Holds the lock while the user looks at this tab. */
function followAttention() {
  let isHeld = false;
  let release = (/** @type {unknown} */ _) => {};
  const follow = () => {
    if (looks() === isHeld) return;
    isHeld = !isHeld;
    release(undefined);
    if (!isHeld) return;
    const held = new Promise((resolve) => (release = resolve));
    navigator.locks?.request(LOCK, { mode: 'shared' }, () => held);
  };
  for (const name of ['focus', 'blur']) addEventListener(name, follow);
  document.addEventListener('visibilitychange', follow);
  follow();
}

/** Follows the client. Called once. @param {(path: string) => void} open goes to a chat */
export function startNotifications(open) {
  followAttention();
  client.on('message', async ({ chat_id, message }) => {
    // One tab of the browser tells.
    if (!preferences.peek().isOn || permission.peek() !== 'granted' || !client.isLeader) return;
    const chat = client.chats.get(chat_id);
    if (chat && isWanted(chat, message, myId()) && !(await isAttended()) && !leaving.peek()) await show(chat, message, open);
  });
  // It is read, here or on another device.
  client.on('chat', ({ type, chat_id, chat }) => {
    if (chat_id && (type === 'chat_removed' || chat?.unread_count === 0)) dismiss(chat_id);
  });
  client.on('event', ({ chat_id, type, messages }) => {
    if (type === 'messages_deleted' && messages.some((/** @type {Message} */ { id }) => id === shown.get(chat_id)?.id)) dismiss(chat_id);
  });
  navigator.serviceWorker?.addEventListener('message', ({ data }) => {
    if (data?.open) open(data.open);
  });
  // The other tabs of the browser.
  addEventListener('storage', ({ key }) => {
    if (key === 'neonchat.notifications') preferences.value = stored();
  });
  effect(() => {
    if (leaving.value) for (const chatId of [...shown.keys()]) dismiss(chatId);
  });
  effect(() => {
    const count = user.value ? unreadTotal.value : 0;
    // The icon of the installed client. Not every browser has it.
    Promise.resolve(count ? navigator.setAppBadge?.(count) : navigator.clearAppBadge?.()).catch(() => {});
  });
}
