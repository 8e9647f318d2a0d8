import { language, t } from './i18n.js';
import { dayOf, formatDate, formatDuration } from './intl.js';

const DAY = 86_400_000;

/** @param {string} text RFC 3339 */
export const parse = (text) => Date.parse(text);

/** @param {number} at */
export const clock = (at) => formatDate(language.value, at, { hour: '2-digit', minute: '2-digit' });

/** @param {number} at */
export const full = (at) => formatDate(language.value, at, { dateStyle: 'full', timeStyle: 'short' });

/** The heading of a day in a chat. @param {number} at @param {number} [now] */
export function dayHeading(at, now = Date.now()) {
  if (dayOf(at) === dayOf(now)) return t().today;
  if (dayOf(at) === dayOf(now - DAY)) return t().yesterday;
  const isThisYear = new Date(at).getFullYear() === new Date(now).getFullYear();
  return formatDate(language.value, at, { weekday: 'long', day: 'numeric', month: 'long', ...(isThisYear ? {} : { year: 'numeric' }) });
}

/** The time of a chat in the list: the more distant, the coarser. @param {number} at @param {number} [now] */
export function short(at, now = Date.now()) {
  if (dayOf(at) === dayOf(now)) return clock(at);
  if (now - at < 6 * DAY) return formatDate(language.value, at, { weekday: 'short' });
  const isThisYear = new Date(at).getFullYear() === new Date(now).getFullYear();
  return formatDate(language.value, at, isThisYear ? { day: 'numeric', month: 'short' } : { day: '2-digit', month: '2-digit', year: '2-digit' });
}

/** When somebody was here last. @param {number} at @param {number} [now] */
export function lastSeen(at, now = Date.now()) {
  const minutes = Math.floor((now - at) / 60_000);
  if (minutes < 1) return t().seenJustNow;
  if (minutes < 60) return t().seenMinutes(minutes);
  if (dayOf(at) === dayOf(now)) return t().seenToday(clock(at));
  if (dayOf(at) === dayOf(now - DAY)) return t().seenYesterday(clock(at));
  return t().seenOn(formatDate(language.value, at, { day: 'numeric', month: 'long' }));
}

/** A length of time, such as `7 days`. @param {number} seconds */
export const duration = (seconds) => formatDuration(language.value, seconds);

/** A time of which the day counts. @param {number} at */
export const moment = (at) => formatDate(language.value, at, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });

/** A local time as a field of the type `datetime-local` wants it. @param {number} at */
export const toField = (at) => new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);

/** A day and a time, for instance when a message will be sent. @param {number} at */
export const when = (at) => formatDate(language.value, at, { dateStyle: 'long', timeStyle: 'short' });
