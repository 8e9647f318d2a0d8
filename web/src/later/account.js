import { useEffect, useRef, useState } from '../../vendor/hooks.js';
import { button, div, form, h, h2, input, li, p, section, span, time, ul } from '../lib/dom.js';
import { language, t } from '../lib/i18n.js';
import { formatDate } from '../lib/intl.js';
import { parse, short } from '../lib/time.js';
import { client, status } from '../state/client.js';
import { explain } from '../state/explain.js';
import { signOut, signOutEverywhere, user } from '../state/session.js';
import { Avatar } from '../ui/avatar.js';
import { Dialog, confirm, showDialog } from '../ui/dialog.js';
import { Icon } from '../ui/icons.js';
import { refused, toast } from '../ui/toast.js';
import { TextField } from './fields.js';

/** Asks before everything that is stored here is deleted. @param {{title: string, text: string, action: string}} texts @param {() => Promise<void>} work */
function askToSignOut(texts, work) {
  const unsent = client.outbox.list().length;
  confirm({ ...texts, note: unsent ? t().unsentWarning(unsent) : undefined, onConfirm: () => work().catch(refused) });
}

/** Who is signed in. */
export function Account() {
  const texts = t();
  const [since, setSince] = useState('');
  useEffect(() => {
    client.rest.get('/users/me').then(({ created_at }) => setSince(created_at), () => {});
  }, []);
  const me = user.value;
  return section(
    { class: 'block' },
    h2({ class: 'hidden' }, texts.account),
    div(
      { class: 'account' },
      me && h(Avatar, { id: me.id, name: me.username, size: 'large' }),
      div(null, div({ class: 'account-name' }, me?.username), since && span({ class: 'hint' }, texts.sinceDate(formatDate(language.value, parse(since), { dateStyle: 'long' })))),
    ),
    div(
      { class: 'row-buttons' },
      button({ type: 'button', class: 'button', 'aria-haspopup': 'dialog', onClick: () => showDialog((close) => h(PasswordDialog, { close })) }, texts.changePassword),
      button({ type: 'button', class: 'button danger', onClick: () => askToSignOut({ title: texts.signOutQuestion, text: texts.signOutExplanation, action: texts.signOut }, signOut) }, texts.signOut)
    )
  );
}

/** @typedef {{id: string, device_name: string | null, user_agent: string | null, ip_prefix: string, last_used_at: string, created_at: string, current: boolean}} Session */

/** Pages of the list; more devices nobody has. */
const PAGES = 5;

/** All sessions, that of this device first. @returns {Promise<Session[]>} */
async function load() {
  /** @type {Session[]} */
  const all = [];
  /** @type {string | null | undefined} */
  let after;
  for (let page = 0; page < PAGES && after !== null; page++) {
    const { sessions, next } = await client.rest.get('/auth/sessions', { after, limit: 100 });
    all.push(...sessions);
    after = next;
  }
  return all.sort((a, b) => Number(b.current) - Number(a.current));
}

const isPhone = (/** @type {string | null} */ agent) => /Android|iPhone|iPad|Mobile/.test(agent ?? '');
/** The address of a network without the size of it. */
const networkOf = (/** @type {string} */ prefix) => prefix.split('/')[0];

/** Where the user is signed in. */
export function Devices() {
  const texts = t();
  const [sessions, setSessions] = useState(/** @type {Session[] | null} */ (null));
  const refresh = () => load().then(setSessions, refused);
  const isLive = status.value.state === 'live';
  useEffect(() => {
    if (isLive) refresh();
  }, [isLive]);
  useEffect(() => {
    const look = () => void (document.visibilityState === 'visible' && client.session && refresh());
    document.addEventListener('visibilitychange', look);
    return () => document.removeEventListener('visibilitychange', look);
  }, []);

  /** @param {Session} session @param {string} name */
  const end = ({ id }, name) =>
    confirm({
      title: texts.endSessionQuestion(name),
      text: texts.endSessionExplanation,
      action: texts.endSession,
      onConfirm: () => client.rest.delete('/auth/sessions/{id}', { id }).then(() => (toast(texts.sessionEndedOf(name)), refresh()), refused),
    });

  return section(
    { class: 'block' },
    h2({ class: 'block-title', id: 'devices' }, texts.devices),
    !sessions && p({ class: 'hint' }, texts.loading),
    sessions &&
      ul(
        { class: 'devices', 'aria-labelledby': 'devices' },
        sessions.map((session) => {
          const name = session.device_name ?? session.user_agent?.slice(0, 60) ?? texts.unknownDevice;
          return li(
            { key: session.id, class: 'device' },
            span({ class: 'device-picture' }, h(Icon, { name: isPhone(session.user_agent) ? 'phone' : 'device' })),
            div(
              { class: 'device-lines' },
              span({ class: 'device-name' }, name),
              session.current
                ? span({ class: 'device-current' }, texts.thisDevice)
                : span({ class: 'hint' }, texts.lastActive, ' ', time({ dateTime: session.last_used_at }, short(parse(session.last_used_at))), ' · ', networkOf(session.ip_prefix))
            ),
            !session.current && button({ type: 'button', class: 'button small', 'aria-label': texts.endSessionOf(name), onClick: () => end(session, name) }, texts.endSession)
          );
        })
      ),
    sessions &&
      div(
        { class: 'row-buttons' },
        button({ type: 'button', class: 'button danger', onClick: () => askToSignOut({ title: texts.everywhereQuestion, text: texts.everywhereExplanation, action: texts.signOutEverywhere }, signOutEverywhere) }, texts.signOutEverywhere)
      )
  );
}

/** @typedef {'old' | 'new'} Field */

/** What is wrong, for people. @param {any} error @returns {{field?: Field, text: string}} */
function problemOf(error) {
  const texts = t();
  const [first] = error.problem?.errors ?? [];
  if (error.code !== 'validation_failed' || !first) return { text: explain(error) };
  if (first.field === 'old') return { field: 'old', text: texts.passwordWrong };
  return { field: 'new', text: first.code === 'common' ? texts.passwordCommon : texts.errorPassword };
}

/** Changes the password. @param {{close: () => void}} props */
function PasswordDialog({ close }) {
  const texts = t();
  const [problem, setProblem] = useState(/** @type {{field?: Field, text: string} | null} */ (null));
  const [values, setValues] = useState({ old: '', new: '' });
  const [isBusy, setBusy] = useState(false);
  const box = useRef(/** @type {HTMLFormElement | null} */ (null));

  /** @param {{field?: Field, text: string}} next */
  function complain(next) {
    setProblem(next);
    if (next.field) /** @type {HTMLElement | null} */ (box.current?.querySelector(`#${next.field}`))?.focus();
  }

  /** @param {SubmitEvent} event */
  async function submit(event) {
    event.preventDefault();
    const { old, new: fresh } = values;
    if (!old) return complain({ field: 'old', text: texts.errorRequired });
    if (fresh.length < 6) return complain({ field: 'new', text: texts.errorPassword });
    if (isBusy) return;
    setBusy(true);
    try {
      await client.rest.put('/auth/password', values);
      close();
      toast(texts.passwordChanged);
    } catch (error) {
      complain(problemOf(error));
    } finally {
      setBusy(false);
    }
  }

  /** @param {Field} name @param {string} text @param {string} autocomplete @param {string} [hint] */
  const field = (name, text, autocomplete, hint) =>
    h(TextField, { id: name, name: text, hint, problem: problem?.field === name ? problem.text : '', value: values[name], onInput: (value) => setValues({ ...values, [name]: value }), type: 'password', autocomplete, autofocus: name === 'old' });

  return h(
    Dialog,
    { title: texts.changePassword, close, class: 'narrow' },
    form(
      { class: 'stack', ref: box, onSubmit: submit, noValidate: true },
      p({ class: 'hint' }, texts.passwordEndsOthers),
      problem && !problem.field && p({ class: 'problem', role: 'alert' }, problem.text),
      // Password managers want to know whose it is.
      input({ class: 'hidden', type: 'text', autocomplete: 'username', value: user.value?.username, readOnly: true, tabIndex: -1, 'aria-hidden': true }),
      field('old', texts.passwordNow, 'current-password'),
      field('new', texts.passwordNew, 'new-password', texts.passwordHint),
      button({ type: 'submit', class: 'button primary wide', 'aria-disabled': isBusy ? 'true' : undefined }, texts.changePassword)
    )
  );
}
