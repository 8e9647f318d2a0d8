import { useEffect, useState } from '../../vendor/hooks.js';
import { button, div, form, h, input, label, li, p, span, ul } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { full, parse } from '../lib/time.js';
import { client } from '../state/client.js';
import { clearDraft, draftOf } from '../state/drafts.js';
import { explain } from '../state/explain.js';
import { IconButton } from '../ui/button.js';
import { Dialog } from '../ui/dialog.js';
import { toast } from '../ui/toast.js';

const MINUTE = 60_000;

/** A local time as the field of the browser wants it. @param {number} at */
const local = (at) => new Date(at - new Date(at).getTimezoneOffset() * MINUTE).toISOString().slice(0, 16);

const refused = (/** @type {any} */ error) => toast(explain(error), { isError: true });

/** Sends what is written later, and shows what waits. @param {{chatId: string, close: () => void}} props */
export function View({ chatId, close }) {
  const texts = t();
  const [waiting, setWaiting] = useState(/** @type {{id: string, text: string, send_at: string}[]} */ ([]));
  const [problem, setProblem] = useState('');
  const [request_id] = useState(() => crypto.randomUUID());
  const [soon] = useState(() => Math.ceil(Date.now() / (60 * MINUTE)) * 60 * MINUTE);
  const { text = '', reply_to } = draftOf(chatId).value ?? {};

  const load = () => client.rest.get('/chats/{id}/scheduled', { id: chatId }).then(({ scheduled }) => setWaiting(scheduled), refused);
  useEffect(() => void load(), []);

  /** @param {SubmitEvent} event */
  async function submit(event) {
    event.preventDefault();
    const at = Date.parse(String(new FormData(/** @type {HTMLFormElement} */ (event.currentTarget)).get('at')));
    if (!(at >= Date.now() + MINUTE)) return setProblem(texts.scheduleTooSoon);
    try {
      await client.rest.post('/chats/{id}/messages', { text: text.trim(), reply_to, send_at: new Date(at).toISOString(), request_id }, { id: chatId });
      clearDraft(chatId);
      close();
      toast(texts.scheduledFor(full(at)));
    } catch (error) {
      refused(error);
    }
  }

  /** @param {string} scheduled_id */
  const cancel = (scheduled_id) => client.rest.delete('/chats/{id}/scheduled/{scheduled_id}', { id: chatId, scheduled_id }).then(load, refused);

  return h(
    Dialog,
    { title: texts.scheduleMessage, close, class: 'narrow' },
    text.trim() !== '' &&
      form(
        { class: 'schedule', onSubmit: submit },
        p({ class: 'mode-text', dir: 'auto' }, text),
        problem && p({ class: 'problem', role: 'alert' }, problem),
        label({ for: 'schedule-at' }, texts.scheduleFor),
        input({ id: 'schedule-at', name: 'at', class: 'input', type: 'datetime-local', value: local(soon), min: local(Date.now() + MINUTE), required: true }),
        button({ type: 'submit', class: 'button primary wide' }, texts.schedule)
      ),
    waiting.length > 0 &&
      div(
        { class: 'scheduled' },
        p({ class: 'block-title' }, texts.scheduledCount(waiting.length)),
        ul(
          null,
          waiting.map(({ id, text: waits, send_at }) =>
            li({ key: id, class: 'scheduled-item' }, div({ class: 'mode-lines' }, span({ class: 'mode-name' }, full(parse(send_at))), span({ class: 'mode-text', dir: 'auto' }, waits)), h(IconButton, { icon: 'trash', name: texts.delete, onClick: () => cancel(id) }))
          )
        )
      )
  );
}
