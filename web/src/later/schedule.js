import { useState } from '../../vendor/hooks.js';
import { button, form, h, input, label, p } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { full, toField } from '../lib/time.js';
import { client } from '../state/client.js';
import { contentOf } from '../state/compose.js';
import { clearDraft, draftOf } from '../state/drafts.js';
import { Dialog } from '../ui/dialog.js';
import { refused, toast } from '../ui/toast.js';
import { MINUTE, timeOf } from './schedule-time.js';
import { ScheduledList } from './scheduled-list.js';

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
