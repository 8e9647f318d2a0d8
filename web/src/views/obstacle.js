import { useEffect, useState } from '../../vendor/hooks.js';
import { div, h } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { duration, moment } from '../lib/time.js';
import { loadRestriction, restrictedUntil, sentIn, slowUntil } from '../state/limits.js';
import { allows, standingIn } from '../state/rights.js';
import { myId } from '../state/session.js';
import { timelineOf } from '../state/timelines.js';
import { Icon } from '../ui/icons.js';

/** A restriction that ends later than this has no end for people. */
const FOREVER = 5 * 365 * 86_400_000;

/** Why the user cannot write in a chat; nothing if they can. @param {import('../state/client.js').ChatItem} chat */
export function useObstacle(chat) {
  const { id, type, role } = chat;
  const isAsked = type === 'group' && role === 'member';
  useEffect(() => {
    if (isAsked) loadRestriction(id);
  }, [id, isAsked]);
  const until = restrictedUntil(id);
  if (allows(standingIn(chat), 'send')) return;
  const texts = t();
  if (!allows({ ...standingIn(chat), restricted: false }, 'send')) return texts.readOnly;
  return until - Date.now() > FOREVER ? texts.groups.restrictedForever : texts.groups.restrictedHere(moment(until));
}

/** Whether slow mode holds the next message. @param {string} id */
export const isHeld = (id) => slowUntil(id) > Date.now();

/** Above the field: how long slow mode holds the next message. The text can be written meanwhile. @param {{id: string}} props */
export function SlowMode({ id }) {
  const until = slowUntil(id);
  const [, setNow] = useState(0);
  useEffect(() => {
    const last = timelineOf(id).rows.peek().findLast(({ message, state }) => state === 'stored' && message.sender_id === myId());
    if (last) sentIn(id, Date.parse(last.message.created_at));
  }, [id]);
  useEffect(() => {
    if (!until) return;
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, [until]);
  const seconds = Math.ceil((until - Date.now()) / 1000);
  if (seconds <= 0) return null;
  const rest = seconds >= 120 ? Math.ceil(seconds / 60) * 60 : seconds;
  return div({ class: 'slow', role: 'timer' }, h(Icon, { name: 'clock' }), t().groups.slowWait(duration(rest)));
}
