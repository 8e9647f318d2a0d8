import { useLayoutEffect, useRef } from '../../vendor/hooks.js';
import { signal } from '../../vendor/signals.js';
import { button, div, h } from '../lib/dom.js';
import { moveFocus } from '../lib/focus.js';
import { Icon } from './icons.js';

/**
 * @typedef {{name: string, icon?: import('./icons.js').IconName, run: () => void, isDanger?: boolean, isChecked?: boolean}} MenuItem `isChecked`: of one of several choices
 * @typedef {{label: string, items: MenuItem[], at: {x: number, y: number, isAbove?: boolean}, from: HTMLElement | null, top?: import('../lib/dom.js').VNode}} Menu
 */

/** @type {import('../../vendor/signals.js').Signal<Menu | null>} */
const shown = signal(null);

/**
 * Opens a menu at a button, or at a point. Escape, Tab and a click elsewhere close it, and the focus goes back.
 * @param {Omit<Menu, 'at' | 'from'> & {from: HTMLElement, point?: {x: number, y: number}}} menu
 */
export function openMenu({ from, point, ...menu }) {
  const { left, right, bottom, top } = from.getBoundingClientRect();
  const isAbove = !point && bottom > innerHeight * 0.6;
  const at = point ?? { x: left > innerWidth / 2 ? right : left, y: isAbove ? top - 4 : bottom + 4, isAbove };
  shown.value = { ...menu, from, at };
}

export function closeMenu() {
  const { from } = shown.peek() ?? {};
  shown.value = null;
  from?.focus({ preventScroll: true });
}

/** The menu that is open, and only this: opened again it is another one. */
export const Menus = () => shown.value && h(MenuView, { key: shown.value.label, ...shown.value });

/** @param {Menu} props */
function MenuView({ label, items, at, top }) {
  const ref = useRef(/** @type {HTMLDivElement | null} */ (null));
  useLayoutEffect(() => {
    const menu = /** @type {HTMLDivElement} */ (ref.current);
    const { width, height } = menu.getBoundingClientRect();
    const x = at.x + width > innerWidth - 8 ? at.x - width : at.x;
    const y = at.isAbove || at.y + height > innerHeight - 8 ? at.y - height : at.y;
    Object.assign(menu.style, { left: `${Math.max(8, x)}px`, top: `${Math.max(8, y)}px` });
    /** @type {HTMLElement | null} */ (menu.querySelector('[role^=menuitem]'))?.focus({ preventScroll: true });
    const outside = (/** @type {Event} */ event) => {
      if (!menu.contains(/** @type {Node} */ (event.target))) shown.value = null;
    };
    addEventListener('pointerdown', outside, true);
    addEventListener('blur', outside);
    return () => {
      removeEventListener('pointerdown', outside, true);
      removeEventListener('blur', outside);
    };
  }, []);
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === 'Escape' || event.key === 'Tab') {
      event.preventDefault();
      event.stopPropagation();
      closeMenu();
    } else moveFocus(event, /** @type {HTMLElement} */ (ref.current), '[role^=menuitem]');
  };
  return div(
    { class: 'menu', role: 'menu', ref, 'aria-label': label, onKeyDown },
    top,
    items.map(({ name, icon, run, isDanger, isChecked }) =>
      button(
        {
          ...{ key: name, type: 'button', role: isChecked === undefined ? 'menuitem' : 'menuitemradio', tabIndex: -1, class: isDanger ? 'menu-item danger' : 'menu-item' },
          'aria-checked': isChecked,
          onClick() {
            // The focus is back before the action moves it.
            closeMenu();
            run();
          },
        },
        icon && h(Icon, { name: icon }),
        name,
        isChecked && h(Icon, { name: 'check' })
      )
    )
  );
}
