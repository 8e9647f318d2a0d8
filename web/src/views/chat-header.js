import { button, div, h, h1, header, span } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { lastSeen } from '../lib/time.js';
import { closeInfo, leave, openInfo } from '../routes.js';
import { titleOf } from '../state/chats.js';
import { nameOf, presenceOf } from '../state/people.js';
import { seesMembers } from '../state/rights.js';
import { typingIn } from '../state/typing.js';
import { Avatar } from '../ui/avatar.js';
import { IconButton } from '../ui/button.js';
import { openChatMenu } from './chat-link.js';
import { showProfile } from './profile-link.js';

/** @param {import('../state/client.js').ChatItem} chat */
function about({ type, partner, member_count = 0 }) {
  const texts = t();
  if (type === 'group') return texts.members(member_count);
  if (type === 'channel') return texts.subscribers(member_count);
  const presence = partner && presenceOf(partner.id);
  if (!presence) return '';
  if (presence.status !== 'offline') return texts[presence.status];
  return presence.last_seen_at ? lastSeen(presence.last_seen_at) : texts.offline;
}

/** @param {string[] | undefined} users */
function typingText(users) {
  const names = users?.map(nameOf).filter(Boolean).slice(0, 3) ?? [];
  if (!names.length) return '';
  return names.length === 1 ? t().isTyping(names[0]) : t().areTyping(names.join(', '));
}

/** @param {{chat: import('../state/client.js').ChatItem, isInfo?: boolean}} props */
export function ChatHeader({ chat, isInfo }) {
  const typing = typingText(typingIn(chat.id));
  const { partner } = chat;
  const isGroup = chat.type !== 'direct';
  return header(
    { class: 'main-head' },
    h(IconButton, { icon: 'back', name: t().backToChats, class: 'back', onClick: () => leave('/') }),
    h(Avatar, { id: partner?.id ?? chat.id, name: titleOf(chat), user: partner?.id, size: 'small' }),
    div(
      // A shortcut for the mouse: the button does the same.
      { class: isGroup ? 'main-titles clickable' : 'main-titles', onClick: isGroup ? () => openInfo(chat.id) : undefined },
      h1({ class: 'main-title', dir: 'auto' }, partner ? button({ type: 'button', class: 'title-button', 'aria-haspopup': 'dialog', onClick: () => showProfile(partner.id) }, titleOf(chat)) : titleOf(chat)),
      div({ class: 'main-about' }, span({ class: 'typing', role: 'status' }, typing), !typing && about(chat))
    ),
    isGroup && h(IconButton, { icon: 'group', name: seesMembers(chat) ? t().groups.members : t().groups.channelInfo, class: 'info-button', 'aria-expanded': isInfo ? 'true' : 'false', onClick: () => (isInfo ? closeInfo(chat.id) : openInfo(chat.id)) }),
    h(IconButton, { icon: 'more', name: t().chatActions, 'aria-haspopup': 'menu', onClick: (event) => openChatMenu(/** @type {HTMLElement} */ (event.currentTarget), chat, { isHeader: true }) })
  );
}
