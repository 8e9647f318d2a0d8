import { div, h, li, span, time, ul } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { duration, parse, when } from '../lib/time.js';
import { client } from '../state/client.js';
import { nameOf } from '../state/people.js';
import { myId } from '../state/session.js';
import { Avatar } from '../ui/avatar.js';
import { Empty } from '../ui/empty.js';
import { noticeText } from '../views/notice.js';
import { ListEnd, useEvents, usePages } from './pages.js';

/** @typedef {{at: string, by: string, action: string, details: any}} Entry */

/** The sentences of what makes no event. @type {Record<string, keyof import('../lib/i18n.js').Dictionary['groups']['event']>} */
const SENTENCES = {
  unbanned: 'unbanned',
  invite_made: 'inviteMade',
  invite_revoked: 'inviteRevoked',
  request_accepted: 'requestAccepted',
  request_rejected: 'requestRejected',
  chat_updated: 'updated',
  chat_closed: 'closed',
};

/**
 * What an entry says, for people. What is done in two steps has two entries, which say different things: a ban and a removal, a request that
 * is accepted and a new member.
 * @param {Entry} entry
 * @param {{me: string, name: (id: string) => string, before?: any}} context `before`: the last change of the same member
 * @returns {string}
 */
export function entryText({ at, by, action, details }, { me, name, before }) {
  const { event, somebody, youObject } = t().groups;
  const notice = (/** @type {object} */ more) => noticeText({ seq: 0, at, by, type: action, ...details, ...more }, { me, name, before });
  if (action === 'banned') return notice({ type: 'members_removed', how: 'banned' });
  if (action === 'members_removed') return notice({ how: details.how === 'left' ? 'left' : 'kicked' });
  if (action === 'members_added') return notice({ via: details.via === 'request' ? 'add' : details.via });
  if (action === 'member_changed') return notice({});
  if (action === 'chat_updated' && details) return notice({ changed: changedBy(details) });
  const whom = details?.user_id;
  const what = !whom ? '' : whom === me ? youObject : name(whom) || t().unknownUser;
  const actor = by === me ? t().you : name(by) || somebody;
  const known = Object.hasOwn(SENTENCES, action);
  return event[known ? SENTENCES[action] : 'other'](actor, by === me, known ? what : action);
}

/** The names of what an update has changed; the first one is what the sentence says. @param {any} details */
function changedBy({ settings = {}, ...profile }) {
  const names = [...Object.keys(profile), ...Object.keys(settings)];
  const said = ['title', 'handle', 'description', 'ttl_s', 'slow_s'].find((name) => names.includes(name));
  return said ? [said, ...names.filter((name) => name !== said)] : names;
}

/** What an update has changed, for people. @param {any} details @param {string} name @returns {string | undefined} */
function changeText({ title, handle, settings }, name) {
  const texts = t().groups;
  const value = settings?.[name];
  const lasts = value ? duration(value) : texts.off;
  switch (name) {
    case 'title':
      return `${texts.title}: ${title}`;
    case 'handle':
      return `${texts.handle}: ${handle ? `@${handle}` : texts.off}`;
    case 'description':
      return texts.description;
    case 'slow_s':
      return `${texts.slowMode}: ${lasts}`;
    case 'ttl_s':
      return `${texts.ttl}: ${lasts}`;
    case 'history':
      return `${texts.history}: ${value === 'all' ? texts.historyAll : texts.historyJoin}`;
    case 'protected':
      return value ? texts.protected : `${texts.protected}: ${texts.off}`;
  }
  const may = texts.may[/** @type {keyof typeof texts.may} */ (name)];
  return may && texts.whoMay(may, texts.roles[/** @type {keyof typeof texts.roles} */ (value)] ?? value);
}

/** What the sentence of an update does not say. @param {any} details */
function furtherChanges(details) {
  const [first, ...others] = changedBy(details);
  const names = Object.hasOwn(details, first) || /^(ttl|slow)_s$/.test(first) ? others : [first, ...others];
  return names.map((name) => changeText(details, name));
}

/** What else is known of an entry. @param {Entry} entry @returns {string[]} */
export function entryFacts({ at, action, details }) {
  const texts = t().groups;
  if (action === 'chat_updated') return /** @type {string[]} */ (details ? furtherChanges(details).filter(Boolean) : []);
  const { reason, max_uses, approve, code, restricted_until } = details ?? {};
  const isRestricted = action === 'member_changed' && restricted_until && parse(restricted_until) > parse(at);
  return [reason, code, isRestricted && texts.restrictedUntil(when(parse(restricted_until))), max_uses && `${texts.maxUses}: ${max_uses}`, approve && texts.needsApproval].filter(Boolean);
}

/** Each entry with the change of the same member before it, as far as the list goes back. @param {Entry[]} entries the newest first @returns {{entry: Entry, before?: any}[]} */
export function withBefore(entries) {
  const changes = new Map();
  const found = entries.toReversed().map((entry) => {
    if (entry.action !== 'member_changed') return { entry };
    const { user_id } = entry.details;
    const before = changes.get(user_id);
    changes.set(user_id, entry.details);
    return { entry, before };
  });
  return found.reverse();
}

/** Who did what. @param {{chat: import('../state/client.js').ChatItem}} props */
export function View({ chat: { id } }) {
  const texts = t().groups;
  const list = usePages(async (after) => {
    const { audit, next } = await client.rest.get('/chats/{id}/audit', { id, after, limit: 50 });
    return { items: /** @type {Entry[]} */ (audit), next };
  }, [id]);
  useEvents(id, /^(members_added|members_removed|member_changed|chat_updated)$/, list.reload);
  return [
    list.items?.length === 0 && h(Empty, { icon: 'list', title: texts.noAudit, hint: texts.noAuditHint }),
    ul({ class: 'people', 'aria-label': texts.audit }, withBefore(list.items ?? []).map(({ entry, before }) => h(EntryRow, { key: `${entry.at} ${entry.action}`, entry, before }))),
    h(ListEnd, list),
  ];
}

/** @param {{entry: Entry, before?: any}} props */
function EntryRow({ entry, before }) {
  const name = nameOf(entry.by);
  const at = parse(entry.at);
  return li(
    { class: 'person member' },
    h(Avatar, { id: entry.by, name, size: 'small' }),
    div(
      { class: 'lines' },
      span({ class: 'wraps', dir: 'auto' }, entryText(entry, { me: myId(), name: nameOf, before })),
      span({ class: 'person-more wraps' }, time({ dateTime: new Date(at).toISOString() }, when(at)), ...entryFacts(entry).map((fact) => ` · ${fact}`))
    )
  );
}
