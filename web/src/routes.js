import { computed, signal } from '../vendor/signals.js';

/**
 * @typedef {{name: 'home'} | {name: 'login'} | {name: 'register'} | {name: 'settings'} | {name: 'rooms'} | {name: 'invite', code: string} | {name: 'chat', chat: string, seq?: number, isInfo?: boolean} | {name: 'other', path: string}} Route
 */

const pathname = signal(location.pathname);

/** @param {string} path @returns {Route} */
export function parseRoute(path) {
  const [first, second, third, ...rest] = path.split('/').slice(1);
  if (!first) return { name: 'home' };
  if ((first === 'login' || first === 'register' || first === 'settings' || first === 'rooms') && second === undefined) return { name: first };
  if (first === 'c' && second && !rest.length) {
    if (third === undefined) return { name: 'chat', chat: second };
    if (third === 'info') return { name: 'chat', chat: second, isInfo: true };
    if (/^[1-9]\d*$/.test(third)) return { name: 'chat', chat: second, seq: Number(third) };
  }
  // The server names `join` in the links that it makes.
  if ((first === 'invite' || first === 'join') && second && third === undefined) return { name: 'invite', code: second };
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
  else if (replace || (isChat(path) && location.pathname.startsWith('/c/'))) history.replaceState(history.state, '', path);
  else history.pushState({ inside: true }, '', path);
  hasMoved = true;
  pathname.value = path;
}

/** Leaves a view: back in the history if it was opened from inside the client. @param {string} path */
export function leave(path) {
  if (history.state?.inside) history.back();
  else navigate(path, { replace: true });
}

const isChat = (/** @type {string} */ path) => path.startsWith('/c/') && !path.endsWith('/info');

addEventListener('popstate', () => (pathname.value = location.pathname));

// Links inside the client do not load the page again.
document.addEventListener('click', (event) => {
  if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const link = event.target instanceof Element ? /** @type {HTMLAnchorElement | null} */ (event.target.closest('a[href^="/"]')) : null;
  if (!link || link.target || link.hasAttribute('download')) return;
  event.preventDefault();
  navigate(link.pathname);
});

/** Where the info of a group stands beside its messages; app.css says the same. */
const isWide = () => matchMedia('(min-width: 1100px)').matches;

/** Shows the info of a group. Where it covers the chat, Back leads to the chat. @param {string} id */
export const openInfo = (id) => navigate(`/c/${id}/info`, { replace: isWide() });

/** @param {string} id */
export function closeInfo(id) {
  if (isWide()) navigate(`/c/${id}`, { replace: true });
  else leave(`/c/${id}`);
}
