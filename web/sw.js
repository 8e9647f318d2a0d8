// Keeps the client on the device, so that it starts at once and without a network, with one version of all its files. A new version is
// loaded completely beside the old one, and then replaces it. The pages that are open say so.

/** @type {any} */
const worker = self;

// chat-service writes the hash of all files and their list here.
const CACHE = 'neonchat-__BUILD__';
const FILES = ['__FILES__'];

/** What is never asked for over the worker: the API, and pages of the services. */
const OTHERS = /^\/(api|swagger-ui|openapi\.json|metrics|health|live|ready)\b/;

async function install() {
  const cache = await caches.open(CACHE);
  // All of them, or the version is not there.
  await cache.addAll(['/', ...FILES].map((path) => new Request(path, { cache: 'no-cache', headers: path === '/' ? { Accept: 'text/html' } : {} })));
}

async function activate() {
  for (const name of await caches.keys()) if (name.startsWith('neonchat-') && name !== CACHE) await caches.delete(name);
  await worker.clients.claim();
}

/** @param {Request} request @param {boolean} isPage */
async function respond(request, isPage) {
  const cache = await caches.open(CACHE);
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
  if (isPage || FILES.includes(pathname)) event.respondWith(respond(event.request, isPage));
});
