import { article, button, div, h, memo, span, time } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { clock, full, parse } from '../lib/time.js';
import { client } from '../state/client.js';
import { longPress } from '../lib/press.js';
import { explain } from '../state/explain.js';
import { nameOf } from '../state/people.js';
import { readByOthers } from '../state/receipts.js';
import { Avatar, colourOf } from '../ui/avatar.js';
import { Icon } from '../ui/icons.js';
import { withLater } from '../ui/later.js';
import { Quote } from './quote.js';
import { showProfile } from './profile-link.js';
import { Reactions } from './reactions.js';
import { Text } from './text.js';

/**
 * @typedef {import('../state/segments.js').Row} Row
 *
 * @typedef {object} Props
 * @property {Row} row
 * @property {string} chatId
 * @property {boolean} isOwn
 * @property {boolean} isFirst whether it begins a group of one sender
 * @property {boolean} isLast whether it ends one
 * @property {boolean} showsName
 * @property {string} name of the sender
 * @property {import('../../vendor/signals.js').Signal<string>} marked the key of the message that was jumped to
 */

/** What can be done with a message is loaded when it is first wanted. */
const openActions = (/** @type {HTMLElement} */ from, /** @type {Row} */ row, /** @type {string} */ chatId, /** @type {{x: number, y: number} | undefined} */ point) =>
  withLater(() => import('../later/message-actions.js'), (later) => later.openActions(from, row, chatId, point));

/** One message. */
export const Message = memo(
  /** @param {Props} props */
  ({ row, chatId, isOwn, isFirst, isLast, showsName, name, marked }) => {
    const texts = t();
    const { message, state, change } = row;
    const at = parse(message.created_at);
    const isGone = message.deleted || change === 'delete';
    const hasActions = state === 'stored' && !isGone;
    /** @param {HTMLElement} element @param {{x: number, y: number} | undefined} point */
    const open = (element, point) => openActions(element.querySelector('.message-more') ?? element, row, chatId, point);
    const onContextMenu = (/** @type {MouseEvent & {currentTarget: HTMLElement}} */ event) => {
      // Links and selected text have the menu of the browser.
      if (!hasActions || getSelection()?.toString() || (event.target instanceof Element && event.target.closest('a'))) return;
      event.preventDefault();
      // The key has no place.
      open(event.currentTarget, event.clientX || event.clientY ? { x: event.clientX, y: event.clientY } : undefined);
    };
    return article(
      {
        class: `message ${isOwn ? 'own' : 'other'} ${showsName ? 'named' : ''} ${isFirst ? 'first' : ''} ${isLast ? 'last' : ''} ${marked.value === row.key ? 'marked' : ''} ${state}`,
        'aria-label': `${name || texts.unknownUser}, ${clock(at)}`,
        tabIndex: -1,
        onContextMenu,
        ...(hasActions && longPress(open)),
      },
      // Its keyboard way is the name.
      showsName && isLast && span({ class: 'message-avatar', 'aria-hidden': true, onClick: () => showProfile(message.sender_id) }, h(Avatar, { id: message.sender_id, name, size: 'small' })),
      div(
        { class: 'bubble' },
        showsName && isFirst && button({ type: 'button', class: 'sender', 'data-colour': colourOf(message.sender_id), 'aria-haspopup': 'dialog', onClick: () => showProfile(message.sender_id) }, name),
        message.forward && div({ class: 'forwarded' }, h(Icon, { name: 'forward' }), texts.forwardedFrom(nameOf(message.forward.sender_id) || texts.unknownUser)),
        message.reply_to && !isGone && h(Quote, { chatId, reply: message.reply_to }),
        div({ class: 'text', dir: 'auto' }, isGone ? span({ class: 'gone' }, texts.deletedMessage) : h(Text, { message })),
        // Not one word with the text, where the page is read as text.
        ' ',
        div(
          { class: 'meta' },
          message.silent && span({ title: texts.silent, role: 'img', 'aria-label': texts.silent }, h(Icon, { name: 'silent' })),
          message.changed_seq && !isGone && span(null, texts.edited),
          time({ dateTime: message.created_at, title: full(at) }, clock(at)),
          isOwn && h(State, { row, chatId })
        )
      ),
      state === 'failed' && h(Failed, { row }),
      hasActions &&
        button({ type: 'button', class: 'message-more', 'aria-label': texts.messageActions, 'aria-haspopup': 'menu', onClick: (event) => openActions(event.currentTarget, row, chatId, undefined) }, h(Icon, { name: 'more' })),
      message.reactions && message.reactions.length > 0 && !isGone && h(Reactions, { chatId, message })
    );
  }
);

/** What has become of one's own message. @param {{row: Row, chatId: string}} props */
function State({ row: { state, change, message }, chatId }) {
  const texts = t();
  /** @type {[string, import('../ui/icons.js').IconName]} */
  const [name, icon] =
    state === 'failed'
      ? [texts.notSent, 'alert']
      : state === 'sending' || change
        ? [texts.sending, 'clock']
        : readByOthers(chatId) >= message.seq
          ? [texts.read, 'checks']
          : [texts.sent, 'check'];
  return span({ class: `state ${icon}`, role: 'img', 'aria-label': name, title: name }, h(Icon, { name: icon }));
}

/** @param {{row: Row}} props */
const Failed = ({ row }) =>
  div(
    { class: 'failed' },
    span(null, explain(row)),
    button({ type: 'button', class: 'link', onClick: () => client.outbox.retry(row.key) }, t().retry),
    button({ type: 'button', class: 'link', onClick: () => client.outbox.cancel(row.key) }, t().delete)
  );
