// The only module that knows the SDK. The others get the client from here.
import { NeonChat, indexedDbStore } from '/sdk/index.js';
import { computed, signal } from '../../vendor/signals.js';
import { load, save } from '../lib/storage.js';
import { update } from '../lib/trusted.js';

/**
 * @typedef {import('/sdk/index.js').Client} Client
 * @typedef {import('/sdk/index.js').ChatItem} ChatItem
 * @typedef {import('/sdk/index.js').Message} Message
 * @typedef {import('/sdk/index.js').Pending} Pending
 * @typedef {import('/sdk/index.js').Frame} Frame
 * @typedef {import('/sdk/index.js').Status} Status
 * @typedef {import('./session.js').User} User
 */

/** Set by `open`, before anything else can use it. @type {Client} */
export let client;

/** @type {import('../../vendor/signals.js').Signal<Status>} */
export const status = signal({ state: 'stopped' });
export const isOnline = signal(navigator.onLine);

/** Without a connection: why. */
export const connection = computed(() => {
  const { state, reason } = status.value;
  if (!isOnline.value || state === 'offline') return 'waiting';
  if (state === 'live' || state === 'signed_out') return 'live';
  return state === 'stopped' && reason === 'closed' ? 'stopped' : 'connecting';
});

/** Whether the chats are those of the server, and not only what the store had. */
export const isListed = signal(false);

/** Whether the browser keeps nothing, for instance in a private window. */
export const storeFailed = signal(false);

/** Ends the requests of the SDK. */
const requests = new AbortController();

/** Tells the server that the session ends, also after the page is gone. */
export async function tellEnd() {
  const { access, access_expires_at = 0 } = client.session ?? {};
  // The cookie is enough. A token that has expired would be refused.
  const headers = access && access_expires_at > Date.now() ? { Authorization: `Bearer ${access}` } : undefined;
  await fetch('/api/v1/auth/logout', { method: 'POST', headers, keepalive: true }).catch(() => {});
}

/** Deletes what is stored, without waiting for the server. The page has to be loaded again. */
export async function forget() {
  requests.abort();
  await client.logout().catch((error) => {
    if (client.session) throw error;
  });
}

/** Where the WebSocket is. It is asked for once and kept, so that the client starts without a network. */
async function webSocketUrl() {
  const stored = load('config');
  const asked = fetch('/api/v1/client-config').then(async (answer) => {
    if (!answer.ok) throw new Error(`client-config: ${answer.status}`);
    const config = await answer.json();
    save('config', config);
    // The policy of this page allows only the former one.
    if (stored && stored.ws_url !== config.ws_url) update.value = true;
    return config;
  });
  asked.catch(() => {});
  const config = stored ?? (await asked.catch(() => undefined));
  return config?.ws_url;
}

/**
 * Makes the client, and connects if somebody is signed in.
 * @param {(user: User | null, reason?: string) => void} changed
 */
export async function open(changed) {
  client = new NeonChat({
    url: location.origin,
    webSocketUrl: await webSocketUrl(),
    store: indexedDbStore('neonchat'),
    // Not every browser has `any`: there only what begins afterwards is aborted.
    fetch: (url, { signal, ...request } = {}) => fetch(url, { ...request, signal: (signal && AbortSignal.any?.([signal, requests.signal])) ?? (requests.signal.aborted ? requests.signal : signal) }),
  });
  client.on('state', (next) => {
    status.value = next;
    // Without a connection nothing better will come.
    if (/waiting|offline/.test(next.state)) isListed.value = true;
    else if (next.state === 'signed_out') isListed.value = false;
    // Another tab has the connection, and has told its chats before.
    else if (next.state === 'live' && !client.isLeader) isListed.value = true;
    if (next.state === 'signed_out') changed(null, next.reason);
    else if (client.session) changed(client.session.user);
  });
  client.on('chat', ({ type }) => {
    if (type === 'chats' && /syncing|live/.test(client.state)) isListed.value = true;
  });
  client.on('error', ({ code }) => {
    if (code === 'store_failed') storeFailed.value = true;
  });
  for (const name of ['online', 'offline']) addEventListener(name, () => (isOnline.value = navigator.onLine));
  document.addEventListener('visibilitychange', () => client.presence(document.hidden ? 'away' : 'online'));
  await client.open();
  changed(client.session?.user ?? null);
  client.start();
}
