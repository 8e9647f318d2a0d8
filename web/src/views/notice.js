import { useEffect } from '../../vendor/hooks.js';
import { div, memo, span } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { duration } from '../lib/time.js';
import { findNotices, noticesOf } from '../state/notices.js';
import { nameOf } from '../state/people.js';
import { myId } from '../state/session.js';

/** @typedef {import('../state/notices.js').Notice} Notice */

/** More people are a number. */
const NAMES = 3;

/** @param {string[]} names */
function listed(names) {
  const { and, andMore } = t().groups;
  if (names.length > NAMES) return andMore(names.slice(0, NAMES).join(', '), names.length - NAMES);
  return names.length > 1 ? and(names.slice(0, -1).join(', '), names[names.length - 1]) : names[0];
}

/**
 * What an event says, for people.
 * @param {Notice} notice
 * @param {{me: string, name: (id: string) => string, before?: Notice}} context `before`: the last change of the same member
 * @returns {string}
 */
export function noticeText({ type, by = '', user_ids = [], user_id = '', via, how, role, restricted_until, at, on, title, handle, settings, changed }, { me, name, before }) {
  const { event, somebody, youObject } = t().groups;
  const isMine = by === me;
  const subject = (/** @type {string} */ id) => (id === me ? t().you : name(id) || somebody);
  const object = (/** @type {string} */ id) => (id === me ? youObject : name(id) || t().unknownUser);
  const actor = subject(by);
  const all = () => listed(user_ids.map(object));
  // They did it themselves: the sentence is about them.
  const selves = () => /** @type {[string, boolean, string, boolean]} */ ([listed(user_ids.map(subject)), user_ids.includes(me), '', user_ids.length > 1]);

  if (type === 'members_added') {
    if (via === 'add') return event.added(actor, isMine, all());
    if (via === 'request') return event.accepted(actor, isMine, all());
    return (via === 'invite' ? event.joinedByLink : event.joined)(...selves());
  }
  if (type === 'members_removed') {
    if (how === 'left') return event.left(...selves());
    return (how === 'banned' ? event.banned : event.removed)(actor, isMine, all());
  }
  if (type === 'pinned') return (on ? event.pinned : event.unpinned)(actor, isMine, '');
  if (type === 'member_changed') {
    const isRestricted = restricted_until && Date.parse(restricted_until) > Date.parse(at);
    const text = isRestricted
      ? event.restricted
      : role === 'owner'
        ? event.madeOwner
        : before?.restricted_until
          ? event.released
          : role === 'admin'
            ? event.madeAdmin
            : before?.role === 'admin'
              ? event.unmadeAdmin
              : event.changedMember;
    return text(actor, isMine, object(user_id));
  }
  if (changed?.includes('title')) return event.title(actor, isMine, title ?? '');
  if (changed?.includes('handle')) return (handle ? event.handle : event.noHandle)(actor, isMine, handle ?? '');
  if (changed?.includes('description')) return event.description(actor, isMine, '');
  if (changed?.includes('ttl_s')) return settings.ttl_s ? event.ttl(actor, isMine, duration(settings.ttl_s)) : event.noTtl(actor, isMine, '');
  if (changed?.includes('slow_s')) return settings.slow_s ? event.slow(actor, isMine, duration(settings.slow_s)) : event.noSlow(actor, isMine, '');
  return event.settings(actor, isMine, '');
}

/** @type {Notice[]} */
const NONE = [];

/**
 * What happened in the part of a group that is shown.
 * @param {import('../state/client.js').ChatItem} chat
 * @param {import('../state/timeline.js').Timeline} timeline
 */
export function useNotices({ id, type, first_seq, last_seq }, timeline) {
  const rows = timeline.rows.value;
  const isWanted = type !== 'direct' && timeline.state.value === 'ready';
  const seqs = isWanted ? rows.map(({ message }) => message.seq).filter(Number.isFinite) : [];
  const from = timeline.hasOlder.value ? seqs[0] : first_seq;
  const to = timeline.hasNewer.value ? seqs[seqs.length - 1] : last_seq;
  useEffect(() => {
    if (isWanted) findNotices(id, from, to, seqs);
  }, [isWanted, from, to]);
  return isWanted ? noticesOf(id) : NONE;
}

/** A line between messages. */
export const NoticeLine = memo(
  /** @param {{notice: Notice, before?: Notice}} props */
  ({ notice, before }) => div({ class: 'notice-line' }, span({ dir: 'auto' }, noticeText(notice, { me: myId(), name: nameOf, before })))
);
