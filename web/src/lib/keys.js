/**
 * With Ctrl, the keys of a Cyrillic or Greek layout count as the Latin letters in their places.
 * @param {KeyboardEvent} event
 * @returns {string} such as `Ctrl+k`, `Alt+ArrowUp` or `Escape`
 */
export function combination({ key, code = '', altKey, ctrlKey, metaKey, shiftKey }) {
  const isOther = (ctrlKey || metaKey) && key.length === 1 && (key > '\x7f' || (code === 'Slash' && key === '.'));
  const latin = isOther ? (/^Key[A-Z]$/.test(code) ? code[3] : code === 'Slash' ? '/' : key) : key;
  const name = latin.length === 1 ? latin.toLowerCase() : latin;
  // Of a sign Shift is a part.
  const hasShift = shiftKey && (key.length > 1 || ((ctrlKey || metaKey) && /^[a-z]$/.test(name)));
  return `${ctrlKey || metaKey ? 'Ctrl+' : ''}${altKey ? 'Alt+' : ''}${hasShift ? 'Shift+' : ''}${name}`;
}

/**
 * Calls the function of a key combination, from anywhere on the page. Returns what ends it. A function that returns `false` did
 * not want the key.
 * @param {Record<string, () => void | false>} actions
 */
export function listen(actions) {
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.defaultPrevented || event.isComposing) return;
    const name = combination(event);
    // Without a modifier it may be meant for a text.
    if (name.length === 1 && isEditable(event.target)) return;
    const action = actions[name];
    if (action && action() !== false) event.preventDefault();
  };
  document.addEventListener('keydown', onKeyDown);
  return () => document.removeEventListener('keydown', onKeyDown);
}

/** @param {EventTarget | null} target */
export const isEditable = (target) => target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
