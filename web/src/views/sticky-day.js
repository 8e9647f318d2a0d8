import { useEffect, useRef, useState } from '../../vendor/hooks.js';
import { div } from '../lib/dom.js';
import { dayHeading, parse } from '../lib/time.js';

/** @typedef {import('./items.js').Item} Item */

/** How long it stays after the last scrolling. */
const REST = 1_200;
/** What it covers. */
const HEIGHT = 34;

/** A time of the day of what is in view; none where a heading says it. @param {Item[]} items @returns {number | undefined} */
export function dayIn(items) {
  if (items.some(({ kind }) => kind === 'day' || kind === 'start')) return undefined;
  for (const item of items) {
    if (item.kind === 'message') return parse(item.row.message.created_at);
    if (item.kind === 'notice') return parse(item.notice.at);
  }
  return undefined;
}

/**
 * The day of the first row in view, while the user scrolls. The headings of the days are there for assistive technology.
 * @param {{list: {current: import('../ui/virtual.js').VirtualList<Item> | null}, handle: {current: (() => void) | null}}} props `handle` gets what is to be called when the user has scrolled
 */
export function StickyDay({ list, handle }) {
  const pill = useRef(/** @type {HTMLDivElement | null} */ (null));
  const [heading, setHeading] = useState('');
  const [isShown, setShown] = useState(false);
  const rest = useRef(/** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined));
  handle.current = () => {
    // Below the pinned message, if there is one.
    const top = pill.current?.offsetTop ?? 0;
    const at = dayIn(list.current?.between(top, top + HEIGHT) ?? []);
    if (at) setHeading(dayHeading(at));
    setShown(Boolean(at));
    clearTimeout(rest.current);
    rest.current = setTimeout(setShown, REST, false);
  };
  useEffect(() => () => clearTimeout(rest.current), []);
  return div({ class: isShown ? 'sticky-day shown' : 'sticky-day', 'aria-hidden': true, ref: pill }, heading);
}
