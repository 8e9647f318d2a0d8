import { computed, signal } from '../vendor/signals.js';

/**
 * @typedef {{name: 'home'} | {name: 'login'} | {name: 'register'} | {name: 'settings'} | {name: 'chat', chat: string, seq?: number} | {name: 'other', path: string}} Route
 */

const pathname = signal(location.pathname);

/** @param {string} path @returns {Route} */
export function parseRoute(path) {
  const [first, second, third, ...rest] = path.split('/').slice(1);
  if (!first) return { name: 'home' };
  if ((first === 'login' || first === 'register' || first === 'settings') && second === undefined) return { name: first };
  if (first === 'c' && second && !rest.length) {
    if (third === undefined) return { name: 'chat', chat: second };
    if (/^[1-9]\d*$/.test(third)) return { name: 'chat', chat: second, seq: Number(third) };
  }
  return { name: 'other', path };
}

/** Where the user is. */
export const route = computed(() => parseRoute(pathname.value));

/** Whether the user has gone anywhere yet: on a page that was just loaded the focus is at its beginning. */
export let hasMoved = false;

/** Counts navigations to where one is already, for instance a second click on a link to a message. */
export const visits = signal(0);

/** @param {string} path @param {{replace?: boolean}} [options] */
export function navigate(path, { replace = false } = {}) {
  if (path === location.pathname) visits.value++;
  // Chats are not a trail: Back leads from a chat to the list, however many were looked at.
  else if (replace || (isChat(path) && isChat(location.pathname))) history.replaceState(history.state, '', path);
  else history.pushState({ inside: true }, '', path);
  hasMoved = true;
  pathname.value = path;
}

/** Leaves a view: back in the history if it was opened from inside the client. @param {string} path */
export function leave(path) {
  if (history.state?.inside) history.back();
  else navigate(path, { replace: true });
}

const isChat = (/** @type {string} */ path) => path.startsWith('/c/');

addEventListener('popstate', () => (pathname.value = location.pathname));

// Links inside the client do not load the page again.
document.addEventListener('click', (event) => {
  if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const link = event.target instanceof Element ? /** @type {HTMLAnchorElement | null} */ (event.target.closest('a[href^="/"]')) : null;
  if (!link || link.target || link.hasAttribute('download')) return;
  event.preventDefault();
  navigate(link.pathname);
});
