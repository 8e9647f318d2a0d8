import { signal } from '../../vendor/signals.js';

/** Whether a newer version of the client is there, which the next start shows. */
export const update = signal(false);

// The CSP requires trusted types, also for the address of a worker. Nothing else in the client needs one.
const { trustedTypes } = /** @type {any} */ (globalThis);
const policy = trustedTypes?.createPolicy('neonchat', { createScriptURL: (/** @type {string} */ url) => url });

/** Lets the service worker keep the client on the device. Without one, as in private windows, the client needs a network to start. */
export function registerWorker() {
  const { serviceWorker } = navigator;
  if (!serviceWorker) return;
  // The first worker brings nothing new.
  let isFirst = !serviceWorker.controller;
  serviceWorker.addEventListener('controllerchange', () => {
    if (!isFirst) update.value = true;
    isFirst = false;
  });
  serviceWorker.register(policy ? policy.createScriptURL('/sw.js') : '/sw.js').catch(() => {});
}
