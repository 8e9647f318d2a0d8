import { computed, signal } from '../../vendor/signals.js';
import en from '../i18n/en.js';

/**
 * @typedef {typeof en} Dictionary
 * @typedef {'en' | 'ru'} Language
 */

/** The languages with their own names. @type {Record<Language, string>} */
export const LANGUAGES = { en: 'English', ru: 'Русский' };

const current = signal({ code: /** @type {Language} */ ('en'), dictionary: en });
const dictionary = computed(() => current.value.dictionary);

/** The texts in the language that is shown. What renders them renders again when the language changes. */
export const t = () => dictionary.value;

/** The language that is shown. */
export const language = computed(() => current.value.code);

/** @returns {Language} what the browser asks for */
export const preferredLanguage = () => (navigator.languages?.[0] ?? navigator.language)?.toLowerCase().startsWith('ru') ? 'ru' : 'en';

/** Shows another language as soon as its texts are loaded. @param {Language} code */
export async function showLanguage(code) {
  const loaded = code === 'ru' ? (await import('../i18n/ru.js')).default : en;
  current.value = { code, dictionary: loaded };
  document.documentElement.lang = code;
}
