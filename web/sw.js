// Keeps the client on the device, so that it starts at once and without a network. A page gets all of its files from one version. A new
// version is loaded completely beside the old one, and takes every page that is opened from then on; the pages that are open say so, and
// keep theirs until they are closed.

/** @type {any} */
const worker = self;

// chat-service writes the hash of all files here, and their paths with their hashes, which their ETags contain.
const CACHE = 'neonchat-__BUILD__';
/** @type {Map<string, string>} */
const FILES = new Map(/** @type {any} */ (['__FILES__']));

/** What is never asked for over the worker: the API, and pages of the services. */
const OTHERS = /^\/(api|swagger-ui|openapi\.json|metrics|health|live|ready)\b/;
const POLICY = 'Content-Security-Policy';

/** The version of each page that this worker has met, by the id of the page. @type {Map<string, string>} */
const versions = new Map();
/** Where a version says that a page has it. @param {string} id */
const markOf = (id) => `/.page/${id}`;

/** Asks the server for a file. What is not of this version, such as that of another instance or of a proxy, is an error. @param {string} path */
async function ask(path) {
  const answer = await fetch(new Request(path, { cache: 'no-cache', headers: path === '/' ? { Accept: 'text/html' } : {} }));
  const hash = FILES.get(path === '/' ? '/index.html' : path);
  if (!answer.ok || !hash || !answer.headers.get('ETag')?.includes(hash)) throw new Error(`${path} is of another version`);
  return answer;
}

async function install() {
  // All of them, or the version is not there, and the browser tries again later.
  const paths = ['/', ...FILES.keys()];
  const answers = await Promise.all(paths.map(ask));
  const cache = await caches.open(CACHE);
  await Promise.all(paths.map((path, n) => cache.put(path, answers[n])));
}

/** The first version takes the pages that have loaded it. Later ones leave the open pages with theirs. */
async function activate() {
  const names = await caches.keys();
  if (names.some((name) => name.startsWith('neonchat-') && name !== CACHE)) return;
  for (const { id } of await worker.clients.matchAll({ type: 'window', includeUncontrolled: true })) await mark(id);
  await worker.clients.claim();
}

/** @param {string} id */
async function mark(id) {
  versions.set(id, CACHE);
  await (await caches.open(CACHE)).put(markOf(id), new Response(CACHE));
}

/** The version of a page. @param {string} id */
async function versionOf(id) {
  const version = versions.get(id) ?? (await (await caches.match(markOf(id)))?.text()) ?? CACHE;
  versions.set(id, version);
  return version;
}

/** Deletes the older versions that no page has. Newer ones may be under way. */
async function tidy() {
  const names = (await caches.keys()).filter((name) => name.startsWith('neonchat-'));
  const older = names.slice(0, Math.max(0, names.indexOf(CACHE)));
  if (!older.length) return;
  const pages = await worker.clients.matchAll({ type: 'window', includeUncontrolled: true });
  const used = new Set(await Promise.all(pages.map((/** @type {{id: string}} */ { id }) => versionOf(id))));
  for (const name of older) if (!used.has(name)) await caches.delete(name);
}

/** The policy is no part of a version: it depends on settings of the server. */
async function refreshPolicy() {
  const cache = await caches.open(CACHE);
  const [known, answer] = [await cache.match('/', { ignoreVary: true }), await ask('/')];
  if (known?.headers.get(POLICY) !== answer.headers.get(POLICY)) await cache.put('/', answer);
}

/** @param {any} event @param {boolean} isPage */
async function respond({ request, clientId }, isPage) {
  const cache = await caches.open(isPage ? CACHE : await versionOf(clientId));
  return (await cache.match(isPage ? '/' : request, { ignoreVary: true, ignoreSearch: true })) ?? fetch(request);
}

worker.addEventListener('install', (/** @type {any} */ event) => event.waitUntil(install().then(() => worker.skipWaiting())));
worker.addEventListener('activate', (/** @type {any} */ event) => event.waitUntil(activate()));
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
  const { method, mode, url } = event.request;
  const { origin, pathname } = new URL(url);
  if (method !== 'GET' || origin !== location.origin || OTHERS.test(pathname)) return;
  const isPage = mode === 'navigate' && !pathname.includes('.');
  // A file may be one of an older version alone.
  if (!isPage && !pathname.includes('.')) return;
  event.respondWith(respond(event, isPage));
  if (!isPage) return;
  event.waitUntil(mark(event.resultingClientId).then(tidy));
  event.waitUntil(refreshPolicy().catch(() => {}));
});
