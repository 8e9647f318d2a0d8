import { signal } from '../../vendor/signals.js';

/** Whether a newer version of the client is loaded and waits for a reload. */
export const updateReady = signal(false);

// The CSP requires trusted types, also for the address of a worker. Nothing else in the client needs one.
const { trustedTypes } = /** @type {any} */ (globalThis);
const policy = trustedTypes?.createPolicy('neonchat', { createScriptURL: (/** @type {string} */ url) => url });

/** Lets the service worker serve the client, so that it starts without a network. */
export function registerWorker() {
  const workers = navigator.serviceWorker;
  if (!workers) return;
  workers.addEventListener('message', ({ data }) => {
    if (data === 'updated') updateReady.value = true;
  });
  workers.register(policy ? policy.createScriptURL('/sw.js') : '/sw.js').then(
    () => workers.ready.then(({ active }) => active?.postMessage('check')),
    () => {
      // Without a worker the client needs a network to start. Private windows forbid it.
    }
  );
}
