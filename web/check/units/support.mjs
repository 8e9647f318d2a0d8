// Modules of the client import the SDK by the address at which it is served.
import { register } from 'node:module';

const sdk = new URL('../../../sdk/js/src/', import.meta.url).href;
const hooks = `export const resolve = (name, context, next) => next(name.startsWith('/sdk/') ? ${JSON.stringify(sdk)} + name.slice(5) : name, context);`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);

/** What the modules expect of a browser when they are loaded. */
export function fakeBrowser() {
  const events = new EventTarget();
  const values = {};
  // `Object.keys` of the real one has what is stored.
  const localStorage = Object.defineProperties(values, {
    getItem: { value: (key) => values[key] ?? null },
    setItem: { value: (key, value) => void (values[key] = value) },
    removeItem: { value: (key) => void delete values[key] },
  });
  const element = { dataset: {}, lang: '' };
  Object.assign(globalThis, {
    localStorage,
    location: { pathname: '/', origin: 'http://localhost' },
    history: { state: null, pushState() {}, replaceState() {} },
    document: { documentElement: element, querySelectorAll: () => [], addEventListener() {}, visibilityState: 'visible', hasFocus: () => true },
    addEventListener: events.addEventListener.bind(events),
    dispatchEvent: events.dispatchEvent.bind(events),
  });
  Object.defineProperty(globalThis, 'navigator', { value: { language: 'en', languages: ['en'], onLine: true, userAgent: 'test' }, configurable: true });
}

/**
 * Replaces the client of the SDK in modules that are imported afterwards. Returns what tells its listeners of an event.
 * @param {object} members
 */
export function fakeClient(members) {
  const listeners = {};
  globalThis.fakeClient = { on: (name, listener) => (listeners[name] ??= []).push(listener), ...members };
  const signals = new URL('../../vendor/signals.js', import.meta.url);
  const module = `data:text/javascript,${encodeURIComponent(`import { signal } from '${signals}'; export const client = globalThis.fakeClient; export const [status, isOnline, connection, isListed, storeFailed] = Array.from({ length: 5 }, () => signal({})); export const open = () => {};`)}`;
  const hooks = `export const resolve = (name, context, next) => next(name.endsWith('/client.js') ? ${JSON.stringify(module)} : name, context);`;
  register(`data:text/javascript,${encodeURIComponent(hooks)}`);
  return (name, data) => listeners[name].forEach((listener) => listener(data));
}

/** Waits until what was begun has gone on as far as it can. */
export async function settled() {
  for (let n = 0; n < 20; n++) await new Promise(setImmediate);
}

/** A message of a chat. */
export const message = (seq, more = {}) => ({ id: `m${seq}`, chat_id: 'c', sender_id: 'bob', text: `text ${seq}`, created_at: '2026-01-02T03:04:05Z', updated_at: '2026-01-02T03:04:05Z', seq, ...more });
