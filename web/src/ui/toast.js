import { signal } from '../../vendor/signals.js';
import { button, div, span } from '../lib/dom.js';
import { explain } from '../state/explain.js';

/** @typedef {{id: number, text: string, isError?: boolean, action?: {name: string, run: () => void}}} Toast */

const SHOWN = 6_000;

/** @type {import('../../vendor/signals.js').Signal<Toast[]>} */
const toasts = signal([]);
let last = 0;

/** @param {number} id */
const dismiss = (id) => (toasts.value = toasts.peek().filter((toast) => toast.id !== id));

/** Shows a short text for a while; with an action until it is used. @param {string} text @param {Omit<Toast, 'id' | 'text'>} [more] */
export function toast(text, more) {
  const id = ++last;
  // The same text twice is one.
  toasts.value = [...toasts.peek().filter((one) => one.text !== text), { id, text, ...more }];
  if (!more?.action) setTimeout(dismiss, SHOWN, id);
}

/** Says why something was refused. @param {any} error */
export const refused = (error) => toast(explain(error), { isError: true });

/** Where toasts are shown. */
export const Toasts = () =>
  div(
    { class: 'toasts' },
    toasts.value.map(({ id, text, isError, action }) =>
      div(
        { key: id, class: isError ? 'toast error' : 'toast', role: isError ? 'alert' : 'status' },
        span(null, text),
        action && button({ type: 'button', class: 'link', onClick: () => (dismiss(id), action.run()) }, action.name)
      )
    )
  );
