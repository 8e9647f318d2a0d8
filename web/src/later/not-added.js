import { button, div, h, input, li, p, span, ul } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { nameOf } from '../state/people.js';
import { Avatar } from '../ui/avatar.js';
import { Dialog, showDialog } from '../ui/dialog.js';
import { copyLink, inviteUrl } from './links.js';

/** @typedef {import('/sdk/types.js').Schemas['NotAdded']} NotAdded */

/** Tells who was not added, and the link that can be sent to them instead. @param {NotAdded[]} people @param {{code: string}} [invite] */
export function showNotAdded(people, invite) {
  if (people.length) showDialog((close) => h(View, { people, invite, close }));
}

/** @param {{people: NotAdded[], invite?: {code: string}, close: () => void}} props */
function View({ people, invite, close }) {
  const { notAdded, notAddedWhy, notAddedHint, copyLink: copy } = t().groups;
  return h(
    Dialog,
    { title: notAdded, close, class: 'narrow' },
    ul(
      { class: 'people' },
      people.map(({ user_id, reason }) =>
        li(
          { key: user_id, class: 'person' },
          h(Avatar, { id: user_id, name: nameOf(user_id), size: 'small' }),
          div({ class: 'lines' }, span({ class: 'person-name' }, nameOf(user_id)), span({ class: 'person-more' }, notAddedWhy[reason] ?? notAddedWhy.unknown))
        )
      )
    ),
    invite && p({ class: 'hint', id: 'not-added-hint' }, notAddedHint),
    invite && input({ class: 'input', type: 'text', readOnly: true, value: inviteUrl(invite.code), 'aria-labelledby': 'not-added-hint', onFocus: (event) => event.currentTarget.select() }),
    invite && button({ type: 'button', class: 'button primary wide', onClick: () => copyLink(inviteUrl(invite.code)) }, copy)
  );
}
