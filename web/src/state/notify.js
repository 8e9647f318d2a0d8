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
 * @typedef {{path: string, id: string, seq: number}} About where the message of a notification is
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
  return { title: titleOf(chat), options: { body, tag: chat.id, icon: ICON, silent: !hasSound || Boolean(message.silent), data: { path: `/c/${chat.id}`, id: message.id, seq: message.seq } } };
}

/** The notifications of this page, by chat. @type {Map<string, Notification>} */
const shown = new Map();

const worker = async () => navigator.serviceWorker?.getRegistration();
/** Those of the worker may be of a page that is closed by now. */
const ofWorker = async () => (permission.peek() === 'granted' && (await (await worker())?.getNotifications())) || [];

/** All notifications. */
async function notifications() {
  // Some browsers have no worker in a private window.
  const others = await ofWorker().catch(() => []);
  return [...shown.values(), ...others];
}

/** @param {Notification[]} list @param {(about: About, chatId: string) => boolean} isOver */
function close(list, isOver) {
  for (const one of list) {
    if (!one.data || !isOver(one.data, one.tag)) continue;
    one.close();
    if (shown.get(one.tag) === one) shown.delete(one.tag);
  }
}

/** @param {(about: About, chatId: string) => boolean} isOver */
const closeSome = async (isOver) => close(await notifications(), isOver);

/** @type {Promise<void> | undefined} */
let closing;
/** Closes those of messages that are read, here or on another device. Many changes at once need that once. */
function closeRead() {
  closing ??= notifications().then((list) => {
    closing = undefined;
    close(list, ({ seq }, chatId) => {
      const chat = client.chats.get(chatId);
      return chat !== undefined && (seq <= chat.read_seq || seq < chat.first_seq);
    });
  });
}

/** @param {ChatItem} chat @param {Message} message @param {() => boolean} isDue whether it is still to be shown @param {(path: string) => void} open */
async function show(chat, message, isDue, open) {
  const { title, options } = contentOf(chat, message, preferences.peek());
  try {
    const notification = new Notification(title, options);
    notification.onclick = () => {
      window.focus();
      open(options.data.path);
      close([notification], () => true);
    };
    shown.set(chat.id, notification);
  } catch {
    // Mobile browsers show only those of the worker, which says what was clicked.
    const registration = await worker();
    if (isDue()) await registration?.showNotification(title, options);
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
    const isDue = () => {
      const chat = client.chats.get(chat_id);
      return chat !== undefined && isWanted(chat, message, myId()) && !leaving.peek();
    };
    const chat = client.chats.get(chat_id);
    if (chat && isDue() && !(await isAttended()) && isDue()) await show(chat, message, isDue, open);
  });
  client.on('chat', ({ type, chat_id }) => {
    if (type === 'chat_removed') closeSome((_, id) => id === chat_id);
    else closeRead();
  });
  client.on('event', ({ type, messages }) => {
    if (type === 'messages_deleted') closeSome(({ id }) => messages.some((/** @type {Message} */ message) => message.id === id));
  });
  navigator.serviceWorker?.addEventListener('message', ({ data }) => {
    if (data?.open) open(data.open);
  });
  // The other tabs of the browser.
  addEventListener('storage', ({ key }) => {
    if (key === 'neonchat.notifications') preferences.value = stored();
  });
  effect(() => {
    if (leaving.value) close([...shown.values()], () => true);
  });
  effect(() => {
    const count = user.value ? unreadTotal.value : 0;
    // The icon of the installed client. Not every browser has it.
    Promise.resolve(count ? navigator.setAppBadge?.(count) : navigator.clearAppBadge?.()).catch(() => {});
  });
}
