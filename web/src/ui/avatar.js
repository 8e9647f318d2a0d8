import { span } from '../lib/dom.js';
import { presenceOf } from '../state/people.js';

/** How many colours app.css has. */
const COLOURS = 8;

/** The number of the colour of a user or chat. @param {string} id */
export function colourOf(id) {
  let hash = 0;
  for (let n = 0; n < id.length; n++) hash = (hash * 31 + id.charCodeAt(n)) >>> 0;
  return hash % COLOURS;
}

/** The first letters of the first two words. @param {string} name */
export function initials(name) {
  const words = name.split(/[\s_.-]+/).filter(Boolean);
  return words.slice(0, 2).map((word) => [...word][0]?.toUpperCase()).join('') || '·';
}

/**
 * A round picture for a user or a chat. Its name stands beside it.
 * @param {{id: string, name: string, user?: string, size?: 'small' | 'large'}} props `user`: whose presence it shows
 */
export function Avatar({ id, name, user, size }) {
  const status = user && presenceOf(user)?.status;
  return span(
    { class: `avatar ${size ?? ''}`, 'data-colour': colourOf(id), 'aria-hidden': true },
    initials(name),
    (status === 'online' || status === 'away') && span({ class: `dot ${status}` })
  );
}
