import { useState } from '../../vendor/hooks.js';
import { button, div, fieldset, form, h, input, label, legend, span } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { chats } from '../state/chats.js';
import { foldersOf } from '../state/folders.js';
import { setFolder } from '../state/own.js';
import { Dialog } from '../ui/dialog.js';
import { refused } from '../ui/toast.js';

const MOST = 64;
/** What no folder is called: a name has at least one character that is no space. */
const NEW = ' ';

/** Puts a chat into a folder. @param {{chat: import('../state/client.js').ChatItem, close: () => void}} props */
export function View({ chat, close }) {
  const texts = t();
  const names = foldersOf(chats.value).map(({ name }) => name);
  const [choice, setChoice] = useState(chat.folder ?? (names.length ? '' : NEW));

  /** @param {SubmitEvent} event */
  async function submit(event) {
    event.preventDefault();
    const typed = String(new FormData(/** @type {HTMLFormElement} */ (event.currentTarget)).get('new') ?? '');
    try {
      await setFolder(chat.id, choice === NEW ? typed : choice);
      close();
    } catch (error) {
      refused(error);
    }
  }
  /** @param {string} value @param {string} name */
  const option = (value, name) =>
    label({ key: value, class: 'choice' }, input({ type: 'radio', name: 'folder', value, checked: choice === value, onChange: () => setChoice(value) }), span({ dir: 'auto' }, name));

  return h(
    Dialog,
    { title: texts.folder, close, class: 'narrow' },
    form(
      { class: 'stack', onSubmit: submit },
      fieldset({ class: 'choices column' }, legend({ class: 'hidden' }, texts.folder), option('', texts.noFolder), names.map((name) => option(name, name)), option(NEW, texts.newFolder)),
      choice === NEW && div({ class: 'field' }, label({ for: 'folder-name' }, texts.folderName), input({ id: 'folder-name', name: 'new', class: 'input', maxLength: MOST, required: true, autofocus: true, autocomplete: 'off', dir: 'auto', pattern: '.*\\S.*' })),
      button({ type: 'submit', class: 'button primary wide' }, texts.save)
    )
  );
}
