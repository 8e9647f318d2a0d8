import { ENGLISH } from './english.js';
import { FLAGS, PICTURES } from './pictures.js';
import { RUSSIAN } from './russian.js';

/**
 * @typedef {{emoji: string, name: string, words: string}} Emoji `words`: what a search looks into, in both languages
 * @typedef {{name: string, emojis: Emoji[]}} Group
 */

/** How many a search finds. */
const MOST = 64;

let last = 0;
const codeOf = (/** @type {string} */ character) => character.charCodeAt(0);
/** A code point: five characters, two, or one that says how far it is from the one before it. @param {string[]} point */
function characterOf(...[near, far, page, place]) {
  last = far ? parseInt(far, 36) : page ? 0x1f300 + (codeOf(page) - 97) * 80 + codeOf(place) - 40 : last + codeOf(near) - 66;
  return `${String.fromCodePoint(last)} `;
}
/** What is a text without it gets the selector of a picture. @param {string} points */
const emojisOf = (points) => points.replace(/~(.{4})|([a-z])(.)|[(-[]/g, characterOf).replaceAll(' !', '\u200D').replace(/(?!\p{Emoji_Presentation})\p{Emoji}/gu, '$&\uFE0F').trim().split(' ');
const flagOf = (/** @type {string} */ code) => String.fromCodePoint(...[...code].map((letter) => 0x1f1a5 + letter.charCodeAt(0)));

const GROUPS = Object.entries(PICTURES).map(([name, all]) => ({ name, emojis: emojisOf(all) }));
const CODES = FLAGS.split(' ').flatMap((seconds, n) => [...seconds].map((second) => String.fromCharCode(65 + n) + second));
const NAMES = { en: ENGLISH.split('\n'), ru: RUSSIAN.replace(/[@-_]/g, (letter) => String.fromCharCode(letter.charCodeAt(0) + 0x3f0)).split('\n') };

/** Names of regions. @param {string} locale */
const regions = (locale) => {
  const names = new Intl.DisplayNames([locale], { type: 'region' });
  return (/** @type {string} */ code) => names.of(code) ?? code;
};

/** All emoji, in the groups of Unicode, with names in a language. @param {'en' | 'ru'} language @returns {Group[]} */
export function groupsIn(language) {
  const isRussian = language === 'ru';
  const [own, other] = isRussian ? [NAMES.ru, NAMES.en] : [NAMES.en, NAMES.ru];
  let n = 0;
  const groups = GROUPS.map(({ name, emojis }) => ({ name, emojis: emojis.map((emoji) => ({ emoji, name: own[n], words: searchable(`${own[n]},${other[n++]}`) })) }));
  const english = regions('en');
  const russian = regions('ru');
  const flags = CODES.map((code) => ({ emoji: flagOf(code), name: (isRussian ? russian : english)(code), words: searchable(`${english(code)},${russian(code)},flag,флаг`) }));
  return [...groups, { name: 'flags', emojis: flags }];
}

/** @param {string} text */
const searchable = (text) => ` ${text.toLowerCase().replaceAll('ё', 'е').replace(/[^\p{L}\p{N}+]+/gu, ' ')}`;

/**
 * Finds emoji that have words beginning with all words of a query, or that are in it. Those whose name begins with it come first.
 * @param {Group[]} groups
 * @param {string} query
 */
export function findEmojis(groups, query) {
  const words = searchable(query).trim().split(' ').filter(Boolean);
  const all = groups.flatMap(({ emojis }) => emojis);
  const literal = all.filter(({ emoji }) => query.includes(emoji));
  if (literal.length || !words.length) return literal.slice(0, MOST);
  const found = all.filter((one) => words.every((word) => one.words.includes(` ${word}`)));
  const first = ` ${words.join(' ')}`;
  return [...found.filter((one) => one.words.startsWith(first)), ...found.filter((one) => !one.words.startsWith(first))].slice(0, MOST);
}
