import { useEffect, useRef, useState } from '../../vendor/hooks.js';
import { button, div, h, input, label, li, p, span, ul } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { Avatar } from '../ui/avatar.js';
import { Icon } from '../ui/icons.js';
import { useFoundPeople } from './people.js';

/** @typedef {import('./people.js').Person} Person */

const FOUND = 8;
/** The most that one request adds. */
const MOST = 100;

/** @param {Person} person */
const shownName = ({ name, username }) => name ?? username;

/**
 * Chooses people: a field that finds them, and those who are chosen.
 * @param {{chosen: Person[], onChange: (chosen: Person[]) => void, autofocus?: boolean}} props
 */
export function PeoplePicker({ chosen, onChange, autofocus }) {
  const texts = t();
  const [query, setQuery] = useState('');
  const [active, setActive] = useState(0);
  // One of them may be the user.
  const [all, setFound] = useFoundPeople(query, FOUND + 1, () => setActive(0));
  const found = all && all.slice(0, FOUND);
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  const options = found?.filter(({ id }) => !chosen.some((one) => one.id === id)) ?? [];
  const at = Math.min(active, options.length - 1);

  // What is found may be below the edge of a dialog.
  const list = useRef(/** @type {HTMLDivElement | null} */ (null));
  useEffect(() => list.current?.children[Math.max(at, Math.min(options.length - 1, 2))]?.scrollIntoView({ block: 'nearest' }), [at, options.length]);

  /** @param {Person} person */
  function take({ id, username, name }) {
    if (chosen.length < MOST) onChange([...chosen, { id, username, name }]);
    setQuery('');
    setFound(null);
    field.current?.focus();
  }

  /** @param {string} id */
  function drop(id) {
    onChange(chosen.filter((one) => one.id !== id));
    field.current?.focus();
  }

  /** @param {KeyboardEvent} event */
  function onKeyDown(event) {
    if (event.key === 'ArrowDown') setActive((at + 1) % Math.max(1, options.length));
    else if (event.key === 'ArrowUp') setActive((at + options.length - 1) % Math.max(1, options.length));
    else if (event.key === 'Enter' && query.trim()) options[at] && take(options[at]);
    else if (event.key === 'Backspace' && !query && chosen.length) onChange(chosen.slice(0, -1));
    else if (event.key === 'Escape' && query) setQuery('');
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  return div(
    { class: 'picker' },
    chosen.length > 0 &&
      ul(
        { class: 'chips', 'aria-label': texts.groups.chosen },
        chosen.map((person) =>
          li({ key: person.id }, button({ type: 'button', class: 'chip', 'aria-label': texts.groups.removeChosen(shownName(person)), onClick: () => drop(person.id) }, span(null, shownName(person)), h(Icon, { name: 'close' })))
        )
      ),
    label({ class: 'hidden', for: 'picker-query' }, texts.findPeople),
    input({
      ...{ id: 'picker-query', ref: field, class: 'input', type: 'text', role: 'combobox', autocomplete: 'off', autocapitalize: 'none', spellcheck: false, autofocus, dir: 'auto' },
      ...{ value: query, placeholder: texts.findPeople, onKeyDown, onInput: (event) => setQuery(event.currentTarget.value) },
      'aria-expanded': options.length ? 'true' : 'false',
      'aria-controls': 'picker-people',
      'aria-autocomplete': 'list',
      'aria-activedescendant': options.length ? `picker-${options[at].id}` : undefined,
    }),
    div(
      { class: 'people picked', id: 'picker-people', role: 'listbox', 'aria-label': texts.people, ref: list },
      options.map((person, n) =>
        div(
          { key: person.id, id: `picker-${person.id}`, class: 'person', role: 'option', 'aria-selected': n === at ? 'true' : 'false', onClick: () => take(person) },
          h(Avatar, { id: person.id, name: shownName(person), size: 'small' }),
          span({ class: 'person-name' }, shownName(person)),
          person.name && span({ class: 'person-more' }, person.username)
        )
      )
    ),
    query.trim() !== '' && found && !options.length && p({ class: 'hint', role: 'status' }, texts.nobodyFound)
  );
}
