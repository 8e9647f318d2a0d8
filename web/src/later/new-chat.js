import { useEffect, useRef, useState } from '../../vendor/hooks.js';
import { button, div, h, input, label, p, span } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { navigate } from '../routes.js';
import { Avatar } from '../ui/avatar.js';
import { Dialog } from '../ui/dialog.js';
import { Icon } from '../ui/icons.js';
import { showLater } from '../ui/later.js';
import { useFoundPeople, writeTo } from './people.js';

const MOST = 20;

/** Finds somebody, and opens the chat. @param {{close: () => void}} props */
export function View({ close }) {
  const texts = t();
  const [query, setQuery] = useState('');
  const [active, setActive] = useState(0);
  const [found] = useFoundPeople(query, MOST, () => setActive(0));
  const list = useRef(/** @type {HTMLDivElement | null} */ (null));

  useEffect(() => list.current?.children[active]?.scrollIntoView({ block: 'nearest' }), [active]);

  /** @param {import('./people.js').Person} person */
  const take = ({ id }) => writeTo(id, close);

  /** @param {KeyboardEvent} event */
  function onKeyDown(event) {
    const count = found?.length ?? 0;
    if (!count) return;
    if (event.key === 'ArrowDown') setActive((active + 1) % count);
    else if (event.key === 'ArrowUp') setActive((active + count - 1) % count);
    else if (event.key === 'Enter' && found) take(found[active]);
    else return;
    event.preventDefault();
  }

  return h(
    Dialog,
    { title: texts.newChat, close },
    label({ class: 'hidden', for: 'people-query' }, texts.findPeople),
    input({
      ...{ id: 'people-query', class: 'input', type: 'text', role: 'combobox', autocomplete: 'off', autocapitalize: 'none', spellcheck: false, autofocus: true, dir: 'auto' },
      ...{ value: query, placeholder: texts.findPeople, onKeyDown, onInput: (event) => setQuery(event.currentTarget.value) },
      'aria-expanded': found?.length ? 'true' : 'false',
      'aria-controls': 'people',
      'aria-autocomplete': 'list',
      'aria-activedescendant': found?.length ? `person-${found[active]?.id}` : undefined,
    }),
    div(
      { class: 'people', id: 'people', role: 'listbox', 'aria-label': texts.people, ref: list },
      found?.map((person, n) =>
        div(
          {
            ...{ key: person.id, id: `person-${person.id}`, class: 'person', role: 'option', 'aria-selected': n === active ? 'true' : 'false' },
            onClick: () => take(person),
          },
          h(Avatar, { id: person.id, name: person.name ?? person.username }),
          span({ class: 'person-name' }, person.name ?? person.username),
          person.name && span({ class: 'person-more' }, person.username)
        )
      )
    ),
    !found && h(Places, { close }),
    found?.length === 0 && p({ class: 'people-hint', role: 'status' }, texts.nobodyFound)
  );
}

/** Other things that can be begun. @param {{close: () => void}} props */
function Places({ close }) {
  const texts = t();
  /** @param {import('../ui/icons.js').IconName} icon @param {string} name @param {() => void} run */
  const place = (icon, name, run) => button({ type: 'button', class: 'place', onClick: () => (close(), run()) }, h(Icon, { name: icon }), name);
  return div(
    { class: 'places' },
    p({ class: 'people-hint' }, texts.findHint),
    place('channel', texts.groups.newChannel, () => showLater(() => import('./new-group.js'), { isChannel: true })),
    place('search', texts.groups.rooms, () => navigate('/rooms'))
  );
}
