import { useState } from '../../vendor/hooks.js';
import { button, div, form, h, p } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { duration } from '../lib/time.js';
import { client } from '../state/client.js';
import { nameOf } from '../state/people.js';
import { allows, standingIn } from '../state/rights.js';
import { Dialog } from '../ui/dialog.js';
import { refused } from '../ui/toast.js';
import { CheckField, SelectField, TextField } from './fields.js';

/** Lengths of a restriction, in seconds. */
const DURATIONS = [3_600, 86_400, 7 * 86_400, 30 * 86_400];
/** Until somebody ends it: the server wants a time. */
const FOREVER = 100 * 365 * 86_400;

/** @typedef {'restrict' | 'remove' | 'ban' | 'transfer'} Kind */

/**
 * Asks for the details before something is done with a member.
 * @param {{chat: import('../state/client.js').ChatItem, member: import('../state/rights.js').Member, kind: Kind, close: () => void}} props
 */
export function View({ chat: { id, ...chat }, member: { user_id }, kind, close }) {
  const texts = t().groups;
  const [seconds, setSeconds] = useState(String(DURATIONS[1]));
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
        h(SelectField, { id: 'restrict-for', name: texts.duration, value: seconds, onChange: setSeconds, options: [...DURATIONS.map((value) => /** @type {[string, string]} */ ([String(value), duration(value)])), [String(FOREVER), texts.forever]] }),
      kind === 'remove' && allows(standingIn({ id, ...chat }), 'delete') && h(CheckField, { name: texts.deleteMessagesToo, checked: deletes, onChange: setDeletes }),
      kind === 'ban' && h(TextField, { id: 'ban-reason', name: texts.reason, hint: texts.reasonHint, value: reason, onInput: setReason, maxLength: 256, autocomplete: 'off' }),
      kind === 'transfer' && h(TextField, { id: 'owner-password', name: t().password, value: password, onInput: setPassword, problem, type: 'password', autocomplete: 'current-password', required: true }),
      div({ class: 'actions' }, button({ type: 'button', class: 'button', onClick: close }, t().cancel), button({ type: 'submit', class: kind === 'transfer' ? 'button primary' : 'button danger' }, action))
    )
  );
}
