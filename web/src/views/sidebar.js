import { useLayoutEffect, useRef, useState } from '../../vendor/hooks.js';
import { a, button, div, h, header, input, nav, span, ul } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { route } from '../routes.js';
import { archivedChats, chats, titleOf } from '../state/chats.js';
import { isListed } from '../state/client.js';
import { chatsInFolder, folder, folders, showFolder } from '../state/folders.js';
import { IconButton } from '../ui/button.js';
import { Empty } from '../ui/empty.js';
import { Icon } from '../ui/icons.js';
import { showLater } from '../ui/later.js';
import { Logo } from '../ui/logo.js';
import { ListSkeleton } from '../ui/skeleton.js';
import { Tabs } from '../ui/tabs.js';
import { ChatLink } from './chat-link.js';

/** All chats have this height; app.css says the same. */
const HEIGHT = 68;
/** Longer lists have only what is near the view in the document. */
const LONG = 100;

export const showNewGroup = () => showLater(() => import('../later/new-group.js'), {});
export const showNewChat = () => showLater(() => import('../later/new-chat.js'), {});

/** @param {import('../state/client.js').ChatItem} chat @param {string} text */
function matches(chat, text) {
  const words = text.toLowerCase().split(/\s+/);
  const names = `${titleOf(chat)} ${chat.partner?.username ?? ''} ${chat.handle ?? ''}`.toLowerCase();
  return words.every((word) => names.includes(word));
}

/** The list of chats. */
export function Sidebar() {
  const texts = t();
  const [filter, setFilter] = useState('');
  const [wantsArchive, setArchive] = useState(false);
  const text = filter.trim();
  const archived = archivedChats.value.length;
  const isArchive = wantsArchive && archived > 0;
  // A search finds archived chats too.
  const list = text ? chats.value.filter((chat) => matches(chat, text)) : isArchive ? archivedChats.value : chatsInFolder.value;
  const hasTabs = !text && !isArchive && folders.value.length > 0;
  return nav(
    { class: 'side', 'aria-label': texts.chats },
    header(
      { class: 'side-head' },
      h(Logo, {}),
      span({ class: 'side-name' }, 'NeonChat'),
      h(IconButton, { icon: 'plus', name: texts.newChat, onClick: showNewChat }),
      h(IconButton, { icon: 'group', name: texts.groups.newGroup, onClick: showNewGroup }),
      a({ class: 'icon-button', href: '/settings', 'aria-label': texts.settings, title: texts.settings, 'aria-current': route.value.name === 'settings' ? 'page' : undefined }, h(Icon, { name: 'settings' }))
    ),
    div(
      { class: 'filter' },
      h(Icon, { name: 'search' }),
      input({
        ...{ id: 'filter', class: 'input', type: 'search', value: filter, placeholder: texts.filterChats, 'aria-label': texts.filterChats, dir: 'auto' },
        onInput: (event) => setFilter(event.currentTarget.value),
        onKeyDown(event) {
          if (event.key === 'Escape' && filter) setFilter('');
          else if (event.key === 'Escape') event.currentTarget.blur();
          else if (event.key === 'Enter') /** @type {HTMLElement | null} */ (document.querySelector('.chats a'))?.click();
          else if (event.key === 'ArrowDown') /** @type {HTMLElement | null} */ (document.querySelector('.chats a'))?.focus();
          else return;
          event.preventDefault();
        },
      })
    ),
    hasTabs && h(FolderTabs, {}),
    isArchive && !text && button({ type: 'button', class: 'fold', onClick: () => setArchive(false) }, h(Icon, { name: 'back' }), texts.backToAll),
    !isArchive && !text && archived > 0 && button({ type: 'button', class: 'fold', onClick: () => setArchive(true) }, h(Icon, { name: 'archive' }), texts.archived, span({ class: 'fold-count' }, archived)),
    list.length
      ? div({ class: 'chats-frame', id: 'chats', ...(hasTabs && { role: 'tabpanel', 'aria-label': folder.value ?? texts.backToAll }) }, h(ChatList, { list }))
      : !isListed.value
        ? ListSkeleton()
        : text
          ? h(Empty, { icon: 'search', title: texts.noMatches })
          : h(Empty, { icon: 'logo', title: texts.noChats, hint: texts.noChatsHint }, button({ type: 'button', class: 'button primary', onClick: showNewChat }, texts.findPeople))
  );
}

function FolderTabs() {
  const texts = t();
  const tabs = folders.value.map(({ name, unread }) => ({ id: name, name, badge: unread, more: unread ? texts.unreadMessages(unread) : undefined }));
  return h(Tabs, { label: texts.folders, controls: 'chats', tabs: [{ id: null, name: texts.backToAll }, ...tabs], selected: folder.value, onSelect: showFolder });
}

/** @param {{list: import('../state/client.js').ChatItem[]}} props */
function ChatList({ list }) {
  const ref = useRef(/** @type {HTMLUListElement | null} */ (null));
  const [top, setTop] = useState(0);
  const where = route.value;
  const openId = where.name === 'chat' ? where.chat : undefined;
  const isLong = list.length > LONG;
  // Steps of ten, so that not every scroll event renders.
  const from = isLong ? Math.max(0, Math.floor(top / HEIGHT / 10) * 10 - 10) : 0;
  const to = isLong ? Math.min(list.length, from + Math.ceil(innerHeight / HEIGHT) + 30) : list.length;
  useLayoutEffect(() => {
    const { style } = /** @type {HTMLUListElement} */ (ref.current);
    style.paddingBlockStart = `${from * HEIGHT}px`;
    style.paddingBlockEnd = `${(list.length - to) * HEIGHT}px`;
  });
  // The chat that is opened by a key or a link comes into view.
  useLayoutEffect(() => {
    const box = ref.current;
    const at = list.findIndex(({ id }) => id === openId) * HEIGHT;
    if (!box || at < 0) return;
    if (at < box.scrollTop) box.scrollTop = at;
    else if (at + HEIGHT > box.scrollTop + box.clientHeight) box.scrollTop = at + HEIGHT - box.clientHeight;
  }, [openId]);
  return ul(
    { class: 'chats', ref, 'aria-label': t().chats, onScroll: isLong ? (event) => setTop(event.currentTarget.scrollTop) : undefined },
    list.slice(from, to).map((chat) => h(ChatLink, { key: chat.id, chat, isOpen: chat.id === openId }))
  );
}
