import { useEffect, useRef, useState } from '../../vendor/hooks.js';
import { button, div, footer, form, h, label, span, textarea } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { combination } from '../lib/keys.js';
import { KEYS } from '../lib/marks.js';
import { preview } from '../lib/entities.js';
import { hasMoved } from '../routes.js';
import { MOST, contentOf, editLast, editing, focusRequests, isOverFormatted, learnNames, leaveMode, lengthOf, setText, submit, textOf } from '../state/compose.js';
import { draftOf, flushDraft } from '../state/drafts.js';
import { stopTyping, tellTyping } from '../state/typing.js';
import { IconButton } from '../ui/button.js';
import { Icon } from '../ui/icons.js';
import { Later, showLater, withLater } from '../ui/later.js';
import { refused, toast } from '../ui/toast.js';
import { Completion, createCompletion } from './completion.js';
import { SlowMode, isHeld, useObstacle } from './obstacle.js';
import { senderName, useOriginal } from './quote.js';

/** From here on the number of characters that are left is shown. */
const NEARLY = MOST - 200;
const loadFormatting = () => import('../later/formatting.js');
/** Where there is no keyboard the focus would only open one on the screen. */
const hasKeyboard = () => matchMedia('(hover: hover)').matches;

/** Where messages are written. @param {{chat: import('../state/client.js').ChatItem}} props */
export function Composer({ chat }) {
  const { id } = chat;
  const texts = t();
  const field = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const completion = useRef(createCompletion(id)).current;
  const text = textOf(id);
  const length = lengthOf(text);
  const edit = editing.value?.chatId === id ? editing.value : null;

  useEffect(() => {
    if (hasMoved && hasKeyboard()) field.current?.focus({ preventScroll: true });
    return () => {
      flushDraft(id);
      stopTyping(id);
    };
  }, []);
  // Of a draft, or of an edit.
  useEffect(() => learnNames(id, text), [edit?.message]);
  const wanted = focusRequests.value;
  useEffect(() => {
    if (!wanted) return;
    const box = field.current;
    box?.focus({ preventScroll: true });
    box?.setSelectionRange(box.value.length, box.value.length);
  }, [wanted]);
  const [isSelected, setSelected] = useState(false);
  const look = () => {
    const box = field.current;
    if (box && document.activeElement === box) setSelected(box.selectionStart < box.selectionEnd);
  };
  useEffect(() => {
    fit(field.current);
    look();
  }, [text]);
  useEffect(() => {
    document.addEventListener('selectionchange', look);
    return () => document.removeEventListener('selectionchange', look);
  }, []);

  const closed = useObstacle(chat);
  if (closed) return footer({ class: 'composer closed' }, closed);

  /** @param {{silent?: boolean}} [options] */
  function send(options) {
    // Not the text of the last render: the key may come before the next one.
    const { value } = /** @type {HTMLTextAreaElement} */ (field.current);
    if (isHeld(id) && !edit) return;
    const over = lengthOf(value) - MOST;
    if (over > 0) toast(texts.tooLong(over), { isError: true });
    else if (isOverFormatted(contentOf(id, value))) toast(texts.overFormatted, { isError: true });
    try {
      submit(id, value, options);
    } catch (error) {
      refused(error);
    }
    field.current?.focus({ preventScroll: true });
  }

  /** @param {string} emoji */
  function insert(emoji) {
    const box = /** @type {HTMLTextAreaElement} */ (field.current);
    box.setRangeText(emoji, box.selectionStart, box.selectionEnd, 'end');
    box.dispatchEvent(new InputEvent('input', { bubbles: true }));
    // After the dialog has given the focus back.
    setTimeout(() => document.querySelector('dialog[open]') || box.focus({ preventScroll: true }));
  }
  const openEmojis = (/** @type {MouseEvent} */ event) => showLater(() => import('../later/emoji/picker.js'), { from: /** @type {HTMLElement} */ (event.currentTarget), onPick: insert });

  /** @param {KeyboardEvent} event */
  function onKeyDown(event) {
    if (event.isComposing || event.keyCode === 229) return;
    const format = KEYS[combination(event)];
    if (completion.onKeyDown(event)) event.preventDefault();
    else if (format) {
      event.preventDefault();
      withLater(loadFormatting, (later) => field.current && later.format(field.current, format));
    } else if (event.key === 'Enter' && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      send();
    } else if (event.key === 'Escape') {
      if (leaveMode(id)) event.preventDefault();
    } else if (event.key === 'ArrowUp' && !event.altKey && !textOf(id) && !edit && editLast(id)) event.preventDefault();
  }

  return footer(
    {
      class: 'composer',
      onFocusOut({ currentTarget, relatedTarget }) {
        if (!currentTarget.contains(/** @type {Node | null} */ (relatedTarget))) setSelected(false);
      },
    },
    isSelected && h(Later, { load: loadFormatting, props: { field } }),
    h(SlowMode, { id }),
    h(Completion, { completion }),
    h(Mode, { chatId: id }),
    form(
      {
        class: 'composer-form',
        onSubmit(event) {
          event.preventDefault();
          send();
        },
      },
      label({ class: 'hidden', for: 'composer' }, texts.message),
      textarea({
        ...{ id: 'composer', ref: field, class: 'composer-field', rows: 1, dir: 'auto', value: text, placeholder: texts.message, enterkeyhint: 'send' },
        ...completion.attributes(),
        onInput({ currentTarget }) {
          setText(id, currentTarget.value);
          if (!edit) tellTyping(id, currentTarget.value);
          learnNames(id, currentTarget.value, completion.look(currentTarget));
        },
        onKeyDown,
        onBlur: () => completion.close(),
      }),
      length > NEARLY && span({ class: length > MOST ? 'counter over' : 'counter', role: length > MOST ? 'alert' : undefined }, length > MOST ? texts.tooLong(length - MOST) : texts.charactersLeft(MOST - length)),
      div(
        { class: 'composer-buttons' },
        h(IconButton, { icon: 'smile', name: texts.emoji, 'aria-haspopup': 'dialog', onClick: openEmojis }),
        !edit && text.trim() !== '' && h(IconButton, { icon: 'clock', name: texts.sendOptions, 'aria-haspopup': 'menu', class: 'send-options', onClick: (event) => openSendMenu(/** @type {HTMLElement} */ (event.currentTarget), id, () => send({ silent: true })) }),
        button({ type: 'submit', class: 'send', 'aria-label': texts.send, title: texts.send, 'aria-disabled': !text.trim() || length > MOST || (!edit && isHeld(id)) ? 'true' : undefined }, h(Icon, { name: edit ? 'check' : 'send' }))
      )
    )
  );
}

/** @param {HTMLElement} from @param {string} chatId @param {() => void} sendSilently */
const openSendMenu = (from, chatId, sendSilently) => withLater(() => import('../later/send-menu.js'), (later) => later.openSendMenu(from, chatId, sendSilently));

/** Browsers without `field-sizing` need help to make the field as high as its text. @param {HTMLTextAreaElement | null} box */
function fit(box) {
  if (!box || CSS.supports('field-sizing', 'content')) return;
  box.style.height = 'auto';
  box.style.height = `${box.scrollHeight}px`;
}

/** Above the field: the message that is answered or edited. @param {{chatId: string}} props */
function Mode({ chatId }) {
  const texts = t();
  const edit = editing.value?.chatId === chatId ? editing.value.message : undefined;
  const reply = useOriginal(chatId, edit ? undefined : draftOf(chatId).value?.reply_to);
  const message = edit ?? reply;
  if (!message || (!edit && !draftOf(chatId).value?.reply_to)) return null;
  return div(
    { class: 'mode' },
    h(Icon, { name: edit ? 'edit' : 'reply' }),
    div({ class: 'mode-lines' }, span({ class: 'mode-name' }, edit ? texts.editing : texts.replyTo(senderName(message.sender_id))), span({ class: 'mode-text', dir: 'auto' }, preview(message))),
    h(IconButton, { icon: 'close', name: texts.cancel, onClick: () => leaveMode(chatId) })
  );
}
