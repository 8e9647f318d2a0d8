import { useState } from '../../vendor/hooks.js';
import { a, blockquote, button, code, h, pre, span } from '../lib/dom.js';
import { addFound, linksIn, mentionsIn, partsOf } from '../lib/entities.js';
import { t } from '../lib/i18n.js';
import { usernameOf } from '../state/people.js';
import { myId } from '../state/session.js';
import { confirm } from '../ui/dialog.js';

/** @typedef {import('../lib/entities.js').Part} Part */

/** The text of a message with its formatting. @param {{message: import('../state/client.js').Message}} props */
export function Text({ message: { text, entities = [], mentions = [], mention_all } }) {
  const given = entities.filter(({ type, user_id = '' }) => (type === 'mention' ? mentions.includes(user_id) : type !== 'mention_all' || mention_all));
  const found = mentions.length || mention_all ? mentionsIn(text, mentions.map((id) => ({ id, username: usernameOf(id) })), mention_all) : [];
  const all = addFound(given, [...linksIn(text), ...found]);
  return all.length ? partsOf(text, all).map(view) : text;
}

/** @type {{[type: string]: string}} */
const ELEMENTS = { bold: 'strong', italic: 'em', strike: 's', underline: 'u' };

/** @param {Part} part @param {number} key @returns {import('../lib/dom.js').Children} */
function view(part, key) {
  if (part.type === 'text') return part.text;
  const { entity, text, parts } = part;
  const inner = parts.map(view);
  const url = safe(entity.url ?? text);
  switch (entity.type) {
    case 'link':
      return a({ key, href: url || undefined, title: url, target: '_blank', rel: 'noopener noreferrer', ...guardOf(text, url) }, inner);
    case 'code':
      return code({ key }, inner);
    case 'pre':
      return pre({ key, tabIndex: 0 }, code(null, inner));
    case 'quote':
      return blockquote({ key }, inner);
    case 'spoiler':
      return h(Spoiler, { key }, inner);
    case 'mention':
    case 'mention_all':
      return span({ key, class: entity.type === 'mention_all' || entity.user_id === myId() ? 'mention me' : 'mention' }, inner);
    default:
      return h(ELEMENTS[entity.type] ?? 'span', { key }, inner);
  }
}

/** @param {string} url */
const ask = (url) => confirm({ title: t().linkQuestion, text: url, action: t().groups.open, onConfirm: () => void open(url, '_blank', 'noopener,noreferrer') });

/** Sites that a text names: each at the start of an address, not in its path. */
const SITE = /(?<![\p{L}\p{M}\p{N}./?=&#_-])(?:[\p{L}\p{M}\p{N}_-]+\.)+\p{L}[\p{L}\p{M}\p{N}-]+|(?<=:\/\/)(?:[\p{L}\p{M}\p{N}_-]+\.)+\p{L}[\p{L}\p{M}\p{N}-]+/gu;
/** What looks like other characters, or like nothing, is not hidden from the comparison. @param {string} text */
const plainly = (text) => text.normalize('NFKC').replace(/[\p{Cf}\u034f\u115f\u1160\u3164]/gu, '').replace(/[。․]/g, '.');
const addressOf = (/** @type {string} */ text) => (URL.canParse(text) ? new URL(text) : undefined);
const hostOf = (/** @type {string} */ url) => addressOf(url)?.hostname.replace(/^www\./, '') ?? '';

/** A click on a link that misleads is not followed at once. @param {string} text @param {string} url */
function guardOf(text, url) {
  if (!misleads(text, url)) return {};
  // The right button opens a menu.
  const onClick = (/** @type {MouseEvent} */ event) => event.button < 2 && (event.preventDefault(), ask(url));
  return { onClick, onAuxClick: onClick };
}

/** Whether the text of a link names another site than the one it leads to. @param {string} text @param {string} url */
export function misleads(text, url) {
  const host = hostOf(url);
  const written = addressOf(text);
  if (!host || (written && !written.username && written.href === addressOf(url)?.href)) return false;
  return [...plainly(text).matchAll(SITE)].some(([shown]) => hostOf(`http://${shown}`) !== host);
}

/** The server accepts only these schemes. Nothing else becomes a link in any case. @param {string} url */
const safe = (url) => (/^(https?:|mailto:)/i.test(url) ? url : '');

/** @param {{children?: import('../lib/dom.js').Children}} props */
function Spoiler({ children }) {
  const [isShown, setShown] = useState(false);
  if (isShown) return span({ class: 'spoiler shown' }, children);
  return button({ type: 'button', class: 'spoiler', 'aria-label': t().spoiler, onClick: () => setShown(true) }, span({ 'aria-hidden': true }, children));
}
