import { useEffect, useState } from '../../vendor/hooks.js';
import { button, div, form, h, input, li, p, span, time, ul } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { parse, toField, when } from '../lib/time.js';
import { client } from '../state/client.js';
import { IconButton } from '../ui/button.js';
import { refused, toast } from '../ui/toast.js';
import { MINUTE, timeOf } from './schedule-time.js';

/** @typedef {{id: string, text: string, send_at: string}} Waiting */

/** The server takes no time that is less than 10 s ahead; its clock may be another one. */
const SOON = 15_000;
const PATH = '/chats/{id}/scheduled/{scheduled_id}';

/** The messages of a chat that wait for their time. @param {{chatId: string, isAlone: boolean}} props `isAlone`: says so if there are none */
export function ScheduledList({ chatId, isAlone }) {
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
