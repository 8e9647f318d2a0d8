import { useRef, useState } from '../../vendor/hooks.js';
import { a, button, div, form, h, h1, input, label, main, p, span } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { route } from '../routes.js';
import { ended, register, signIn } from '../state/session.js';
import { Logo } from '../ui/logo.js';

/** @typedef {{field?: 'username' | 'password', text: string}} Problem */

/** @param {any} error @returns {Problem} */
function explain({ code, problem }) {
  const texts = t();
  if (code === 'invalid_credentials') return { field: 'username', text: texts.errorCredentials };
  if (code === 'username_taken') return { field: 'username', text: texts.errorUsernameTaken };
  if (code === 'validation_failed') {
    const isName = problem?.errors?.some((/** @type {{field: string}} */ { field }) => field === 'username');
    return isName ? { field: 'username', text: texts.errorUsername } : { field: 'password', text: texts.errorPassword };
  }
  if (code === 'rate_limited') return { text: texts.errorTooMany };
  return { text: code === 'network' || code === 'unavailable' || !code ? texts.errorNetwork : texts.errorUnknown(code) };
}

/** Sign in, or create an account. */
export function SignIn() {
  const isNew = route.value.name === 'register';
  // Another form: nothing of the former one stays.
  return h(CredentialsForm, { key: String(isNew), isNew });
}

/** @param {{isNew: boolean}} props */
function CredentialsForm({ isNew }) {
  const texts = t();
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
  const [isBusy, setBusy] = useState(false);
  const root = useRef(/** @type {HTMLFormElement | null} */ (null));

  /** @param {Problem} next */
  function refuse(next) {
    setProblem(next);
    const { username, password } = /** @type {Record<string, HTMLInputElement>} */ (/** @type {unknown} */ (root.current?.elements));
    (next.field === 'password' ? password : username).focus();
  }

  /** @param {SubmitEvent} event */
  async function submit(event) {
    event.preventDefault();
    if (isBusy) return;
    const data = new FormData(/** @type {HTMLFormElement} */ (event.currentTarget));
    const [username, password] = ['username', 'password'].map((name) => String(data.get(name)));
    if (!username.trim() || !password) return refuse({ field: username.trim() ? 'password' : 'username', text: texts.errorRequired });
    setBusy(true);
    setProblem(null);
    try {
      await (isNew ? register : signIn)(username.trim(), password);
    } catch (error) {
      setBusy(false);
      refuse(explain(error));
    }
  }

  /** @param {'username' | 'password'} name @param {string} text @param {string} hint @param {object} more */
  const field = (name, text, hint, more) =>
    div(
      { class: 'field' },
      label({ for: name }, text),
      input({
        ...{ id: name, name, class: 'input', dir: 'auto', autocapitalize: 'none', spellcheck: false, ...more },
        'aria-invalid': problem?.field === name ? 'true' : undefined,
        'aria-describedby': problem?.field === name ? 'problem' : isNew ? `${name}-hint` : undefined,
      }),
      isNew && span({ class: 'hint', id: `${name}-hint` }, hint)
    );

  return main(
    { class: 'welcome' },
    div(
      { class: 'card' },
      div({ class: 'brand' }, h(Logo, {}), span(null, 'NeonChat')),
      h1(null, isNew ? texts.createAccountForm : texts.signIn),
      p({ class: 'lead' }, isNew ? texts.registerLead : texts.signInLead),
      form(
        { ref: root, 'aria-label': isNew ? texts.createAccountForm : texts.signInForm, noValidate: true, onSubmit: submit },
        ended.value && !problem && p({ class: 'notice' }, texts.sessionEnded),
        problem && p({ class: 'problem', id: 'problem', role: 'alert' }, problem.text),
        field('username', texts.username, texts.usernameHint, { type: 'text', autocomplete: 'username', autofocus: true }),
        field('password', texts.password, texts.passwordHint, { type: 'password', autocomplete: isNew ? 'new-password' : 'current-password' }),
        button({ class: 'button primary wide', type: 'submit', 'aria-disabled': isBusy ? 'true' : undefined }, isNew ? texts.createAccount : texts.signIn)
      ),
      p({ class: 'switch' }, isNew ? texts.haveAccount : texts.noAccount, ' ', isNew ? a({ href: '/login' }, texts.signIn) : a({ href: '/register' }, texts.createAccount))
    ),
    p({ class: 'tagline' }, texts.tagline)
  );
}
