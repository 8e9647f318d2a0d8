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

// The frame of the browser has the colour of the theme. The page has one for each scheme of the system, dark first.
const frames = /** @type {NodeListOf<HTMLMetaElement>} */ (document.querySelectorAll('meta[name="theme-color"]'));
const [dark, light] = [...frames].map(({ content }) => content);

effect(() => {
  const { dataset } = document.documentElement;
  if (theme.value === 'system') delete dataset.theme;
  else dataset.theme = theme.value;
  if (frames.length) [frames[0].content, frames[1].content] = theme.value === 'system' ? [dark, light] : Array(2).fill(theme.value === 'dark' ? dark : light);
});

// The other tabs of the browser follow.
addEventListener('storage', ({ key }) => {
  if (key === 'neonchat.theme') theme.value = load('theme') ?? 'system';
  if (key === 'neonchat.language') startLanguage();
});
