import { useEffect, useState } from '../../vendor/hooks.js';
import { a, button, div, h, h1, header, input, label, li, p, span, ul } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { leave, navigate } from '../routes.js';
import { chatOf } from '../state/chats.js';
import { client } from '../state/client.js';
import { Avatar } from '../ui/avatar.js';
import { IconButton } from '../ui/button.js';
import { Empty } from '../ui/empty.js';
import { ListEnd, usePages } from './pages.js';
import { join } from './room.js';

/** @typedef {import('/sdk/types.js').Schemas['Room']} Room */

/** Keys that follow soon do not ask the server each. */
const PAUSE = 200;

/** Public groups and channels, which everybody can join. */
export function View() {
  const texts = t().groups;
  const [query, setQuery] = useState('');
  const [q, setQ] = useState('');
  useEffect(() => {
    const timer = setTimeout(() => setQ(query.trim()), PAUSE);
    return () => clearTimeout(timer);
  }, [query]);
  const list = usePages(async (after) => {
    const { rooms, next } = await client.rest.get('/rooms', { q: q || undefined, after, limit: 50 });
    return { items: rooms, next };
  }, [q]);
  return div(
    { class: 'page' },
    header({ class: 'main-head' }, h(IconButton, { icon: 'back', name: t().backToChats, class: 'back', onClick: () => leave('/') }), h1({ class: 'main-title' }, texts.rooms)),
    div(
      { class: 'page-body rooms' },
      p({ class: 'hint' }, texts.roomsHint),
      label({ class: 'hidden', for: 'rooms-query' }, texts.findRooms),
      input({ id: 'rooms-query', class: 'input', type: 'search', value: query, placeholder: texts.findRooms, autofocus: true, autocapitalize: 'none', spellcheck: false, dir: 'auto', onInput: (event) => setQuery(event.currentTarget.value) }),
      list.items && list.items.length > 0 && ul({ class: 'room-list', 'aria-label': texts.rooms }, list.items.map((room) => h(RoomRow, { key: room.id, room }))),
      list.items?.length === 0 && h(Empty, { icon: 'search', title: q ? texts.noRoomsFound : texts.noRooms, hint: q ? undefined : texts.noRoomsHint }),
      h(ListEnd, list)
    )
  );
}

/** @param {{room: Room}} props */
function RoomRow({ room: { id, type, title, handle, description, member_count } }) {
  const texts = t();
  const isMember = Boolean(chatOf(id));
  const facts = `@${handle} · ${type === 'channel' ? texts.subscribers(member_count) : texts.members(member_count)}`;
  return li(
    { class: 'room' },
    h(Avatar, { id, name: title }),
    div({ class: 'lines' }, a({ class: 'room-title', href: `/c/${id}`, dir: 'auto' }, title), span({ class: 'person-more' }, facts), description && span({ class: 'room-text', dir: 'auto' }, description)),
    isMember
      ? button({ type: 'button', class: 'button small', 'aria-label': texts.groups.openOf(title), onClick: () => navigate(`/c/${id}`) }, texts.groups.open)
      : button({ type: 'button', class: 'button small primary', 'aria-label': texts.groups.joinOf(title), onClick: () => join(id) }, texts.groups.join)
  );
}
