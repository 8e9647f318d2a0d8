import { effect, signal } from '../vendor/signals.js';
import { div, h } from './lib/dom.js';
import { navigate, route } from './routes.js';
import { leaving, openClient, user } from './state/session.js';
import { Frame } from './ui/skeleton.js';
import { SignIn } from './views/login.js';

/** The view of a signed-in user. @type {import('../vendor/signals.js').Signal<import('preact').ComponentType | undefined>} */
const Messenger = signal(undefined);
let isLoading = false;
const RETRY = 3_000;

function loadMessenger() {
  if (isLoading) return;
  isLoading = true;
  Promise.all([import('./views/messenger.js'), openClient()]).then(
    ([{ Messenger: loaded, start }]) => {
      start();
      Messenger.value = loaded;
    },
    // Without a network it is tried again.
    () => {
      isLoading = false;
      setTimeout(loadMessenger, RETRY);
    }
  );
}

/** The sign-in form at any path while nobody is signed in; the path stays, so that one is there afterwards. */
export function App() {
  if (!user.value) return h(SignIn, {});
  return Messenger.value && !leaving.value ? h(Messenger.value, {}) : div({ class: 'app' }, h(Frame, {}));
}

effect(() => {
  if (!user.value) return;
  loadMessenger();
  if (/^(login|register|other)$/.test(route.value.name)) navigate('/', { replace: true });
});
