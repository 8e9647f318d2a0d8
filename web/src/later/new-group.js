import { useRef, useState } from '../../vendor/hooks.js';
import { button, fieldset, form, h, input, label, legend, p, span } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { navigate } from '../routes.js';
import { adopt } from '../state/chats.js';
import { client } from '../state/client.js';
import { Dialog } from '../ui/dialog.js';
import { refused } from '../ui/toast.js';
import { TextField } from './fields.js';
import { showNotAdded } from './not-added.js';
import { PeoplePicker } from './people-picker.js';

/** What the server takes. */
export const HANDLE = /^[a-z0-9_]{5,32}$/;

/** What is wrong with a public name; empty: nothing. @param {string} handle @param {any} [error] of the server */
export function handleProblem(handle, error) {
  const { handleTaken, handleWrong } = t().groups;
  if (error?.code === 'handle_taken') return handleTaken;
  const isRefused = error?.problem?.errors?.some((/** @type {{field: string}} */ { field }) => field === 'handle');
  return isRefused || (handle && !HANDLE.test(handle)) ? handleWrong : '';
}

/** Makes a group or a channel. @param {{isChannel?: boolean, close: () => void}} props */
export function View({ isChannel: begins = false, close }) {
  const texts = t().groups;
  const [isChannel, setChannel] = useState(begins);
  const [title, setTitle] = useState('');
  const [description, setDescription] = useState('');
  const [handle, setHandle] = useState('');
  const [chosen, setChosen] = useState(/** @type {import('./people-picker.js').Person[]} */ ([]));
  const [problem, setProblem] = useState(/** @type {{title?: string, handle?: string}} */ ({}));
  const [isBusy, setBusy] = useState(false);
  const root = useRef(/** @type {HTMLFormElement | null} */ (null));
  // The same content is made once, however often it is sent.
  const attempt = useRef({ content: '', request_id: '' });

  /** @param {{title?: string, handle?: string}} next */
  function show(next) {
    setProblem(next);
    /** @type {HTMLElement | null | undefined} */ (root.current?.querySelector(next.title ? '#group-title' : '#group-handle'))?.focus();
  }

  /** @param {SubmitEvent} event */
  async function submit(event) {
    event.preventDefault();
    if (isBusy) return;
    const name = handle.trim().replace(/^@/, '').toLowerCase();
    if (!title.trim()) return show({ title: texts.titleNeeded });
    if (handleProblem(name)) return show({ handle: handleProblem(name) });
    /** @type {{type: 'group' | 'channel', title: string, description: string, handle: string | null, member_ids: string[]}} */
    const body = { type: isChannel ? 'channel' : 'group', title: title.trim(), description: description.trim(), handle: name || null, member_ids: chosen.map(({ id }) => id) };
    const content = JSON.stringify(body);
    if (attempt.current.content !== content) attempt.current = { content, request_id: crypto.randomUUID() };
    setBusy(true);
    setProblem({});
    try {
      const { not_added = [], invite, ...chat } = await client.rest.post('/chats', { ...body, request_id: attempt.current.request_id });
      adopt(chat);
      close();
      navigate(`/c/${chat.id}`);
      showNotAdded(not_added, invite);
    } catch (error) {
      setBusy(false);
      if (handleProblem(name, error)) show({ handle: handleProblem(name, error) });
      else refused(error);
    }
  }

  /** @param {boolean} value @param {string} name */
  const kind = (value, name) => label({ class: 'choice' }, input({ type: 'radio', name: 'kind', checked: isChannel === value, onChange: () => setChannel(value) }), span(null, name));
  return h(
    Dialog,
    { title: isChannel ? texts.newChannel : texts.newGroup, close, class: 'tall' },
    form(
      { class: 'form', ref: root, noValidate: true, onSubmit: submit },
      fieldset({ class: 'choices pair', role: 'radiogroup' }, legend({ class: 'hidden' }, texts.type), kind(false, texts.group), kind(true, texts.channel)),
      p({ class: 'hint' }, isChannel ? texts.channelHint : texts.groupHint),
      h(TextField, { id: 'group-title', name: texts.title, value: title, onInput: setTitle, problem: problem.title, maxLength: 128, autofocus: true, autocomplete: 'off', required: true }),
      h(TextField, { id: 'group-description', name: `${texts.description} (${texts.optional})`, value: description, onInput: setDescription, lines: 2, maxLength: 1024 }),
      h(TextField, { id: 'group-handle', name: `${texts.handle} (${texts.optional})`, hint: texts.handleHint, problem: problem.handle, value: handle, onInput: setHandle, autocapitalize: 'none', autocomplete: 'off', spellcheck: false, maxLength: 33 }),
      span({ class: 'label', 'aria-hidden': true }, texts.members),
      h(PeoplePicker, { chosen, onChange: setChosen }),
      button({ type: 'submit', class: 'button primary wide', 'aria-disabled': isBusy ? 'true' : undefined }, isChannel ? texts.createChannel : texts.createGroup)
    )
  );
}
