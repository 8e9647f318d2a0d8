// Modules of the client import the SDK by the address at which it is served.
import { register } from 'node:module';

const sdk = new URL('../../../sdk/js/src/', import.meta.url).href;
const hooks = `export const resolve = (name, context, next) => next(name.startsWith('/sdk/') ? ${JSON.stringify(sdk)} + name.slice(5) : name, context);`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);

/** What the modules expect of a browser when they are loaded. */
export function fakeBrowser() {
  const events = new EventTarget();
  const values = new Map();
  const localStorage = {
    getItem: (key) => values.get(key) ?? null,
    setItem: (key, value) => values.set(key, value),
    removeItem: (key) => values.delete(key),
  };
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

/** A message of a chat. */
export const message = (seq, more = {}) => ({ id: `m${seq}`, chat_id: 'c', sender_id: 'bob', text: `text ${seq}`, created_at: '2026-01-02T03:04:05Z', updated_at: '2026-01-02T03:04:05Z', seq, ...more });
