/**
 * Moves the focus among the items of a menu, list or toolbar that is one stop for Tab.
 * @param {KeyboardEvent} event
 * @param {HTMLElement} root
 * @param {string} selector of the items
 */
export function moveFocus(event, root, selector) {
  const items = /** @type {HTMLElement[]} */ ([...root.querySelectorAll(selector)]);
  const at = items.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  const next = { ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1, Home: 0, End: items.length - 1 }[event.key];
  if (next === undefined || !items.length) return;
  event.preventDefault();
  items[(next + items.length) % items.length].focus();
}

/** Puts the focus somewhere, without a change of the scroll position. @param {string} selector @returns {boolean} whether it is there */
export function focusOn(selector) {
  const element = /** @type {HTMLElement | null} */ (document.querySelector(selector));
  element?.focus({ preventScroll: true });
  return Boolean(element);
}
