import { button, div, h, span } from '../lib/dom.js';
import { moveFocus } from '../lib/focus.js';
import { t } from '../lib/i18n.js';
import { KEYS, MARKS } from '../lib/marks.js';
import { Icon } from '../ui/icons.js';

/** What the buttons show. @type {{[type: string]: any}} */
const SIGNS = { bold: 'B', italic: 'I', strike: 'S', code: '</>', pre: '{ }', spoiler: '▒▒', link: h(Icon, { name: 'link' }) };
const URL_START = 'https://';

/** How a format is written around a text: with its mark, or where that cannot be. @param {string} type */
function waysOf(type) {
  const mark = MARKS[type];
  const first = type === 'link' ? ['[', `](${URL_START})`] : type === 'pre' ? [`${mark}\n`, `\n${mark}`] : [mark, mark];
  return [first, ['[', `](:${type})`]].map(([before, after]) => ({ type, before, after }));
}
const WAYS = Object.keys(SIGNS).flatMap(waysOf);

/**
 * Puts a format around what is selected, or takes it away. White space at its ends stays outside.
 * @param {string} value @param {number} from @param {number} to @param {string} type
 * @returns {[value: string, from: number, to: number]} with what is selected then
 */
export function toggle(value, from, to, type) {
  while (from < to && /\s/.test(value[from])) from++;
  while (from < to && /\s/.test(value[to - 1])) to--;
  // One backtick is not of three.
  const isAround = (/** @type {number} */ a, /** @type {number} */ b, { before, after } = WAYS[0]) =>
    a >= 0 && b - a >= before.length + after.length && value.startsWith(before, a) && value.startsWith(after, b - after.length) && (before !== '`' || (value[a + 1] !== '`' && value[a - 1] !== '`'));
  // Marks at both ends belong together only if there are no more of them in between.
  const isOne = (/** @type {typeof WAYS[0]} */ one) => isAround(from, to, one) && !value.slice(from + one.before.length, to - one.after.length).includes(one.before);
  for (let way; (way = WAYS.find(isOne)); [from, to] = [from + way.before.length, to - way.after.length]);
  let [start, end] = [from, to];
  for (let way; (way = WAYS.find((one) => isAround(start - one.before.length, end + one.after.length, one))); ) {
    const { before, after } = way;
    if (way.type === type) return [value.slice(0, start - before.length) + value.slice(start, end) + value.slice(end + after.length), from - before.length, to - before.length];
    [start, end] = [start - before.length, end + after.length];
  }
  if (type === 'code' && value.slice(from, to).includes('\n')) type = 'pre';
  const isInWord = /[\p{L}\p{N}]$/u.test(value.slice(0, from)) || /^[\p{L}\p{N}]/u.test(value.slice(to));
  const { before, after } = waysOf(type)[isInWord && type !== 'link' ? 1 : 0];
  const text = value.slice(0, from) + before + value.slice(from, to) + after + value.slice(to);
  const next = to + before.length;
  // The address of a link comes next.
  return type === 'link' ? [text, next + 2, next + after.length - 1] : [text, from + before.length, next];
}

/** @param {HTMLTextAreaElement} box @param {string} type */
export function format(box, type) {
  const [text, from, to] = toggle(box.value, box.selectionStart, box.selectionEnd, type);
  box.setRangeText(text, 0, box.value.length);
  box.focus({ preventScroll: true });
  box.setSelectionRange(from, to);
  box.dispatchEvent(new InputEvent('input', { bubbles: true }));
}

/** The formats for what is selected in the composer. @param {{field: {current: HTMLTextAreaElement | null}}} props */
export function View({ field }) {
  const texts = t();
  const onKeyDown = (/** @type {KeyboardEvent & {currentTarget: HTMLElement}} */ event) => {
    if (event.key === 'Escape') field.current?.focus({ preventScroll: true });
    else moveFocus(event, event.currentTarget, 'button');
  };
  return div(
    { class: 'formatting', role: 'toolbar', 'aria-label': texts.formatting, onKeyDown },
    Object.entries(texts.formats).map(([type, name], n) => {
      const keys = Object.keys(KEYS).find((one) => KEYS[one] === type);
      return button(
        {
          ...{ key: type, type: 'button', class: `icon-button format-${type}`, tabIndex: n ? -1 : 0, 'aria-label': name, title: keys ? `${name} (${keys})` : name },
          // The field keeps the focus.
          onPointerDown: (event) => event.preventDefault(),
          onClick: () => format(/** @type {HTMLTextAreaElement} */ (field.current), type),
        },
        span({ 'aria-hidden': true }, SIGNS[type])
      );
    })
  );
}
