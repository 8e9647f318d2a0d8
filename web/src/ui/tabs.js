import { useLayoutEffect, useRef } from '../../vendor/hooks.js';
import { button, div, span } from '../lib/dom.js';

/** @typedef {{id: string | null, name: string, badge?: number, label?: string, more?: string}} Tab `label`: for a name that is a sign; `more`: what the badge says */

const STEPS = /** @type {Record<string, number>} */ ({ ArrowRight: 1, ArrowLeft: -1 });

/**
 * A row of tabs: one stop for Tab, the arrows choose.
 * @param {{label: string, controls: string, tabs: Tab[], selected: string | null, onSelect: (id: string | null) => void}} props
 */
export function Tabs({ label, controls, tabs, selected, onSelect }) {
  const row = useRef(/** @type {HTMLDivElement | null} */ (null));
  useLayoutEffect(() => row.current?.querySelector('[aria-selected=true]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' }), [selected]);
  /** @param {KeyboardEvent & {currentTarget: HTMLElement}} event */
  function onKeyDown(event) {
    const at = tabs.findIndex(({ id }) => id === selected);
    const next = event.key === 'Home' ? 0 : event.key === 'End' ? tabs.length - 1 : event.key in STEPS ? (at + STEPS[event.key] + tabs.length) % tabs.length : -1;
    if (next < 0) return;
    event.preventDefault();
    onSelect(tabs[next].id);
    /** @type {HTMLElement} */ (event.currentTarget.children[next]).focus();
  }
  return div(
    { class: 'tabs', role: 'tablist', ref: row, 'aria-label': label, onKeyDown },
    tabs.map(({ id, name, badge, label: full, more }) =>
      button(
        {
          ...{ key: id, type: 'button', role: 'tab', class: 'tab', tabIndex: id === selected ? 0 : -1, onClick: () => onSelect(id) },
          ...{ 'aria-selected': id === selected, 'aria-controls': controls, 'aria-label': full },
        },
        span({ dir: 'auto' }, name),
        badge ? span({ class: 'badge quiet', 'aria-hidden': true }, badge > 999 ? '999+' : badge) : null,
        more && span({ class: 'hidden' }, `, ${more}`)
      )
    )
  );
}
