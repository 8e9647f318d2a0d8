// `localStorage` for small things that have to be there at once. Everything works without it, for instance in a private window.

const PREFIX = 'neonchat.';

/** @param {string} key @returns {any} */
export function load(key) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + key) ?? 'null') ?? undefined;
  } catch {
    return undefined;
  }
}

/** @param {string} key @param {any} value `undefined` deletes it */
export function save(key, value) {
  try {
    if (value === undefined) localStorage.removeItem(PREFIX + key);
    else localStorage.setItem(PREFIX + key, JSON.stringify(value));
  } catch {
    // Full or forbidden.
  }
}

/** Deletes what belongs to a user: everything but what is in `kept`. @param {string[]} kept */
export function wipe(kept) {
  try {
    for (const key of Object.keys(localStorage)) {
      if (key.startsWith(PREFIX) && !kept.includes(key.slice(PREFIX.length))) localStorage.removeItem(key);
    }
  } catch {
    // Nothing was stored.
  }
}
