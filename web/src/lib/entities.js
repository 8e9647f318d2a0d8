/** @typedef {NonNullable<import('/sdk/index.js').Message['entities']>[number]} Entity */

const URL_PATTERN = /\bhttps?:\/\/[^\s<>"']+/g;
/** The brackets of an address: its last one belongs to it if it begins in it. */
const BRACKETS = ['()', '[]', '{}'];

/**
 * A tree of what the text of a message consists of.
 * @typedef {{type: 'text', text: string} | {type: 'entity', entity: Entity, text: string, parts: Part[]}} Part
 */

/** Links that nobody has marked. @param {string} text @returns {Entity[]} */
export function linksIn(text) {
  return [...text.matchAll(URL_PATTERN)].flatMap(({ 0: written, index }) => {
    const url = withoutEnd(written);
    return /\/\/./.test(url) ? { type: 'link', offset: index, length: url.length, url } : [];
  });
}

/** An address without the punctuation of the sentence around it. @param {string} written */
function withoutEnd(written) {
  const count = (/** @type {string} */ sign) => written.split(sign).length - 1;
  // How many brackets of a kind end that did not begin.
  const extra = Object.fromEntries(BRACKETS.map(([start, end]) => [end, count(end) - count(start)]));
  let { length } = written;
  for (let last; /[.,:;!?)\]}]/.test((last = written[length - 1])) && !(extra[last]-- <= 0); ) length--;
  return written.slice(0, length);
}

const NAME = /(?<![\p{L}\p{M}\p{N}_.@-])@([\p{L}\p{M}\p{N}_.-]+)/gu;
/** A full stop or hyphen behind a name is not of the name. @param {string} name */
const withoutStop = (name) => name.replace(/(?<![.-])[.-]+$/, '');

/** The names in a text, in lower case. @param {string} text */
export const namesIn = (text) => new Set([...text.matchAll(NAME)].map(([, name]) => withoutStop(name.toLowerCase())));

/**
 * Where people are named, as the server finds it: that tells who is mentioned, and not where.
 * @param {string} text
 * @param {{id: string, username: string}[]} people
 * @param {boolean} [isAll] whether `@all` names all members
 * @returns {Entity[]}
 */
export function mentionsIn(text, people, isAll) {
  return [...text.matchAll(NAME)].flatMap(({ 1: written, index }) => {
    const name = written.toLowerCase();
    for (const one of [name, withoutStop(name)]) {
      const place = { offset: index, length: one.length + 1 };
      if (isAll && one === 'all') return { type: 'mention_all', ...place };
      const found = people.find(({ username }) => username.toLowerCase() === one);
      if (found) return { type: 'mention', ...place, user_id: found.id };
    }
    return [];
  });
}

/** Adds what was found in a text, except to what has a meaning of its own there. @param {Entity[]} entities @param {Entity[]} found */
export function addFound(entities, found) {
  const marked = entities.filter(({ type }) => /^(link|code|pre|mention)/.test(type));
  const free = found.filter(({ offset, length }) => !marked.some((one) => one.offset < offset + length && offset < one.offset + one.length));
  return free.length ? inOrder([...entities, ...free]) : entities;
}

/** Sorts by offset; at the same one the longer comes first, which has the other inside. @param {Entity[]} entities */
export const inOrder = (entities) => entities.sort((x, y) => x.offset - y.offset || y.length - x.length);

/**
 * Returns the parts of a text between two places. Entities may overlap: the inner one is cut where the outer one ends. Only some are nested,
 * so that nobody can make a message that is more work than its text. Deeper ones are left out, but what is hidden stays hidden.
 * @param {string} text
 * @param {Entity[]} entities in the order of their offsets
 * @param {number} [from]
 * @param {number} [to]
 * @param {number} [depth]
 * @returns {Part[]}
 */
export function partsOf(text, entities, from = 0, to = text.length, depth = 8) {
  /** @type {Part[]} */
  const parts = [];
  let at = from;
  for (let n = 0; n < entities.length; n++) {
    const entity = entities[n];
    const start = Math.max(entity.offset, at);
    const end = Math.min(entity.offset + entity.length, to);
    if (start >= end) continue;
    if (start > at) parts.push({ type: 'text', text: text.slice(at, start) });
    const inner = depth < 1 ? [] : entities.slice(n + 1).filter(({ type, offset, length }) => (depth > 1 || type === 'spoiler') && offset < end && offset + length > start);
    parts.push({ type: 'entity', entity, text: text.slice(start, end), parts: partsOf(text, inner, start, end, depth - 1) });
    at = end;
  }
  if (at < to) parts.push({ type: 'text', text: text.slice(at, to) });
  return parts;
}

/** The text of a message where it is shown in short, without what is hidden. @param {{text: string, entities?: Entity[]}} message */
export function preview({ text, entities = [] }) {
  for (const { type, offset, length } of entities) if (type === 'spoiler') text = text.slice(0, offset) + '▒'.repeat(length) + text.slice(offset + length);
  return text;
}
