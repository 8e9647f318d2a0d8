import { button, div, h, li, span, ul } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { moment } from '../lib/time.js';
import { client } from '../state/client.js';
import { learn, nameOf } from '../state/people.js';
import { Avatar } from '../ui/avatar.js';
import { Empty } from '../ui/empty.js';
import { refused } from '../ui/toast.js';
import { ListEnd, keepFocus, useEvents, usePages } from './pages.js';

/** Who is kept out. @param {{chat: import('../state/client.js').ChatItem}} props */
export function View({ chat: { id } }) {
  const texts = t().groups;
  const list = usePages(async (after) => {
    const { bans, next } = await client.rest.get('/chats/{id}/bans', { id, after, limit: 50 });
    learn(bans);
    return { items: bans, next };
  }, [id]);
  useEvents(id, /^members_removed$/, list.reload);

  /** @param {string} user_id */
  const lift = (user_id) => client.rest.delete('/chats/{id}/bans/{user_id}', { id, user_id }).then(list.reload, refused).then(keepFocus);
  return [
    list.items?.length === 0 && h(Empty, { icon: 'ban', title: texts.noBans }),
    ul(
      { class: 'people', 'aria-label': texts.bans },
      list.items?.map(({ user_id, username, at, reason }) => {
        const name = nameOf(user_id) || username;
        return li(
          { key: user_id, class: 'person member' },
          h(Avatar, { id: user_id, name, size: 'small' }),
          div({ class: 'lines' }, span({ class: 'person-name' }, name), span({ class: 'person-more wraps' }, [moment(Date.parse(at)), reason].filter(Boolean).join(' · '))),
          button({ type: 'button', class: 'button small', 'aria-label': texts.unbanOf(name), onClick: () => lift(user_id) }, texts.unban)
        );
      })
    ),
    h(ListEnd, list),
  ];
}
