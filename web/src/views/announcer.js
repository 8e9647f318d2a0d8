import { useEffect, useState } from '../../vendor/hooks.js';
import { div } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { preview } from '../lib/entities.js';
import { client } from '../state/client.js';
import { nameOf } from '../state/people.js';
import { myId } from '../state/session.js';

/** What comes within this time is announced together. */
const GATHER = 1_000;
/** A longer text is cut: the message has all of it. */
const LONGEST = 200;

/** Tells assistive technology what comes into the open chat, without flooding it. @param {{id: string}} props */
export function Announcer({ id }) {
  const [text, setText] = useState('');
  useEffect(() => {
    /** @type {import('../state/client.js').Message[]} */
    let waiting = [];
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const announce = () => {
      const last = /** @type {import('../state/client.js').Message} */ (waiting.at(-1));
      setText(waiting.length > 1 ? t().newMessages(waiting.length) : `${nameOf(last.sender_id)}: ${preview(last).slice(0, LONGEST)}`);
      waiting = [];
      timer = undefined;
    };
    const off = client.on('message', ({ chat_id, message }) => {
      if (chat_id !== id || message.sender_id === myId() || message.deleted) return;
      waiting.push(message);
      timer ??= setTimeout(announce, GATHER);
    });
    return () => {
      clearTimeout(timer);
      off();
    };
  }, [id]);
  return div({ class: 'hidden', role: 'status' }, text);
}
