// Keeps the client on the device, so that it starts without a network, and with one version of all its files: the new version is loaded
// completely beside the old one, and is used from the next start on. What it consists of follows from index.html and the imports of the
// modules; there is no list to maintain.

/** @type {any} */
const worker = self;
const PREFIX = 'neonchat-';
/** Starts that follow soon do not look for a new version. */
const PAUSE = 60_000;
const LINKS = /(?:href|src)="(\/[^"]*\.[a-z0-9]+)"/g;
const IMPORTS = /(?:\bfrom|\bimport)\s*\(?\s*(['"])((?:\.{0,2}\/)[^'"]+)\1/g;
const COMMENTS = /\/\*[^]*?\*\//g;
const ICONS = /"src":\s*"([^"]+)"/g;

/** @param {string} url @param {string} text @returns {string[]} the addresses of the client that a file names */
function named(url, text) {
  const pattern = url.endsWith('.js') ? IMPORTS : url.endsWith('.webmanifest') ? ICONS : LINKS;
  // Types in comments are imports too.
  return [...text.replace(COMMENTS, '').matchAll(pattern)].map((match) => new URL(match.at(pattern === IMPORTS ? 2 : 1) ?? '', url).href);
}

/**
 * Loads a version into a cache.
 * @param {Cache} cache
 * @returns {Promise<string>} what the version consists of: it is the same for the same files
 */
async function load(cache) {
  const root = new URL('/', location.href).href;
  const known = new Set([root]);
  /** @type {string[]} */
  const tags = [];
  /** @param {string} url @returns {Promise<void>} */
  async function take(url) {
    const answer = await fetch(url, { cache: 'no-cache', credentials: 'same-origin' });
    if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
    await cache.put(url, answer.clone());
    const text = await answer.text();
    tags.push(`${url} ${answer.headers.get('ETag') ?? text.length}`);
    const next = /\.(js|webmanifest)$|\/$/.test(url) ? named(url, text).filter((one) => !known.has(one)) : [];
    for (const one of next) known.add(one);
    await Promise.all(next.map(take));
  }
  await take(root);
  return tags.sort().join('\n');
}

const versions = async () => (await caches.keys()).filter((name) => name.startsWith(PREFIX)).sort();

/** Loads the present version, unless it is here. Returns whether it is a new one. */
async function update() {
  const [latest] = (await versions()).reverse();
  const name = `${PREFIX}${Date.now()}`;
  const cache = await caches.open(name);
  try {
    const tags = await load(cache);
    await cache.put('/version', new Response(tags));
    const before = latest && (await (await caches.open(latest)).match('/version'))?.text();
    if (tags === (await before)) await caches.delete(name);
    return tags !== (await before);
  } catch (error) {
    await caches.delete(name);
    throw error;
  }
}

let checked = 0;

/** Looks for a new version, and tells the pages of it. */
async function check() {
  if (Date.now() - checked < PAUSE) return;
  checked = Date.now();
  if (await update()) for (const page of await worker.clients.matchAll()) page.postMessage('updated');
}

/** @param {Request} request */
async function respond(request) {
  const isPage = request.mode === 'navigate';
  const all = await versions();
  // The pages that are open may still need files of the version before.
  if (isPage) for (const old of all.splice(0, Math.max(0, all.length - 2))) await caches.delete(old);
  const latest = all.at(-1);
  const cached = latest && (await (await caches.open(latest)).match(isPage ? '/' : request.url.split('?')[0]));
  return cached || fetch(request);
}

worker.addEventListener('install', (/** @type {any} */ event) => event.waitUntil(update().then(() => worker.skipWaiting())));
worker.addEventListener('activate', (/** @type {any} */ event) => event.waitUntil(worker.clients.claim()));
worker.addEventListener('message', (/** @type {any} */ event) => {
  // Without a network the version that is here is the best one.
  if (event.data === 'check') event.waitUntil(check().catch(() => {}));
});
// A notification of a page that cannot show one itself: see state/notify.js.
worker.addEventListener('notificationclick', (/** @type {any} */ event) => {
  const { notification } = event;
  notification.close();
  const open = async () => {
    const [page] = await worker.clients.matchAll({ type: 'window' });
    if (!page) return worker.clients.openWindow(notification.data.path);
    page.postMessage({ open: notification.data.path });
    return page.focus();
  };
  event.waitUntil(open());
});
worker.addEventListener('fetch', (/** @type {any} */ event) => {
  const { method, url, mode } = event.request;
  const { origin, pathname } = new URL(url);
  const isClient = origin === location.origin && (mode === 'navigate' ? !/^\/(api|swagger-ui|metrics|health|live|ready)\b/.test(pathname) : /^\/(src|vendor|sdk|icons)\/|^\/[^/]+\.(css|webmanifest)$/.test(pathname));
  if (method === 'GET' && isClient) event.respondWith(respond(event.request));
});
