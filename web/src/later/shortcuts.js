import { div, h, h3, kbd, li, section, span, ul } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { KEYS, MARKS } from '../lib/marks.js';
import { Dialog } from '../ui/dialog.js';

/** @typedef {[string[][], string]} Shortcut the ways to press it, each with its keys; what it does */

/** All keyboard shortcuts. @param {{close: () => void}} props */
export function View({ close }) {
  const texts = t();
  const formats = Object.entries(texts.formats).map(([type, name]) => {
    const keys = Object.keys(KEYS).filter((one) => KEYS[one] === type).map((one) => one.replace(/.$/, (letter) => letter.toUpperCase()).split('+'));
    return /** @type {Shortcut} */ ([[...keys, [type === 'link' ? '[…](https://…)' : `${MARKS[type]}…${MARKS[type]}`]], name]);
  });
  /** @type {[string, Shortcut[]][]} */
  const parts = [
    [texts.keysEverywhere, [[[['Alt', '↑'], ['Alt', '↓']], texts.keyChats], [[['Ctrl', 'K'], ['/']], texts.keySearch], [[['Esc']], texts.keyEscape], [[['Ctrl', '/'], ['?']], texts.shortcuts]]],
    [texts.keysComposer, [[[['Enter']], texts.keySend], [[['Shift', 'Enter']], texts.keyLine], [[['↑']], texts.keyEdit], [[['@']], texts.keyMention], ...formats]],
    [texts.keysLists, [[[['Shift', 'F10']], texts.keyMenu], [[['Home'], ['End']], texts.keyEnds], [[['PageUp'], ['PageDown']], texts.keyPages]]],
  ];
  return h(
    Dialog,
    { title: texts.shortcuts, close },
    div(
      { class: 'shortcuts' },
      parts.map(([title, shortcuts]) =>
        section(
          { key: title },
          h3({ class: 'shortcuts-title' }, title),
          ul(
            { class: 'shortcut-list' },
            shortcuts.map(([ways, text]) =>
              li({ key: text }, span(null, text), span({ class: 'combinations' }, ways.map((keys, n) => [n > 0 && span({ class: 'hint' }, texts.or), span({ key: keys.join('+'), class: 'combination' }, keys.map((key) => kbd({ key }, key)))])))
            )
          )
        )
      )
    )
  );
}
