import { button, div, h, input, li, p, span, ul } from '../lib/dom.js';
import { focusOn } from '../lib/focus.js';
import { t } from '../lib/i18n.js';
import { nameOf } from '../state/people.js';
import { Avatar } from '../ui/avatar.js';
import { Dialog, showDialog } from '../ui/dialog.js';
import { Icon } from '../ui/icons.js';
import { copyLink, inviteUrl } from './fields.js';
import { PeopleSearch, shownName } from './people.js';

/**
 * @typedef {import('./people.js').Person} Person
 * @typedef {import('/sdk/types.js').Schemas['NotAdded']} NotAdded
 */

/** The most that one request adds. */
const MOST = 100;

/**
 * Chooses people: a field that finds them, and those who are chosen.
 * @param {{chosen: Person[], onChange: (chosen: Person[]) => void, autofocus?: boolean}} props
 */
export function PeoplePicker({ chosen, onChange, autofocus }) {
  const texts = t().groups;
  /** @param {string} id */
  function drop(id) {
    onChange(chosen.filter((one) => one.id !== id));
    focusOn('#picker-query');
  }

  /** @param {KeyboardEvent} event @param {string} query @param {(query: string) => void} setQuery */
  function onKey({ key }, query, setQuery) {
    if (key === 'Backspace' && !query && chosen.length) onChange(chosen.slice(0, -1));
    else if (key === 'Escape' && query) setQuery('');
    else return false;
    return true;
  }

  return div(
    { class: 'picker' },
    chosen.length > 0 &&
      ul(
        { class: 'chips', 'aria-label': texts.chosen },
        chosen.map((person) =>
          li({ key: person.id }, button({ type: 'button', class: 'chip', 'aria-label': texts.removeChosen(shownName(person)), onClick: () => drop(person.id) }, span(null, shownName(person)), h(Icon, { name: 'close' })))
        )
      ),
    h(PeopleSearch, { id: 'picker', most: 8, class: 'picked', size: 'small', autofocus, without: chosen, onKey, onTake: (person) => chosen.length < MOST && onChange([...chosen, person]) })
  );
}

/** Tells who was not added, and the link that can be sent to them instead. @param {NotAdded[]} people @param {{code: string}} [invite] */
export function showNotAdded(people, invite) {
  if (people.length) showDialog((close) => h(NotAddedView, { people, invite, close }));
}

/** @param {{people: NotAdded[], invite?: {code: string}, close: () => void}} props */
function NotAddedView({ people, invite, close }) {
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
