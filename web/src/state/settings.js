import { effect, signal } from '../../vendor/signals.js';
import { LANGUAGES, preferredLanguage, showLanguage } from '../lib/i18n.js';
import { load, save } from '../lib/storage.js';

/**
 * @typedef {import('../lib/i18n.js').Language} Language
 * @typedef {'system' | 'light' | 'dark'} Theme
 */

/** What signing out keeps. */
export const KEPT = ['theme', 'language', 'config'];

/** @type {import('../../vendor/signals.js').Signal<Theme>} */
export const theme = signal(load('theme') ?? 'system');

/** Shows the chosen language, or that of the browser. */
export const startLanguage = () => {
  const chosen = load('language');
  return showLanguage(chosen in LANGUAGES ? chosen : preferredLanguage());
};

/** @param {Language} code */
export function chooseLanguage(code) {
  save('language', code);
  return showLanguage(code);
}

/** @param {Theme} choice */
export function chooseTheme(choice) {
  save('theme', choice);
  theme.value = choice;
}

effect(() => {
  const { dataset } = document.documentElement;
  if (theme.value === 'system') delete dataset.theme;
  else dataset.theme = theme.value;
});

// The other tabs of the browser follow.
addEventListener('storage', ({ key }) => {
  if (key === 'neonchat.theme') theme.value = load('theme') ?? 'system';
  if (key === 'neonchat.language') startLanguage();
});
