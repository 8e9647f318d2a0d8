import { t } from '../lib/i18n.js';

export const MINUTE = 60_000;

/** The time that a form says; nothing if it is too soon, which is told. @param {SubmitEvent} event @param {(problem: string) => void} complain */
export function timeOf(event, complain) {
  event.preventDefault();
  const at = Date.parse(String(new FormData(/** @type {HTMLFormElement} */ (event.currentTarget)).get('at')));
  if (at >= Date.now() + MINUTE) return new Date(at);
  complain(t().scheduleTooSoon);
}
