import { button, div, h, li, span, ul } from '../lib/dom.js';
import { focusOn } from '../lib/focus.js';
import { t } from '../lib/i18n.js';
import { Icon } from '../ui/icons.js';
import { PeopleSearch, shownName } from './people-search.js';

/** @typedef {import('./people-search.js').Person} Person */

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
