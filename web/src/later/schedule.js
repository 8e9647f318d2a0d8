import { useEffect, useState } from '../../vendor/hooks.js';
import { button, div, form, h, input, label, li, p, span, time, ul } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { full, parse, toField, when } from '../lib/time.js';
import { client } from '../state/client.js';
import { contentOf } from '../state/compose.js';
import { clearDraft, draftOf } from '../state/drafts.js';
import { IconButton } from '../ui/button.js';
import { Dialog, showDialog } from '../ui/dialog.js';
import { openMenu } from '../ui/menu.js';
import { refused, toast } from '../ui/toast.js';

/** @typedef {{id: string, text: string, send_at: string}} Waiting */

const MINUTE = 60_000;
/** The server takes no time that is less than 10 s ahead; its clock may be another one. */
const SOON = 15_000;
const PATH = '/chats/{id}/scheduled/{scheduled_id}';

/** The time that a form says; nothing if it is too soon, which is told. @param {SubmitEvent} event @param {(problem: string) => void} complain */
function timeOf(event, complain) {
  event.preventDefault();
  const at = Date.parse(String(new FormData(/** @type {HTMLFormElement} */ (event.currentTarget)).get('at')));
  if (at >= Date.now() + MINUTE) return new Date(at);
  complain(t().scheduleTooSoon);
}

/** Sends what is written later, and shows what waits. @param {{chatId: string, close: () => void}} props */
export function View({ chatId, close }) {
  const texts = t();
  const [problem, setProblem] = useState('');
  const [request_id] = useState(() => crypto.randomUUID());
  const [soon] = useState(() => Math.ceil(Date.now() / (60 * MINUTE)) * 60 * MINUTE);
  const { text = '', reply_to } = draftOf(chatId).value ?? {};

  /** @param {SubmitEvent} event */
  async function submit(event) {
    const at = timeOf(event, setProblem);
    if (!at) return;
    try {
      await client.rest.post('/chats/{id}/messages', { ...contentOf(chatId, text), reply_to, send_at: at.toISOString(), request_id }, { id: chatId });
      clearDraft(chatId);
      close();
      toast(texts.scheduledFor(full(at.getTime())));
    } catch (error) {
      refused(error);
    }
  }

  return h(
    Dialog,
    { title: text.trim() ? texts.scheduleMessage : texts.scheduled, close, class: 'narrow' },
    text.trim() !== '' &&
      form(
        { class: 'schedule', onSubmit: submit },
        p({ class: 'mode-text', dir: 'auto' }, text),
        problem && p({ class: 'problem', role: 'alert' }, problem),
        label({ for: 'schedule-at' }, texts.scheduleFor),
        input({ id: 'schedule-at', name: 'at', class: 'input', type: 'datetime-local', value: toField(soon), min: toField(Date.now() + MINUTE), required: true }),
        button({ type: 'submit', class: 'button primary wide' }, texts.schedule)
      ),
    h(ScheduledList, { chatId, isAlone: !text.trim() })
  );
}

/** The messages of a chat that wait for their time. @param {{chatId: string, isAlone: boolean}} props `isAlone`: says so if there are none */
function ScheduledList({ chatId, isAlone }) {
  const texts = t();
  const [list, setList] = useState(/** @type {Waiting[] | null} */ (null));
  const [edited, setEdited] = useState('');

  const load = () => client.rest.get('/chats/{id}/scheduled', { id: chatId }).then(({ scheduled }) => setList(scheduled), refused);
  useEffect(() => {
    load();
    // One of them is sent.
    return client.on('message', ({ chat_id }) => chat_id === chatId && load());
  }, []);

  /** @param {string} id */
  const remove = (id) => client.rest.delete(PATH, { id: chatId, scheduled_id: id });

  /**
   * It stays one message of the server, which sends it once, whatever becomes of this page.
   * @param {string} id
   */
  async function sendNow(id) {
    try {
      await client.rest.patch(PATH, { send_at: new Date(Date.now() + SOON).toISOString() }, { id: chatId, scheduled_id: id });
      toast(texts.sentSoon);
      load();
    } catch (error) {
      refused(error);
    }
  }

  /** @param {SubmitEvent} event @param {string} id */
  async function move(event, id) {
    const at = timeOf(event, (problem) => toast(problem, { isError: true }));
    if (!at) return;
    try {
      await client.rest.patch(PATH, { send_at: at.toISOString() }, { id: chatId, scheduled_id: id });
      setEdited('');
      load();
    } catch (error) {
      refused(error);
    }
  }

  if (!list) return null;
  if (!list.length) return isAlone ? p({ class: 'people-hint' }, texts.nothingScheduled) : null;
  return div(
    { class: 'scheduled' },
    p({ class: isAlone ? 'hidden' : 'block-title', id: 'scheduled-count' }, texts.scheduledCount(list.length)),
    ul(
      { 'aria-labelledby': 'scheduled-count' },
      list.map(({ id, text, send_at }) =>
        li(
          { key: id, class: 'scheduled-item' },
          div({ class: 'mode-lines' }, time({ class: 'mode-name', dateTime: send_at }, when(parse(send_at))), span({ class: 'mode-text', dir: 'auto' }, text)),
          div(
            { class: 'row-buttons' },
            h(IconButton, { icon: 'send', name: texts.sendNow, onClick: () => sendNow(id) }),
            h(IconButton, { icon: 'clock', name: texts.changeTime, 'aria-expanded': edited === id ? 'true' : 'false', onClick: () => setEdited(edited === id ? '' : id) }),
            h(IconButton, { icon: 'trash', name: texts.delete, onClick: () => remove(id).then(load, refused) })
          ),
          edited === id &&
            form(
              { class: 'inline-form', onSubmit: (event) => move(event, id) },
              input({ name: 'at', 'aria-label': texts.scheduleFor, class: 'input', type: 'datetime-local', value: toField(parse(send_at)), min: toField(Date.now() + MINUTE), required: true, autofocus: true }),
              button({ type: 'submit', class: 'button primary' }, texts.save)
            )
        )
      )
    )
  );
}

/**
 * Opens the menu with the other ways to send what is written.
 * @param {HTMLElement} from
 * @param {string} chatId
 * @param {() => void} sendSilently
 */
export function openSendMenu(from, chatId, sendSilently) {
  const texts = t();
  openMenu({
    from,
    label: texts.sendOptions,
    items: [
      { name: texts.sendSilently, icon: 'silent', run: sendSilently },
      { name: texts.scheduleMessage, icon: 'calendar', run: () => showDialog((close) => h(View, { chatId, close })) },
    ],
  });
}
