import { useRef, useState } from '../../../vendor/hooks.js';
import { button, form, h, input, p } from '../../lib/dom.js';
import { t } from '../../lib/i18n.js';
import { client } from '../../state/client.js';
import { explain } from '../../state/explain.js';
import { user } from '../../state/session.js';
import { Dialog } from '../../ui/dialog.js';
import { toast } from '../../ui/toast.js';
import { TextField } from '../fields.js';

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
export function View({ close }) {
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
