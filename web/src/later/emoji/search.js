import { EMOJIS, FLAGS } from './data.js';

/**
 * @typedef {{emoji: string, name: string, words: string}} Emoji `words`: what a search looks into, in both languages
 * @typedef {{name: string, emojis: Emoji[]}} Group
 */

/** How many a search finds. */
const MOST = 64;

const flagOf = (/** @type {string} */ code) => String.fromCodePoint(...[...code].map((letter) => 0x1f1a5 + letter.charCodeAt(0)));

/** Names of regions. @param {string} locale */
const regions = (locale) => {
  const names = new Intl.DisplayNames([locale], { type: 'region' });
  return (/** @type {string} */ code) => names.of(code) ?? code;
};

/** All emoji, in the groups of Unicode, with names in a language. @param {'en' | 'ru'} language @returns {Group[]} */
export function groupsIn(language) {
  const isRussian = language === 'ru';
  /** @param {string} line */
  function emojiOf(line) {
    const [emoji, english, russian] = line.split(' | ');
    const [own, other] = isRussian ? [russian, english] : [english, russian];
    return { emoji, name: own, words: searchable(`${own},${other}`) };
  }
  const groups = Object.entries(EMOJIS).map(([name, lines]) => ({ name, emojis: lines.trim().split('\n').map(emojiOf) }));
  const english = regions('en');
  const russian = regions('ru');
  const flags = FLAGS.split(' ').map((code) => ({ emoji: flagOf(code), name: (isRussian ? russian : english)(code), words: searchable(`${english(code)},${russian(code)},flag,флаг`) }));
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
