import { button, div, h, li, span, ul } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { moment } from '../lib/time.js';
import { client } from '../state/client.js';
import { learn, nameOf } from '../state/people.js';
import { Avatar } from '../ui/avatar.js';
import { Empty } from '../ui/empty.js';
import { refused } from '../ui/toast.js';
import { ListEnd, keepFocus, useEvents, usePages } from './fields.js';

/** Who asks to join, or is kept out. @param {{chat: import('../state/client.js').ChatItem, page: string}} props */
export function View({ chat: { id }, page }) {
  const texts = t().groups;
  const isBans = page === 'bans';
  const list = usePages(async (after) => {
    const params = { id, after, limit: 50 };
    const { next, ...answer } = isBans ? await client.rest.get('/chats/{id}/bans', params) : await client.rest.get('/chats/{id}/requests', params);
    /** @type {{user_id: string, username: string, at: string, reason?: string | null}[]} */
    const items = 'bans' in answer ? answer.bans : answer.requests;
    learn(items);
    return { items, next };
  }, [id]);
  useEvents(id, isBans ? /^members_removed$/ : /^members_added$/, list.reload);

  /** @param {Promise<unknown>} change */
  const follow = (change) => change.then(list.reload, refused).then(keepFocus);
  const lift = (/** @type {string} */ user_id) => follow(client.rest.delete('/chats/{id}/bans/{user_id}', { id, user_id }));
  const answer = (/** @type {string} */ user_id, /** @type {boolean} */ accept) => follow(client.rest.put('/chats/{id}/requests/{user_id}', { accept }, { id, user_id }));
  return [
    list.items?.length === 0 && (isBans ? h(Empty, { icon: 'ban', title: texts.noBans }) : h(Empty, { icon: 'clock', title: texts.noRequests, hint: texts.noRequestsHint })),
    ul(
      { class: 'people', 'aria-label': isBans ? texts.bans : texts.requests },
      list.items?.map(({ user_id, username, at, reason }) => {
        const name = nameOf(user_id) || username;
        return li(
          { key: user_id, class: isBans ? 'person member' : 'person member request' },
          h(Avatar, { id: user_id, name, size: 'small' }),
          div({ class: 'lines' }, span({ class: 'person-name' }, name), span({ class: 'person-more wraps' }, [moment(Date.parse(at)), reason].filter(Boolean).join(' · '))),
          isBans
            ? button({ type: 'button', class: 'button small', 'aria-label': texts.unbanOf(name), onClick: () => lift(user_id) }, texts.unban)
            : div(
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
