import { useEffect, useLayoutEffect, useMemo, useRef, useState } from '../../../vendor/hooks.js';
import { button, div, h, input, label, p } from '../../lib/dom.js';
import { moveInGrid } from '../../lib/grid.js';
import { language, t } from '../../lib/i18n.js';
import { recentEmojis, rememberEmoji } from '../../state/recent.js';
import { Dialog } from '../../ui/dialog.js';
import { Tabs } from '../../ui/tabs.js';
import { findEmojis, groupsIn } from './search.js';

/** @typedef {import('./search.js').Emoji} Emoji */

/** Cells of a row; settings.css says the same. */
const COLUMNS = 8;
const SIGNS = /** @type {Record<string, string>} */ ({ recent: '🕘', smileys: '😀', people: '👋', nature: '🐻', food: '🍔', travel: '🚀', activities: '⚽', objects: '💡', symbols: '🔣', flags: '🏁' });
/** From here on it lies beside what opened it, and not at the bottom. */
const WIDE = '(min-width: 520px)';

/** @param {Emoji[]} list */
const rowsOf = (list) => Array.from({ length: Math.ceil(list.length / COLUMNS) }, (_, n) => list.slice(n * COLUMNS, (n + 1) * COLUMNS));

/**
 * Chooses an emoji. With Shift it stays open for more.
 * @param {{from: HTMLElement, onPick: (emoji: string) => void, close: () => void}} props
 */
export function View({ from, onPick, close }) {
  const texts = t();
  const groups = useMemo(() => groupsIn(language.value), [language.value]);
  const [recent] = useState(() => recentEmojis().flatMap((emoji) => groups.flatMap(({ emojis }) => emojis).find((one) => one.emoji === emoji) ?? []));
  const all = recent.length ? [{ name: 'recent', emojis: recent }, ...groups] : groups;
  const [group, setGroup] = useState(all[0].name);
  const [query, setQuery] = useState('');
  const [at, setAt] = useState({ row: 0, column: 0 });
  const grid = useRef(/** @type {HTMLDivElement | null} */ (null));
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  const isSearch = query.trim() !== '';
  const list = useMemo(() => (isSearch ? findEmojis(groups, query) : (all.find(({ name }) => name === group) ?? all[0]).emojis), [query, group, groups]);
  const rows = rowsOf(list);
  const names = /** @type {Record<string, string>} */ (texts.emojiGroups);

  useLayoutEffect(() => place(/** @type {HTMLElement} */ (grid.current?.closest('dialog')), from), []);
  // Where there is no keyboard the focus would only open one on the screen.
  useLayoutEffect(() => void (matchMedia('(hover: hover)').matches && field.current?.focus()), []);
  useEffect(() => {
    setAt({ row: 0, column: 0 });
    grid.current?.scrollTo(0, 0);
  }, [query, group]);

  /** @param {string} emoji @param {boolean} stays */
  function pick(emoji, stays) {
    rememberEmoji(emoji);
    if (!stays) close();
    onPick(emoji);
  }

  /** @param {{row: number, column: number}} next */
  function focus(next) {
    setAt(next);
    /** @type {HTMLElement | undefined} */ (grid.current?.children[next.row]?.children[next.column])?.focus();
  }

  /** @param {KeyboardEvent} event */
  function onGridKey(event) {
    const { key } = event;
    const next = moveInGrid(key, rows.map(({ length }) => length), at);
    if (next) focus(next);
    else if (key === 'ArrowUp') field.current?.focus();
    else if (key === 'Enter' || key === ' ') pick(rows[at.row][at.column].emoji, event.shiftKey);
    // What is typed belongs to the search.
    else if (key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey) return field.current?.focus();
    else return;
    event.preventDefault();
  }

  /** @param {KeyboardEvent} event */
  function onFieldKey(event) {
    if (event.key === 'ArrowDown' && list.length) focus({ row: 0, column: 0 });
    else if (event.key === 'Enter' && list.length) pick(list[0].emoji, event.shiftKey);
    else if (event.key === 'Escape' && query) setQuery('');
    else return;
    event.preventDefault();
  }

  return h(
    Dialog,
    { title: texts.emoji, close, class: 'emoji-picker' },
    label({ class: 'hidden', for: 'emoji-query' }, texts.searchEmoji),
    input({ id: 'emoji-query', ref: field, class: 'input', type: 'search', value: query, placeholder: texts.searchEmoji, autocomplete: 'off', dir: 'auto', 'aria-controls': 'emojis', onKeyDown: onFieldKey, onInput: (event) => setQuery(event.currentTarget.value) }),
    !isSearch && h(Tabs, { label: texts.emojiGroupsLabel, controls: 'emojis', tabs: all.map(({ name }) => ({ id: name, name: SIGNS[name], label: names[name] })), selected: group, onSelect: (id) => setGroup(/** @type {string} */ (id)) }),
    div(
      { id: 'emojis', class: 'emoji-grid', role: 'grid', 'aria-label': isSearch ? texts.emojiFound : names[group], ref: grid, onKeyDown: onGridKey },
      rows.map((row, r) =>
        div(
          { key: `${group} ${r}`, role: 'row', class: 'emoji-row' },
          row.map(({ emoji, name }, c) =>
            button(
              {
                ...{ key: emoji, type: 'button', role: 'gridcell', class: 'emoji', title: name, 'aria-label': `${emoji} ${name}`, tabIndex: r === at.row && c === at.column ? 0 : -1 },
                ...{ onFocus: () => setAt({ row: r, column: c }), onClick: (event) => pick(emoji, event.shiftKey) },
              },
              emoji
            )
          )
        )
      )
    ),
    !list.length && p({ class: 'people-hint', role: 'status' }, texts.noEmoji)
  );
}

/** Puts the dialog beside what opened it, where there is room. @param {HTMLElement} dialog @param {HTMLElement} from */
function place(dialog, from) {
  if (!matchMedia(WIDE).matches) return;
  const box = from.getBoundingClientRect();
  const { width, height } = dialog.getBoundingClientRect();
  const fit = (/** @type {number} */ wanted, /** @type {number} */ most) => `${Math.max(8, Math.min(wanted, most - 8))}px`;
  const top = box.top > height + 16 ? box.top - height - 8 : box.bottom + 8;
  Object.assign(dialog.style, { margin: '0', left: fit(box.right - width, innerWidth - width), top: fit(top, innerHeight - height) });
}
