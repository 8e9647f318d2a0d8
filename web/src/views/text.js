import { useState } from '../../vendor/hooks.js';
import { a, blockquote, button, code, h, pre, span } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { usernameOf } from '../state/people.js';
import { myId } from '../state/session.js';
import { confirm } from '../ui/dialog.js';

/** @typedef {NonNullable<import('../state/client.js').Message['entities']>[number]} Entity */

const URL_PATTERN = /\bhttps?:\/\/[^\s<>"']*[^\s<>"'.,:;!?)\]}]/g;

/**
 * A tree of what the text of a message consists of.
 * @typedef {{type: 'text', text: string} | {type: 'entity', entity: Entity, text: string, parts: Part[]}} Part
 */

/** Links that nobody has marked. @param {string} text @returns {Entity[]} */
export function linksIn(text) {
  return [...text.matchAll(URL_PATTERN)].map(({ 0: url, index }) => ({ type: 'link', offset: index, length: url.length, url }));
}

/**
 * The mentions that the server has found: it tells who is mentioned, and not where.
 * @param {string} text
 * @param {string[]} names of those who are mentioned
 * @param {boolean} [isAll] whether all members are mentioned
 * @returns {Entity[]}
 */
export function mentionsIn(text, names, isAll) {
  return [...text.matchAll(/(?<![\w@])@([\w.-]+)/g)].flatMap(({ 1: written, index }) => {
    const name = written.toLowerCase();
    // A full stop or hyphen behind a name is not of the name.
    const found = [name, name.replace(/(?<![.-])[.-]+$/, '')].find((one) => names.some((known) => known.toLowerCase() === one) || (isAll && one === 'all'));
    return found ? [{ type: found === 'all' ? 'mention_all' : 'mention', offset: index, length: found.length + 1 }] : [];
  });
}

/**
 * Returns the parts of a text between two places. Entities may overlap: the inner one is cut where the outer one ends. Only some are nested,
 * so that nobody can make a message that is more work than its text.
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
    const inner = depth < 2 ? [] : entities.slice(n + 1).filter(({ offset, length }) => offset < end && offset + length > start);
    parts.push({ type: 'entity', entity, text: text.slice(start, end), parts: partsOf(text, inner, start, end, depth - 1) });
    at = end;
  }
  if (at < to) parts.push({ type: 'text', text: text.slice(at, to) });
  return parts;
}

/** The text of a message with its formatting. @param {{message: import('../state/client.js').Message}} props */
export function Text({ message: { text, entities = [], mentions = [], mention_all } }) {
  const marked = entities.filter(({ type }) => /^(link|code|pre|mention)/.test(type));
  const names = mentions.map((id) => ({ id, name: usernameOf(id) }));
  const mentioned = mentionsIn(text, names.map(({ name }) => name), mention_all).map((one) => ({ ...one, user_id: names.find(({ name }) => name && text.startsWith(name, one.offset + 1))?.id }));
  const found = [...linksIn(text), ...(mentions.length || mention_all ? mentioned : [])].filter(({ offset, length }) => !marked.some((one) => one.offset < offset + length && offset < one.offset + one.length));
  const all = found.length ? [...entities, ...found].sort((x, y) => x.offset - y.offset || y.length - x.length) : entities;
  return all.length ? partsOf(text, all).map(view) : text;
}

/** @param {Part} part @param {number} key @returns {import('../lib/dom.js').Children} */
function view(part, key) {
  if (part.type === 'text') return part.text;
  const { entity, text, parts } = part;
  const inner = parts.map(view);
  const url = safe(entity.url ?? text);
  switch (entity.type) {
    case 'link':
      return a({ key, href: url || undefined, title: url, target: '_blank', rel: 'noopener noreferrer', onClick: misleads(text, url) ? (event) => (event.preventDefault(), ask(url)) : undefined }, inner);
    case 'code':
      return code({ key }, text);
    case 'pre':
      return pre({ key, tabIndex: 0 }, code(null, text));
    case 'quote':
      return blockquote({ key }, inner);
    case 'spoiler':
      return h(Spoiler, { key }, inner);
    case 'mention':
    case 'mention_all':
      return span({ key, class: entity.type === 'mention_all' || entity.user_id === myId() ? 'mention me' : 'mention' }, inner);
    default:
      return span({ key, class: `text-${entity.type}` }, inner);
  }
}

/** @param {string} url */
const ask = (url) => confirm({ title: t().linkQuestion, text: url, action: t().groups.open, onConfirm: () => void open(url, '_blank', 'noopener,noreferrer') });

const HOST = /(?<![\p{L}\p{N}.-])(?:[\p{L}\p{N}-]+\.)+\p{L}[\p{L}\p{N}-]+/gu;
const hostOf = (/** @type {string} */ url) => (URL.canParse(url) ? new URL(url).hostname.replace(/^www\./, '') : '');

/** Whether the text of a link names another site than the one it leads to. @param {string} text @param {string} url */
export function misleads(text, url) {
  const host = hostOf(url);
  return host !== '' && [...text.matchAll(HOST)].some(([shown]) => hostOf(`http://${shown}`) !== host);
}

/** The server accepts only these schemes. Nothing else becomes a link in any case. @param {string} url */
const safe = (url) => (/^(https?:|mailto:)/i.test(url) ? url : '');

/** @param {{children?: import('../lib/dom.js').Children}} props */
function Spoiler({ children }) {
  const [isShown, setShown] = useState(false);
  if (isShown) return span({ class: 'spoiler shown' }, children);
  return button({ type: 'button', class: 'spoiler', 'aria-label': t().spoiler, onClick: () => setShown(true) }, span({ 'aria-hidden': true }, children));
}
