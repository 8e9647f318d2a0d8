import { useEffect, useRef, useState } from '../../vendor/hooks.js';
import { div, h, input, label, p, span } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { client } from '../state/client.js';
import { learn } from '../state/people.js';
import { myId } from '../state/session.js';
import { Avatar } from '../ui/avatar.js';
import { refused } from '../ui/toast.js';

/** @typedef {{id: string, username: string, name?: string}} Person */

/** Keys that follow soon do not ask the server each. */
const PAUSE = 200;

/** @param {Person} person */
export const shownName = ({ name, username }) => name ?? username;

/**
 * A field that finds people by what is written, without the user.
 * @param {object} props
 * @param {string} props.id
 * @param {number} props.most
 * @param {string} [props.class] of the list
 * @param {'small'} [props.size]
 * @param {boolean} [props.autofocus]
 * @param {Person[]} [props.without]
 * @param {(person: Person) => void} props.onTake
 * @param {(event: KeyboardEvent, query: string, setQuery: (query: string) => void) => boolean} [props.onKey] whether it wants another key
 * @param {import('../lib/dom.js').Children} [props.children] while nothing is written
 */
export function PeopleSearch({ id, most, class: more = '', size, autofocus, without = [], onTake, onKey, children }) {
  const texts = t();
  const [query, setQuery] = useState('');
  const [active, setActive] = useState(0);
  const [found, setFound] = useState(/** @type {Person[] | null} */ (null));
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  const list = useRef(/** @type {HTMLDivElement | null} */ (null));
  const options = found?.filter((person) => !without.some((one) => one.id === person.id)) ?? [];
  const at = Math.min(active, options.length - 1);

  useEffect(() => {
    const q = query.trim();
    if (!q) return setFound(null);
    let isWanted = true;
    const timer = setTimeout(async () => {
      try {
        // One of them may be the user.
        const { users } = await client.rest.get('/users', { q, limit: most + 1 });
        if (!isWanted) return;
        learn(users);
        setFound(users.filter((person) => person.id !== myId()).slice(0, most));
        setActive(0);
      } catch (error) {
        if (isWanted) refused(error);
      }
    }, PAUSE);
    return () => {
      isWanted = false;
      clearTimeout(timer);
    };
  }, [query]);
  // What is found may be below the edge of a dialog.
  useEffect(() => list.current?.children[Math.max(at, Math.min(options.length - 1, 2))]?.scrollIntoView({ block: 'nearest' }), [at, options.length]);

  /** @param {Person} person */
  function take({ id, username, name }) {
    setQuery('');
    setFound(null);
    field.current?.focus();
    onTake({ id, username, name });
  }

  /** @param {KeyboardEvent} event */
  function onKeyDown(event) {
    const count = Math.max(1, options.length);
    if (event.key === 'ArrowDown') setActive((at + 1) % count);
    else if (event.key === 'ArrowUp') setActive((at + count - 1) % count);
    else if (event.key === 'Enter' && query.trim()) options[at] && take(options[at]);
    else if (!onKey?.(event, query, setQuery)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  return [
    label({ class: 'hidden', for: `${id}-query` }, texts.findPeople),
    input({
      ...{ id: `${id}-query`, ref: field, class: 'input', type: 'text', role: 'combobox', autocomplete: 'off', autocapitalize: 'none', spellcheck: false, autofocus, dir: 'auto' },
      ...{ value: query, placeholder: texts.findPeople, onKeyDown, onInput: (event) => setQuery(event.currentTarget.value) },
      'aria-expanded': options.length ? 'true' : 'false',
      'aria-controls': id,
      'aria-autocomplete': 'list',
      'aria-activedescendant': options.length ? `${id}-${options[at].id}` : undefined,
    }),
    div(
      { class: `people ${more}`, id, role: 'listbox', 'aria-label': texts.people, ref: list },
      options.map((person, n) =>
        div(
          { key: person.id, id: `${id}-${person.id}`, class: 'person', role: 'option', 'aria-selected': n === at ? 'true' : 'false', onClick: () => take(person) },
          h(Avatar, { id: person.id, name: shownName(person), size }),
          span({ class: 'person-name' }, shownName(person)),
          person.name && span({ class: 'person-more' }, person.username)
        )
      )
    ),
    !found && children,
    query.trim() !== '' && found && !options.length && p({ class: 'people-hint', role: 'status' }, texts.nobodyFound),
  ];
}
