import { useRef, useState } from '../../vendor/hooks.js';
import { button, div, form, h, h2, li, span, ul } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { moment } from '../lib/time.js';
import { client } from '../state/client.js';
import { allows, standingIn } from '../state/rights.js';
import { IconButton } from '../ui/button.js';
import { confirm } from '../ui/dialog.js';
import { Empty } from '../ui/empty.js';
import { refused } from '../ui/toast.js';
import { CheckField, SelectField, TextField, durations } from './fields.js';
import { copyLink, inviteUrl } from './links.js';
import { ListEnd, keepFocus, usePages } from './pages.js';

/** @typedef {import('/sdk/types.js').Schemas['InviteItem']} Invite */

/** The links with which people join. @param {{chat: import('../state/client.js').ChatItem}} props */
export function View({ chat }) {
  const texts = t().groups;
  const { id } = chat;
  const [seconds, setSeconds] = useState('');
  const [most, setMost] = useState('');
  const [approve, setApprove] = useState(false);
  const isBusy = useRef(false);
  const list = usePages(async (after) => {
    const { invites, next } = await client.rest.get('/chats/{id}/invites', { id, after, limit: 50 });
    return { items: invites, next };
  }, [id]);

  /** @param {SubmitEvent} event */
  async function create(event) {
    event.preventDefault();
    if (isBusy.current) return;
    isBusy.current = true;
    try {
      const { code } = await client.rest.post('/chats/{id}/invites', { expires_in: Number(seconds) || null, max_uses: Number(most) || null, approve }, { id });
      await list.reload();
      copyLink(inviteUrl(code));
    } catch (error) {
      refused(error);
    }
    isBusy.current = false;
  }

  /** @param {string} code */
  const revoke = (code) =>
    confirm({
      title: texts.revokeQuestion,
      text: texts.revokeExplanation,
      action: texts.revoke,
      onConfirm: () => client.rest.delete('/chats/{id}/invites/{code}', { id, code }).then(list.reload, refused).then(keepFocus),
    });

  return [
    form(
      { class: 'panel-section form', onSubmit: create },
      h2({ class: 'panel-title' }, texts.newInvite),
      h(SelectField, { id: 'invite-expires', name: texts.expires, value: seconds, onChange: setSeconds, options: [['', texts.never], ...durations()] }),
      h(TextField, { id: 'invite-uses', name: texts.maxUses, hint: texts.maxUsesHint, value: most, onInput: setMost, type: 'number', inputMode: 'numeric', min: 1, max: 100_000 }),
      allows(standingIn(chat), 'requests') && h(CheckField, { name: texts.approve, checked: approve, onChange: setApprove }),
      button({ type: 'submit', class: 'button primary wide' }, texts.createInvite)
    ),
    list.items?.length === 0 && h(Empty, { icon: 'link', title: texts.noInvites, hint: texts.noInvitesHint }),
    ul({ class: 'people invites', 'aria-label': texts.invites }, list.items?.map((invite) => h(InviteRow, { key: invite.code, invite, revoke }))),
    h(ListEnd, list),
  ];
}

/** What is known of the use of an invite. @param {Invite} invite */
function facts({ uses, max_uses, expires_at, approve }) {
  const texts = t().groups;
  const isOver = expires_at !== null && Date.parse(expires_at) <= Date.now();
  return [
    max_uses === null ? texts.uses(uses) : uses >= max_uses ? texts.usedUp : texts.usesOf(uses, max_uses),
    expires_at !== null && (isOver ? texts.expired : texts.expiresOn(moment(Date.parse(expires_at)))),
    approve && texts.needsApproval,
  ].filter(Boolean).join(' · ');
}

/** @param {{invite: Invite, revoke: (code: string) => void}} props */
function InviteRow({ invite, revoke }) {
  const texts = t().groups;
  const url = inviteUrl(invite.code);
  return li(
    { class: 'person member' },
    div({ class: 'lines' }, span({ class: 'person-name url' }, url.replace(/^https?:\/\//, '')), span({ class: 'person-more' }, facts(invite))),
    h(IconButton, { icon: 'copy', name: texts.copyLink, onClick: () => copyLink(url) }),
    h(IconButton, { icon: 'trash', name: texts.revoke, onClick: () => revoke(invite.code) })
  );
}
