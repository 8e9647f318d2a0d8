import { button, div, h, li, span, ul } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { moment } from '../lib/time.js';
import { client } from '../state/client.js';
import { learn, nameOf } from '../state/people.js';
import { Avatar } from '../ui/avatar.js';
import { Empty } from '../ui/empty.js';
import { refused } from '../ui/toast.js';
import { ListEnd, keepFocus, useEvents, usePages } from './pages.js';

/** Who asks to join. @param {{chat: import('../state/client.js').ChatItem}} props */
export function View({ chat: { id } }) {
  const texts = t().groups;
  const list = usePages(async (after) => {
    const { requests, next } = await client.rest.get('/chats/{id}/requests', { id, after, limit: 50 });
    learn(requests);
    return { items: requests, next };
  }, [id]);
  useEvents(id, /^members_added$/, list.reload);

  /** @param {string} user_id @param {boolean} accept */
  const answer = (user_id, accept) => client.rest.put('/chats/{id}/requests/{user_id}', { accept }, { id, user_id }).then(list.reload, refused).then(keepFocus);
  return [
    list.items?.length === 0 && h(Empty, { icon: 'clock', title: texts.noRequests, hint: texts.noRequestsHint }),
    ul(
      { class: 'people', 'aria-label': texts.requests },
      list.items?.map(({ user_id, username, at }) => {
        const name = nameOf(user_id) || username;
        return li(
          { key: user_id, class: 'person member request' },
          h(Avatar, { id: user_id, name, size: 'small' }),
          div({ class: 'lines' }, span({ class: 'person-name' }, name), span({ class: 'person-more wraps' }, moment(Date.parse(at)))),
          div(
            { class: 'request-buttons' },
            button({ type: 'button', class: 'button small', 'aria-label': texts.rejectOf(name), onClick: () => answer(user_id, false) }, texts.reject),
            button({ type: 'button', class: 'button small primary', 'aria-label': texts.acceptOf(name), onClick: () => answer(user_id, true) }, texts.accept)
          )
        );
      })
    ),
    h(ListEnd, list),
  ];
}
