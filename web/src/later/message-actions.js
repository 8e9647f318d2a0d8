import { useEffect, useState } from '../../vendor/hooks.js';
import { button, div, h, li, p, span, ul } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { chatOf } from '../state/chats.js';
import { client } from '../state/client.js';
import { startEdit, startReply } from '../state/compose.js';
import { nameOf } from '../state/people.js';
import { pinsOf, togglePin } from '../state/pins.js';
import { toggleReaction } from '../state/reacting.js';
import { isOwn, isProtected, may } from '../state/rights.js';
import { Avatar } from '../ui/avatar.js';
import { Dialog, confirm, showDialog } from '../ui/dialog.js';
import { showLater } from '../ui/later.js';
import { closeMenu, openMenu } from '../ui/menu.js';
import { refused, toast } from '../ui/toast.js';

/**
 * @typedef {import('../state/segments.js').Row} Row
 * @typedef {import('../ui/menu.js').MenuItem} MenuItem
 */

const QUICK = ['👍', '❤️', '😂', '😮', '😢', '🔥'];

/** A row of emoji on top of a menu. @param {string} chatId @param {Row} row @param {string[]} emojis */
const palette = (chatId, row, emojis) =>
  div(
    { class: 'palette', role: 'group', 'aria-label': t().react },
    emojis.map((emoji) =>
      button({ key: emoji, type: 'button', role: 'menuitem', tabIndex: -1, class: 'palette-item', 'aria-label': emoji, onClick: () => (closeMenu(), toggleReaction(chatId, row.message, emoji)) }, emoji)
    )
  );

/**
 * Opens the menu of a message: only with what the user may do.
 * @param {HTMLElement} from
 * @param {Row} row
 * @param {string} chatId
 * @param {{x: number, y: number}} [point]
 */
export function openActions(from, row, chatId, point) {
  const texts = t();
  const { message } = row;
  const mayReact = may(chatId, 'react');
  const mayPin = may(chatId, 'pin');
  const isPinned = pinsOf(chatId).peek().some(({ id }) => id === message.id);
  /** @type {(MenuItem | false)[]} */
  const items = [
    may(chatId, 'send') && { name: texts.reply, icon: 'reply', run: () => startReply(chatId, message) },
    isOwn(message) && !message.forward && { name: texts.edit, icon: 'edit', run: () => startEdit(chatId, message) },
    mayReact && { name: texts.react, icon: 'smile', run: () => showLater(() => import('./emoji/picker.js'), { from, onPick: (/** @type {string} */ emoji) => toggleReaction(chatId, row.message, emoji) }) },
    !isProtected(chatId) && { name: texts.forward, icon: 'forward', run: () => showLater(() => import('./forward.js'), { chatId, message }) },
    { name: texts.copy, icon: 'copy', run: () => navigator.clipboard.writeText(message.text).then(() => toast(texts.copied), refused) },
    mayPin && { name: isPinned ? texts.unpin : texts.pin, icon: 'pin', run: () => togglePin(chatId, message.id, !isPinned).catch(refused) },
    isOwn(message) && chatOf(chatId)?.type === 'group' && { name: texts.seenBy, icon: 'eye', run: () => showDialog((close) => h(SeenBy, { chatId, message, close })) },
    (isOwn(message) || (chatOf(chatId)?.type !== 'direct' && may(chatId, 'delete'))) && { name: texts.delete, icon: 'trash', isDanger: true, run: () => askToDelete(chatId, row) },
  ];
  openMenu({ from, point, label: texts.messageActions, items: items.filter((item) => item !== false), top: mayReact ? palette(chatId, row, QUICK) : undefined });
}

/** @param {string} chatId @param {Row} row */
function askToDelete(chatId, { message }) {
  const texts = t();
  confirm({ title: texts.deleteQuestion, text: texts.deleteExplanation, action: texts.delete, onConfirm: () => client.delete(chatId, [message]) });
}

/** Who has read a message. @param {{chatId: string, message: import('../state/client.js').Message, close: () => void}} props */
function SeenBy({ chatId, message, close }) {
  const texts = t();
  const [users, setUsers] = useState(/** @type {string[] | null} */ (null));
  useEffect(() => {
    client.rest.get('/chats/{id}/messages/{message_id}/seen', { id: chatId, message_id: message.id }).then(
      ({ seen }) => setUsers(seen.map(({ user_id }) => user_id)),
      (error) => (close(), refused(error))
    );
  }, []);
  return h(
    Dialog,
    { title: texts.seenBy, close, class: 'narrow' },
    users?.length === 0 && p({ class: 'people-hint' }, texts.seenByNobody),
    users && users.length > 0 && ul({ class: 'people' }, users.map((id) => li({ key: id, class: 'person' }, h(Avatar, { id, name: nameOf(id), user: id }), span({ class: 'person-name' }, nameOf(id)))))
  );
}
