import { signal } from '../../vendor/signals.js';

/** A newer version of the client that is loaded: the function shows it. @type {import('../../vendor/signals.js').Signal<(() => void) | null>} */
export const update = signal(null);

// The CSP requires trusted types, also for the address of a worker. Nothing else in the client needs one.
const { trustedTypes } = /** @type {any} */ (globalThis);
const policy = trustedTypes?.createPolicy('neonchat', { createScriptURL: (/** @type {string} */ url) => url });

/** Lets the service worker keep the client on the device. Without one, as in private windows, the client needs a network to start. */
export function registerWorker() {
  navigator.serviceWorker?.register(policy ? policy.createScriptURL('/sw.js') : '/sw.js').then((registration) => registration && follow(registration), () => {});
}

/** @param {ServiceWorkerRegistration} registration */
function follow(registration) {
  const { serviceWorker } = navigator;
  const use = (/** @type {ServiceWorker} */ worker) => {
    serviceWorker.addEventListener('controllerchange', () => location.reload(), { once: true });
    worker.postMessage('activate');
  };
  // It has waited for this start.
  if (registration.waiting && serviceWorker.controller) return use(registration.waiting);
  registration.addEventListener('updatefound', () => {
    const worker = registration.installing;
    worker?.addEventListener('statechange', () => {
      if (worker.state === 'installed' && serviceWorker.controller) update.value = () => use(worker);
    });
  });
}
