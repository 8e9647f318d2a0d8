import { h, render } from './lib/dom.js';
import { watchInstall } from './lib/install.js';
import { registerWorker } from './lib/trusted.js';
import { openClient, user } from './state/session.js';
import { startLanguage } from './state/settings.js';
import { App } from './app.js';

watchInstall();
// If the client cannot be loaded, signing in says so.
const open = () => openClient().catch(() => {});
if (user.value) open();
startLanguage().then(() => {
  render(h(App, {}), /** @type {HTMLElement} */ (document.getElementById('app')));
  // The sign-in form is there before the rest of the client is loaded.
  if (!user.value) setTimeout(open, 100);
  registerWorker();
});
