import { effect, signal } from '../../vendor/signals.js';
import { addFound, inOrder, mentionsIn, namesIn } from '../lib/entities.js';
import { marksOf, parse } from '../lib/marks.js';
import { client } from './client.js';
import { clearDraft, draftOf, setDraft } from './drafts.js';
import { knownPeople, learnNamed } from './people.js';
import { may } from './rights.js';
import { myId } from './session.js';
import { timelineOf } from './timelines.js';
import { stopTyping, typingSent } from './typing.js';

/** @typedef {import('./client.js').Message} Message */

/** The most characters of a message: code points, as the server counts. */
export const MOST = 4_096;
/** The most entities of a message, and of them the most that mention somebody. */
const MOST_ENTITIES = 100;
const MOST_MENTIONS = 50;

/**
 * The message that is edited instead of a new one being written. `text` has marks; `before` is what it was.
 * @type {import('../../vendor/signals.js').Signal<{chatId: string, message: Message, text: string, before: string} | null>}
 */
export const editing = signal(null);

/** What wants the focus in the composer counts this up. */
export const focusRequests = signal(0);

/** The characters that are sent of a text with marks. @param {string} written */
export const lengthOf = (written) => [...parse(written.trim()).text].length;

/**
 * What is sent of a text with marks. With entities the server looks for no names: mentions of known people are added.
 * @param {string} chatId
 * @param {string} written
 * @returns {{text: string, entities?: import('../lib/entities.js').Entity[]}}
 */
export function contentOf(chatId, written) {
  const { text, entities } = parse(written.trim());
  if (!entities.length) return { text };
  const mentions = addFound(entities, mentionsIn(text, knownPeople(), may(chatId, 'mention_all'))).filter((one) => !entities.includes(one));
  const free = Math.min(MOST_MENTIONS - peopleIn(entities), MOST_ENTITIES - entities.length);
  return { text, entities: inOrder([...entities, ...mentions.slice(0, Math.max(0, free))]) };
}

/**
 * Looks up whom a text with formatting names, so that they are known when it is sent: that does not wait.
 * @param {string} chatId
 * @param {string} written
 * @param {string} [unfinished] the name that is being written, which is completed
 */
export function learnNames(chatId, written, unfinished) {
  if (!written.includes('@') || (client.chats.get(chatId)?.type ?? 'direct') === 'direct') return;
  const { text, entities } = parse(written);
  const names = namesIn(text);
  for (const one of ['all', unfinished?.toLowerCase()]) names.delete(one ?? '');
  if (entities.length) learnNamed(chatId, names);
}

/** How many people some entities mention. @param {import('../lib/entities.js').Entity[]} entities */
const peopleIn = (entities) => new Set(entities.flatMap(({ user_id }) => user_id ?? [])).size;

/** Whether something has more formatting than a message can have. @param {ReturnType<typeof contentOf>} content */
export const isOverFormatted = ({ entities = [] }) => entities.length > MOST_ENTITIES || peopleIn(entities) > MOST_MENTIONS;

/** The text of a message with marks. A mention by name is found again. @param {Message} message */
function markedTextOf({ text, entities = [] }) {
  const found = mentionsIn(text, knownPeople(), true);
  const named = new Set(found.map(placeOf));
  // Not in code and links, where the name means nothing by itself.
  const others = entities.filter((one) => !named.has(placeOf(one)));
  const again = new Set(addFound([...others], found).map(placeOf));
  return marksOf(text, entities.filter((one) => !named.has(placeOf(one)) || !again.has(placeOf(one))));
}
const placeOf = (/** @type {import('../lib/entities.js').Entity} */ { type, offset, length, user_id }) => `${type} ${offset} ${length} ${user_id}`;

/** @param {string} chatId */
export const textOf = (chatId) => (editing.value?.chatId === chatId ? editing.value.text : (draftOf(chatId).value?.text ?? ''));

/** @param {string} chatId @param {string} text */
export function setText(chatId, text) {
  const edit = editing.peek();
  if (edit?.chatId === chatId) editing.value = { ...edit, text };
  else setDraft(chatId, { text, reply_to: draftOf(chatId).peek()?.reply_to });
}

/** @param {string} chatId @param {Message} message */
export function startReply(chatId, message) {
  editing.value = null;
  setDraft(chatId, { text: draftOf(chatId).peek()?.text ?? '', reply_to: message.id });
  focusRequests.value++;
}

/** @param {string} chatId @param {Message} message */
export function startEdit(chatId, message) {
  const text = markedTextOf(message);
  editing.value = { chatId, message, text, before: text };
  focusRequests.value++;
}

/** Leaves a reply or an edit. Returns whether there was one. @param {string} chatId */
export function leaveMode(chatId) {
  const draft = draftOf(chatId).peek();
  if (editing.peek()?.chatId === chatId) editing.value = null;
  else if (draft?.reply_to) setDraft(chatId, { text: draft.text });
  else return false;
  return true;
}

/** Edits the last message of the user, if it is in view of memory. @param {string} chatId */
export function editLast(chatId) {
  const row = timelineOf(chatId).rows.peek().findLast(({ message, state }) => message.sender_id === myId() && state === 'stored' && !message.deleted && !message.forward);
  if (row) startEdit(chatId, row.message);
  return Boolean(row);
}

/** The edits of this page, by request. @type {Map<string, NonNullable<typeof editing.value>>} */
const sent = new Map();

let me = '';
effect(() => {
  if (me === (me = myId())) return;
  editing.value = null;
  sent.clear();
});

/** Goes on with an edit that was refused. Returns whether it can. @param {string} request_id */
export function resumeEdit(request_id) {
  const edit = sent.get(request_id);
  if (!edit || editing.peek()) return false;
  editing.value = edit;
  return true;
}

/**
 * Sends what is written, or the edit. Throws if it can never be sent. Returns whether there was something to send.
 * @param {string} chatId
 * @param {string} written
 * @param {{silent?: boolean}} [options]
 */
export function submit(chatId, written, { silent } = {}) {
  const content = contentOf(chatId, written);
  if (!content.text.trim() || [...content.text].length > MOST || isOverFormatted(content)) return false;
  const edit = editing.peek();
  if (edit?.chatId === chatId) {
    if (written.trim() !== edit.before.trim()) {
      const { request_id } = client.edit(chatId, edit.message, content);
      sent.set(request_id, { ...edit, text: written.trim() });
    }
    editing.value = null;
    stopTyping(chatId);
    return true;
  }
  const reply_to = draftOf(chatId).peek()?.reply_to;
  client.send(chatId, { ...content, ...(reply_to && { reply_to }), ...(silent && { silent }) });
  clearDraft(chatId);
  typingSent();
  return true;
}
