import { useEffect, useState } from '../../vendor/hooks.js';
import { signal } from '../../vendor/signals.js';
import { button, span } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { preview } from '../lib/entities.js';
import { navigate } from '../routes.js';
import { client } from '../state/client.js';
import { nameOf } from '../state/people.js';
import { expiryOf, runAt } from '../state/segments.js';
import { myId } from '../state/session.js';
import { timelineOf } from '../state/timelines.js';

/** @typedef {import('../state/client.js').Message} Message */

/** Originals that are not in memory. A reply has no copy: what is deleted is in no quote. @type {Map<string, Promise<Message | null>>} */
const fetched = new Map();

/** Counts up when some of them are fetched again. */
const changes = signal(0);
let isFollowing = false;

/** @param {Iterable<string>} ids */
function forget(ids) {
  const known = [...ids].filter((id) => fetched.delete(id));
  if (known.length) changes.value++;
}

/** Follows the client, from the first of them on. */
function follow() {
  isFollowing = true;
  client.on('gap', ({ skipped }) => skipped && forget(fetched.keys()));
  client.on('event', ({ type, message, messages, first_seq }) => {
    if (type === 'message_edited' && message) forget([message.id]);
    else if (type === 'messages_deleted') forget(messages.map((/** @type {Message} */ { id }) => id));
    else if (type === 'chat_settings' && first_seq) forget(fetched.keys());
  });
}

/** @param {string} chatId @param {string} id */
export function fetchOriginal(chatId, id) {
  if (!isFollowing) follow();
  let answer = fetched.get(id);
  if (!answer) {
    answer = client.rest.get('/chats/{id}/messages/{message_id}', { id: chatId, message_id: id }).then(
      (message) => {
        const at = expiryOf(message);
        if (at <= Date.now()) return null;
        runAt(at, () => forget([id]));
        return message;
      },
      () => {
        fetched.delete(id);
        return null;
      }
    );
    fetched.set(id, answer);
  }
  return answer;
}

/**
 * The message that another one answers, as far as it can be had.
 * @param {string} chatId
 * @param {string | undefined} id
 */
export function useOriginal(chatId, id) {
  const timeline = timelineOf(chatId);
  const [message, setMessage] = useState(/** @type {Message | null | undefined} */ (undefined));
  // Changes of the rows are changes of the original.
  const known = timeline.rows.value && id ? timeline.find(id)?.message : undefined;
  useEffect(() => {
    let isWanted = true;
    // Not the former text in the meantime.
    setMessage(undefined);
    if (id && !known) fetchOriginal(chatId, id).then((answer) => isWanted && setMessage(answer));
    return () => void (isWanted = false);
  }, [id, Boolean(known), changes.value]);
  return known ?? message;
}

/** @param {string} id */
export const senderName = (id) => (id === myId() ? t().you : nameOf(id) || t().unknownUser);

/** Above a message: which one it answers. @param {{chatId: string, reply: NonNullable<Message['reply_to']>}} props */
export function Quote({ chatId, reply }) {
  const texts = t();
  const original = useOriginal(chatId, reply.id);
  const text = !original ? (original === null ? texts.originalMissing : '…') : original.deleted ? texts.deletedMessage : preview(original);
  const seq = original?.seq ?? reply.seq;
  return button(
    { type: 'button', class: 'quote', title: texts.showOriginal, onClick: () => seq && navigate(`/c/${chatId}/${seq}`) },
    span({ class: 'quote-name' }, senderName(original?.sender_id ?? reply.sender_id)),
    span({ class: 'quote-text', dir: 'auto' }, text)
  );
}
