import { signal } from '../../vendor/signals.js';

/** What the browser offers while the client can be installed as an application, and is not. @type {import('../../vendor/signals.js').Signal<any>} */
const offer = signal(null);

export const canInstall = () => offer.value !== null;

/** Keeps the offer of the browser for the settings. Called at the start: it comes once. */
export function watchInstall() {
  addEventListener('beforeinstallprompt', (event) => {
    event.preventDefault();
    offer.value = event;
  });
  addEventListener('appinstalled', () => (offer.value = null));
}

/** Asks the user. The offer is used up by that. */
export async function install() {
  const event = offer.peek();
  offer.value = null;
  await event?.prompt();
}
