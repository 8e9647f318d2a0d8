import { useState } from '../../vendor/hooks.js';
import { button, div, form, h, h2, input, label, li, p, section, span, ul } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { moment } from '../lib/time.js';
import { navigate } from '../routes.js';
import { openDirect } from '../state/chats.js';
import { client } from '../state/client.js';
import { learn, nameOf } from '../state/people.js';
import { actionsOn, allows, standingIn } from '../state/rights.js';
import { myId } from '../state/session.js';
import { Avatar } from '../ui/avatar.js';
import { IconButton } from '../ui/button.js';
import { Dialog, showDialog } from '../ui/dialog.js';
import { openMenu } from '../ui/menu.js';
import { refused } from '../ui/toast.js';
import { CheckField, SelectField, TextField, durations } from './fields.js';
import { ListEnd, useEvents, usePages } from './pages.js';

/**
 * @typedef {import('../state/rights.js').Member} Member
 * @typedef {import('../state/rights.js').MemberAction} MemberAction
 * @typedef {import('../state/client.js').ChatItem} ChatItem
 */

/** Longer lists go on when that is asked for. */
const PAGE = 50;
/** Fewer need no search. */
const FEW = 8;

/** The members of a group: the owner and the admins first. @param {{chat: ChatItem}} props */
export function Members({ chat }) {
  const { id, member_count = 0 } = chat;
  const texts = t().groups;
  const [query, setQuery] = useState('');
  const q = query.trim();
  const list = usePages(
    async (after) => {
      const { members, next } = await client.rest.get('/chats/{id}/members', { id, q: q || undefined, after, limit: PAGE });
      learn(members);
      return { items: members, next };
    },
    [id, q]
  );
  useEvents(id, /^member/, list.reload);
  return section(
    { class: 'panel-section', 'aria-labelledby': 'members-title' },
    h2({ class: 'panel-title', id: 'members-title' }, texts.members),
    (member_count > FEW || query) && label({ class: 'hidden', for: 'members-query' }, texts.findMembers),
    (member_count > FEW || query) &&
      input({ id: 'members-query', class: 'input', type: 'search', value: query, placeholder: texts.findMembers, autocapitalize: 'none', spellcheck: false, dir: 'auto', onInput: (event) => setQuery(event.currentTarget.value) }),
    ul({ class: 'people', 'aria-label': texts.members }, list.items?.map((member) => h(MemberRow, { key: member.user_id, chat, member }))),
    list.items?.length === 0 && p({ class: 'people-hint' }, texts.noMembersFound),
    h(ListEnd, list)
  );
}

/** @param {{chat: ChatItem, member: Member}} props */
function MemberRow({ chat, member }) {
  const texts = t().groups;
  const { user_id, role, restricted_until } = member;
  const isMe = user_id === myId();
  const name = nameOf(user_id) || member.username;
  const until = restricted_until ? Date.parse(restricted_until) : 0;
  const actions = actionsOn(standingIn(chat), member, myId());
  return li(
    { class: 'person member' },
    h(Avatar, { id: user_id, name, user: isMe ? undefined : user_id, size: 'small' }),
    div(
      { class: 'lines' },
      span({ class: 'person-name', dir: 'auto' }, isMe ? `${name} (${t().you})` : name),
      until > Date.now() && span({ class: 'person-more' }, texts.restrictedUntil(moment(until)))
    ),
    role !== 'member' && span({ class: 'role' }, role === 'owner' ? texts.roleOwner : texts.roleAdmin),
    actions.length > 0 && h(IconButton, { icon: 'more', name: texts.memberActions(name), 'aria-haspopup': 'menu', onClick: (event) => openActions(/** @type {HTMLElement} */ (event.currentTarget), chat, member, actions) })
  );
}

/** @param {HTMLElement} from @param {ChatItem} chat @param {Member} member @param {MemberAction[]} actions */
function openActions(from, chat, member, actions) {
  const texts = t().groups;
  const { user_id } = member;
  const change = (/** @type {{role?: 'member' | 'admin', restricted_until?: null}} */ body) => () => void client.rest.patch('/chats/{id}/members/{user_id}', body, { id: chat.id, user_id }).catch(refused);
  const ask = (/** @type {'restrict' | 'remove' | 'ban' | 'transfer'} */ kind) => () => showDialog((close) => h(MemberDialog, { chat, member, kind, close }));
  /** @type {Record<MemberAction, import('../ui/menu.js').MenuItem>} */
  const all = {
    message: { name: texts.writeTo, icon: 'send', run: () => void openDirect(user_id).then(({ id }) => navigate(`/c/${id}`), refused) },
    promote: { name: texts.makeAdmin, icon: 'star', run: change({ role: 'admin' }) },
    demote: { name: texts.removeAdmin, icon: 'star', run: change({ role: 'member' }) },
    transfer: { name: texts.makeOwner, icon: 'key', run: ask('transfer') },
    restrict: { name: texts.restrict, icon: 'silent', run: ask('restrict') },
    release: { name: texts.endRestriction, icon: 'check', run: change({ restricted_until: null }) },
    remove: { name: texts.remove, icon: 'leave', isDanger: true, run: ask('remove') },
    ban: { name: texts.ban, icon: 'ban', isDanger: true, run: ask('ban') },
  };
  openMenu({ from, label: texts.memberActions(nameOf(user_id)), items: actions.map((action) => all[action]) });
}

/** Until somebody ends it: the server wants a time. */
const FOREVER = 100 * 365 * 86_400;

/** @typedef {'restrict' | 'remove' | 'ban' | 'transfer'} Kind */

/**
 * Asks for the details before something is done with a member.
 * @param {{chat: import('../state/client.js').ChatItem, member: import('../state/rights.js').Member, kind: Kind, close: () => void}} props
 */
function MemberDialog({ chat: { id, ...chat }, member: { user_id }, kind, close }) {
  const texts = t().groups;
  const [seconds, setSeconds] = useState(durations()[1][0]);
  const [reason, setReason] = useState('');
  const [password, setPassword] = useState('');
  const [deletes, setDeletes] = useState(false);
  const [problem, setProblem] = useState('');
  const name = nameOf(user_id);
  const { rest } = client;

  /** @type {Record<Kind, {title: string, text: string, action: string, run: () => Promise<any>}>} */
  const kinds = {
    restrict: {
      ...{ title: texts.restrictQuestion(name), text: texts.restrictExplanation, action: texts.restrict },
      run: () => rest.patch('/chats/{id}/members/{user_id}', { restricted_until: new Date(Date.now() + Number(seconds) * 1000).toISOString() }, { id, user_id }),
    },
    remove: {
      ...{ title: texts.removeQuestion(name), text: texts.removeExplanation, action: texts.remove },
      run: () => rest.post('/chats/{id}/members/remove', { user_ids: [user_id], delete_messages: deletes }, { id }),
    },
    ban: {
      ...{ title: texts.banQuestion(name), text: texts.banExplanation, action: texts.ban },
      run: () => rest.post('/chats/{id}/bans', { user_id, reason: reason.trim() || null }, { id }),
    },
    transfer: {
      ...{ title: texts.ownerQuestion(name), text: texts.ownerExplanation, action: texts.makeOwner },
      run: () => rest.put('/chats/{id}/owner', { user_id, password }, { id }),
    },
  };
  const { title, text, action, run } = kinds[kind];

  /** @param {SubmitEvent} event */
  async function submit(event) {
    event.preventDefault();
    try {
      await run();
      close();
    } catch (/** @type {any} */ error) {
      if (kind === 'transfer' && error.code === 'validation_failed') setProblem(texts.passwordWrong);
      else refused(error);
    }
  }

  return h(
    Dialog,
    { title, close, class: 'narrow' },
    form(
      { class: 'form', onSubmit: submit },
      p(null, text),
      kind === 'restrict' &&
        h(SelectField, { id: 'restrict-for', name: texts.duration, value: seconds, onChange: setSeconds, options: [...durations(), [String(FOREVER), texts.forever]] }),
      kind === 'remove' && allows(standingIn({ id, ...chat }), 'delete') && h(CheckField, { name: texts.deleteMessagesToo, checked: deletes, onChange: setDeletes }),
      kind === 'ban' && h(TextField, { id: 'ban-reason', name: texts.reason, hint: texts.reasonHint, value: reason, onInput: setReason, maxLength: 256, autocomplete: 'off' }),
      kind === 'transfer' && h(TextField, { id: 'owner-password', name: t().password, value: password, onInput: setPassword, problem, type: 'password', autocomplete: 'current-password', required: true }),
      div({ class: 'actions' }, button({ type: 'button', class: 'button', onClick: close }, t().cancel), button({ type: 'submit', class: kind === 'transfer' ? 'button primary' : 'button danger' }, action))
    )
  );
}
