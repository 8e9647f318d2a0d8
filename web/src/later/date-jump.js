import { useState } from '../../vendor/hooks.js';
import { button, div, form, h, input, label, p } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { parse } from '../lib/time.js';
import { navigate } from '../routes.js';
import { client } from '../state/client.js';
import { dayField, dayStart, findFirst } from '../state/dates.js';
import { explain } from '../state/explain.js';
import { Dialog } from '../ui/dialog.js';

/** Goes to the first message of a day. @param {{chat: import('../state/client.js').ChatItem, at?: number, close: () => void}} props */
export function View({ chat: { id, first_seq, last_seq, last_message }, at, close }) {
  const texts = t();
  const [problem, setProblem] = useState('');
  const [isBusy, setBusy] = useState(false);
  const [start] = useState(() => dayField(at ?? (last_message ? parse(last_message.created_at) : Date.now())));

  /** @param {string} day */
  async function jump(day) {
    setBusy(true);
    setProblem('');
    try {
      const { page } = client.timeline(id);
      const seq = await findFirst(day ? dayStart(day) : 0, { first: first_seq, last: last_seq, page });
      if (seq === undefined) return setProblem(texts.nothingSince);
      close();
      navigate(`/c/${id}/${seq}`);
    } catch (error) {
      setProblem(explain(/** @type {any} */ (error)));
    } finally {
      setBusy(false);
    }
  }

  return h(
    Dialog,
    { title: texts.jumpToDate, close, class: 'narrow' },
    form(
      {
        class: 'stack',
        onSubmit(event) {
          event.preventDefault();
          jump(String(new FormData(/** @type {HTMLFormElement} */ (event.currentTarget)).get('day')));
        },
      },
      div({ class: 'field' }, label({ for: 'day' }, texts.date), input({ id: 'day', name: 'day', type: 'date', class: 'input', value: start, max: dayField(Date.now()), required: true, autofocus: true })),
      problem && p({ class: 'problem', role: 'alert' }, problem),
      div({ class: 'actions' }, button({ type: 'button', class: 'button', onClick: () => jump('') }, texts.firstMessage), button({ type: 'submit', class: 'button primary', 'aria-disabled': isBusy ? 'true' : undefined }, texts.jump))
    )
  );
}
