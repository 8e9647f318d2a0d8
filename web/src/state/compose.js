import { effect, signal } from '../../vendor/signals.js';
import { moveEntities } from '../lib/entities.js';
import { client } from './client.js';
import { clearDraft, draftOf, setDraft } from './drafts.js';
import { myId } from './session.js';
import { timelineOf } from './timelines.js';
import { stopTyping, typingSent } from './typing.js';

/** @typedef {import('./client.js').Message} Message */

/** The most characters of a message: code points, as the server counts. */
export const MOST = 4_096;

/** The message that is edited instead of a new one being written. @type {import('../../vendor/signals.js').Signal<{chatId: string, message: Message, text: string} | null>} */
export const editing = signal(null);

/** What wants the focus in the composer counts this up. */
export const focusRequests = signal(0);

/** @param {string} text */
export const lengthOf = (text) => [...text].length;

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
  editing.value = { chatId, message, text: message.text };
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
  const text = written.trim();
  if (!text || lengthOf(text) > MOST) return false;
  const edit = editing.peek();
  if (edit?.chatId === chatId) {
    if (text !== edit.message.text) {
      const entities = moveEntities(edit.message.entities ?? [], edit.message.text, text);
      const { request_id } = client.edit(chatId, edit.message, { text, ...(entities.length && { entities }) });
      sent.set(request_id, { ...edit, text });
    }
    editing.value = null;
    stopTyping(chatId);
    return true;
  }
  const reply_to = draftOf(chatId).peek()?.reply_to;
  client.send(chatId, { text, ...(reply_to && { reply_to }), ...(silent && { silent }) });
  clearDraft(chatId);
  typingSent();
  return true;
}
