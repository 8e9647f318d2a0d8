import { a, button, div, h, li, memo, span, time } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { preview } from '../lib/entities.js';
import { menuOf } from '../lib/press.js';
import { parse, short } from '../lib/time.js';
import { isMuted, showsSender, titleOf } from '../state/chats.js';
import { draftOf } from '../state/drafts.js';
import { nameOf, presenceOf } from '../state/people.js';
import { myId } from '../state/session.js';
import { typingIn } from '../state/typing.js';
import { Avatar } from '../ui/avatar.js';
import { Icon } from '../ui/icons.js';
import { withLater } from '../ui/later.js';

/** @typedef {import('../state/client.js').ChatItem} ChatItem */

/** Text for assistive technology only. @param {string} text */
const hidden = (text) => span({ class: 'hidden' }, `, ${text}`);

/** @param {ChatItem} chat @param {boolean} isOpen */
function lineOf(chat, isOpen) {
  const texts = t();
  const typing = typingIn(chat.id);
  const draft = draftOf(chat.id).value;
  const last = chat.last_message;
  if (typing) return span({ class: 'chat-typing' }, chat.type === 'direct' ? texts.typing : texts.isTyping(nameOf(typing[0])));
  if (draft?.text && !isOpen) return [span({ class: 'chat-draft', 'aria-hidden': true }, texts.draftPrefix, ' '), draft.text];
  if (!last) return texts.noMessages;
  // The client marks a deletion that the list does not know of.
  if (/** @type {any} */ (last).deleted) return texts.deletedMessage;
  const sender = last.sender_id === myId() ? texts.you : nameOf(last.sender_id);
  return [showsSender(chat) && sender && span({ class: 'chat-sender' }, `${sender}: `), preview(last)];
}

/** What can be done with a chat is loaded when it is first wanted. @param {HTMLElement} from @param {ChatItem} chat @param {{point?: {x: number, y: number}, isHeader?: boolean}} [options] */
export const openChatMenu = (from, chat, options) => withLater(() => import('../later/chat-menu.js'), (later) => later.openChatMenu(from, chat, options));

/** A chat in the list. */
export const ChatLink = memo(
  /** @param {{chat: ChatItem, isOpen: boolean}} props */
  ({ chat, isOpen }) => {
    const texts = t();
    const { id, type, partner, unread_count, mention_count, pin_place, last_message, marked_unread } = chat;
    const muted = isMuted(chat);
    const at = last_message ? parse(last_message.created_at) : undefined;
    const isMentioned = mention_count > 0 && unread_count > 0;
    const isOnline = partner && presenceOf(partner.id)?.status === 'online';
    return li(
      { class: 'chat-item' },
      a(
        {
          ...{ class: 'chat-link', href: `/c/${id}`, 'aria-current': isOpen ? 'page' : undefined },
          ...menuOf((element, point) => openChatMenu(element, chat, { point })),
        },
        h(Avatar, { id: partner?.id ?? id, name: titleOf(chat), user: partner?.id }),
        div(
          { class: 'chat-lines' },
          div(
            { class: 'chat-line' },
            type !== 'direct' && span({ class: 'chat-kind' }, h(Icon, { name: type === 'group' ? 'group' : 'channel' })),
            span({ class: 'chat-title', dir: 'auto' }, titleOf(chat)),
            isOnline && hidden(texts.online),
            muted && span({ class: 'chat-kind' }, h(Icon, { name: 'mute' })),
            muted && hidden(texts.muted),
            at && hidden(''),
            at && time({ class: 'chat-time', dateTime: new Date(at).toISOString() }, short(at))
          ),
          div(
            { class: 'chat-line' },
            hidden(''),
            draftOf(id).value?.text && !isOpen && span({ class: 'hidden' }, `${texts.draft}: `),
            span({ class: 'chat-preview', dir: 'auto' }, lineOf(chat, isOpen)),
            // The SDK does not count mentions down when their messages are read.
            isMentioned && span({ class: 'badge', 'aria-hidden': true }, '@'),
            isMentioned && hidden(texts.mentionsCount(mention_count)),
            unread_count > 0 && span({ class: muted ? 'badge quiet' : 'badge', 'aria-hidden': true }, unread_count > 999 ? '999+' : unread_count),
            unread_count > 0 && hidden(texts.unreadMessages(unread_count)),
            !unread_count && marked_unread && span({ class: 'badge dot-only', 'aria-hidden': true }),
            !unread_count && marked_unread && hidden(texts.markedUnread),
            !unread_count && !marked_unread && pin_place !== null && span({ class: 'chat-kind' }, h(Icon, { name: 'pin' })),
            pin_place !== null && hidden(texts.pinned)
          )
        )
      ),
      button({ type: 'button', class: 'chat-more', 'aria-label': texts.chatActions, title: texts.chatActions, 'aria-haspopup': 'menu', onClick: (event) => openChatMenu(event.currentTarget, chat) }, h(Icon, { name: 'more' }))
    );
  }
);
