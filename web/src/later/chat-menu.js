import { useState } from '../../vendor/hooks.js';
import { button, div, fieldset, form, h, input, label, legend, span } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { chats, isMuted, titleOf } from '../state/chats.js';
import { foldersOf } from '../state/folders.js';
import { clearHistory, isUnread, setArchived, setFolder, setLevel, setMuted, setPinned, setUnread } from '../state/own.js';
import { Dialog, confirm, showDialog } from '../ui/dialog.js';
import { showLater } from '../ui/later.js';
import { openMenu } from '../ui/menu.js';
import { refused } from '../ui/toast.js';

/**
 * @typedef {import('../state/client.js').ChatItem} ChatItem
 * @typedef {import('../ui/menu.js').MenuItem} MenuItem
 * @typedef {{x: number, y: number}} Point
 */

/** @param {Promise<any>} work */
const doing = (work) => void work.catch(refused);

/** A chat leaves the list: the focus goes to the next one. @param {HTMLElement} from */
function focusNext(from) {
  const item = from.closest('li');
  (item?.nextElementSibling ?? item?.previousElementSibling)?.querySelector('a')?.focus({ preventScroll: true });
}

/**
 * Opens the menu of a chat.
 * @param {HTMLElement} from
 * @param {ChatItem} chat
 * @param {{point?: Point, isHeader?: boolean}} [options] `isHeader`: of the chat that is open
 */
export function openChatMenu(from, chat, { point, isHeader } = {}) {
  const texts = t();
  const { id, partner, archived } = chat;
  const unread = isUnread(chat);
  const pinned = chat.pin_place !== null;
  const muted = isMuted(chat);
  /** @type {(MenuItem | false | null | undefined)[]} */
  const items = [
    isHeader && partner && { name: texts.profile, icon: 'user', run: () => showLater(() => import('./profile.js'), { id: partner.id }) },
    isHeader && { name: texts.jumpToDate, icon: 'calendar', run: () => showLater(() => import('./date-jump.js'), { chat }) },
    isHeader && { name: texts.scheduled, icon: 'clock', run: () => showLater(() => import('./schedule.js'), { chatId: id }) },
    !isHeader && { name: unread ? texts.markRead : texts.markUnread, icon: 'unread', run: () => doing(setUnread(chat, !unread)) },
    { name: pinned ? texts.unpin : texts.pin, icon: 'pin', run: () => doing(setPinned(id, !pinned)) },
    muted ? { name: texts.unmute, icon: 'unmute', run: () => doing(setMuted(id, null)) } : { name: texts.mute, icon: 'mute', run: () => openMute(from, id, point) },
    { name: texts.notifyAbout, icon: 'bell', run: () => openLevels(from, chat, point) },
    { name: texts.folder, icon: 'folder', run: () => showDialog((close) => h(FolderDialog, { chat, close })) },
    { name: archived ? texts.unarchive : texts.archive, icon: 'archive', run: () => (isHeader || focusNext(from), doing(setArchived(id, !archived))) },
    chat.last_seq >= chat.first_seq && { name: texts.clearHistory, icon: 'broom', isDanger: true, run: () => askToClear(chat) },
  ];
  openMenu({ from, point, label: texts.chatActions, items: items.filter((item) => !!item) });
}

/** @param {HTMLElement} from @param {string} id @param {Point} [point] */
function openMute(from, id, point) {
  const texts = t();
  /** @type {[number, string][]} */
  const choices = [[1, texts.hours(1)], [8, texts.hours(8)], [Infinity, texts.forEver]];
  openMenu({ from, point, label: texts.mute, items: choices.map(([hours, name]) => ({ name, icon: 'mute', run: () => doing(setMuted(id, hours)) })) });
}

/** @param {HTMLElement} from @param {ChatItem} chat @param {Point} [point] */
function openLevels(from, { id, level }, point) {
  const { levels, notifyAbout } = t();
  /** @type {ChatItem['level'][]} */
  const choices = ['all', 'mentions', 'none'];
  openMenu({ from, point, label: notifyAbout, items: choices.map((one) => ({ name: levels[one], isChecked: one === level, run: () => doing(setLevel(id, one)) })) });
}

/** @param {ChatItem} chat */
function askToClear(chat) {
  const texts = t();
  confirm({ title: texts.clearQuestion(titleOf(chat)), text: texts.clearExplanation, action: texts.clearHistory, onConfirm: () => doing(clearHistory(chat)) });
}

/** The longest name of a folder. */
const MOST = 64;
/** What no folder is called: a name has at least one character that is no space. */
const NEW = ' ';

/** Puts a chat into a folder. @param {{chat: import('../state/client.js').ChatItem, close: () => void}} props */
function FolderDialog({ chat, close }) {
  const texts = t();
  const names = foldersOf(chats.value).map(({ name }) => name);
  const [choice, setChoice] = useState(chat.folder ?? (names.length ? '' : NEW));

  /** @param {SubmitEvent} event */
  async function submit(event) {
    event.preventDefault();
    const typed = String(new FormData(/** @type {HTMLFormElement} */ (event.currentTarget)).get('new') ?? '');
    try {
      await setFolder(chat.id, choice === NEW ? typed : choice);
      close();
    } catch (error) {
      refused(error);
    }
  }
  /** @param {string} value @param {string} name */
  const option = (value, name) =>
    label({ key: value, class: 'choice' }, input({ type: 'radio', name: 'folder', value, checked: choice === value, onChange: () => setChoice(value) }), span({ dir: 'auto' }, name));

  return h(
    Dialog,
    { title: texts.folder, close, class: 'narrow' },
    form(
      { class: 'stack', onSubmit: submit },
      fieldset({ class: 'choices column' }, legend({ class: 'hidden' }, texts.folder), option('', texts.noFolder), names.map((name) => option(name, name)), option(NEW, texts.newFolder)),
      choice === NEW && div({ class: 'field' }, label({ for: 'folder-name' }, texts.folderName), input({ id: 'folder-name', name: 'new', class: 'input', maxLength: MOST, required: true, autofocus: true, autocomplete: 'off', dir: 'auto', pattern: '.*\\S.*' })),
      button({ type: 'submit', class: 'button primary wide' }, texts.save)
    )
  );
}
