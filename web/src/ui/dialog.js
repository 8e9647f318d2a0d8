import { useId, useLayoutEffect, useRef } from '../../vendor/hooks.js';
import { signal } from '../../vendor/signals.js';
import { button, dialog, div, form, h, h2, header, p } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { IconButton } from './button.js';

/**
 * @typedef {import('../lib/dom.js').VNode} VNode
 * @typedef {() => VNode} View
 */

/** The open dialogs, the topmost last. @type {import('../../vendor/signals.js').Signal<View[]>} */
const open = signal([]);

/** Shows a dialog until its `close` is called. @param {(close: () => void) => VNode} view */
export function showDialog(view) {
  const close = () => (open.value = open.peek().filter((one) => one !== shown));
  const shown = () => view(close);
  open.value = [...open.peek(), shown];
}

export const isDialogOpen = () => open.peek().length > 0;

/** Where dialogs are shown. */
export const Dialogs = () => div(null, open.value.map((view, n) => h(view, { key: n })));

/**
 * A modal dialog. The browser keeps the focus inside, and gives it back to what opened it.
 * @param {{title: string, close: () => void, role?: 'dialog' | 'alertdialog', children?: import('../lib/dom.js').Children, class?: string}} props
 */
export function Dialog({ title, close, role = 'dialog', children, class: more = '' }) {
  const ref = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const titleId = useId();
  useLayoutEffect(() => {
    const dialog = ref.current;
    dialog?.showModal();
    // One that is taken away open would leave the focus nowhere.
    return () => dialog?.close();
  }, []);
  return dialog(
    {
      ref,
      role,
      class: `dialog ${more}`,
      'aria-labelledby': titleId,
      onClose: close,
      // A click beside it.
      onClick: (event) => event.target === event.currentTarget && ref.current?.close(),
    },
    div(
      { class: 'dialog-body' },
      header({ class: 'dialog-head' }, h2({ id: titleId }, title), role === 'dialog' && h(IconButton, { icon: 'close', name: t().close, onClick: () => ref.current?.close() })),
      children
    )
  );
}

/**
 * Asks before something that cannot be undone.
 * @param {{title: string, text: string, action: string, onConfirm: () => void, note?: string}} question
 */
export function confirm({ title, text, action, onConfirm, note }) {
  showDialog((close) =>
    h(
      Dialog,
      { title, close, role: 'alertdialog', class: 'narrow' },
      p(null, text),
      note && p({ class: 'problem' }, note),
      form(
        {
          class: 'actions',
          method: 'dialog',
          onSubmit: (event) => {
            event.preventDefault();
            close();
            onConfirm();
          },
        },
        button({ type: 'button', class: 'button', onClick: close, autofocus: true }, t().cancel),
        button({ type: 'submit', class: 'button danger' }, action)
      )
    )
  );
}
