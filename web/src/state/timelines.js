import { client } from './client.js';
import { myId } from './session.js';
import { Timeline } from './timeline.js';

/** Chats whose messages are kept in memory. The others are in the store of the SDK. */
const MOST = 20;

/** @type {Map<string, {timeline: Timeline, end: () => void}>} the least recently used first */
const timelines = new Map();

/** @param {string} chatId */
export function timelineOf(chatId) {
  const known = timelines.get(chatId) ?? make(chatId);
  timelines.delete(chatId);
  timelines.set(chatId, known);
  if (timelines.size > MOST) {
    const [[oldest, { end }]] = timelines;
    end();
    timelines.delete(oldest);
  }
  return known.timeline;
}

/** @param {string} chatId */
function make(chatId) {
  const sdk = client.timeline(chatId);
  const timeline = new Timeline({ page: sdk.page, pending: () => client.outbox.list(chatId), me: myId, now: Date.now });
  return { timeline, end: sdk.subscribe(({ event, data }) => timeline.on(event, data)) };
}
