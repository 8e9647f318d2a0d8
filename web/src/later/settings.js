import { button, div, fieldset, h, h1, h2, header, input, kbd, label, legend, li, option, section, select, span, ul } from '../lib/dom.js';
import { LANGUAGES, language, t } from '../lib/i18n.js';
import { leave } from '../routes.js';
import { client } from '../state/client.js';
import { explain } from '../state/explain.js';
import { signOut, user } from '../state/session.js';
import { chooseLanguage, chooseTheme, theme } from '../state/settings.js';
import { Avatar } from '../ui/avatar.js';
import { IconButton } from '../ui/button.js';
import { confirm } from '../ui/dialog.js';
import { toast } from '../ui/toast.js';

/** @typedef {import('../state/settings.js').Theme} Theme */

function askToSignOut() {
  const texts = t();
  const unsent = client.outbox.list().length;
  confirm({
    title: texts.signOutQuestion,
    text: texts.signOutExplanation,
    note: unsent ? texts.unsentWarning(unsent) : undefined,
    action: texts.signOut,
    onConfirm: () => signOut().catch((error) => toast(explain(error), { isError: true })),
  });
}

/** The settings of this device and account. */
export function View() {
  const texts = t();
  /** @type {[Theme, string][]} */
  const themes = [['system', texts.themeSystem], ['light', texts.themeLight], ['dark', texts.themeDark]];
  /** @type {[string[], string][]} */
  const keys = [
    [['Alt', '↑ ↓'], texts.keyChats],
    [['Ctrl', 'K'], texts.keySearch],
    [['Enter'], texts.keySend],
    [['Shift', 'Enter'], texts.keyLine],
    [['↑'], texts.keyEdit],
    [['Esc'], texts.keyEscape],
  ];
  return div(
    { class: 'page' },
    header({ class: 'main-head' }, h(IconButton, { icon: 'back', name: texts.backToChats, class: 'back', onClick: () => leave('/') }), h1({ class: 'main-title' }, texts.settings)),
    div(
      { class: 'page-body' },
      section(
        { class: 'block account' },
        user.value && h(Avatar, { id: user.value.id, name: user.value.username, size: 'large' }),
        div(null, h2({ class: 'hidden' }, texts.account), span({ class: 'account-name' }, user.value?.username)),
        button({ type: 'button', class: 'button danger', onClick: askToSignOut }, texts.signOut)
      ),
      section(
        { class: 'block' },
        h2({ class: 'block-title' }, texts.appearance),
        fieldset(
          { class: 'choices', role: 'radiogroup' },
          legend(null, texts.theme),
          themes.map(([value, name]) => label({ key: value, class: 'choice' }, input({ type: 'radio', name: 'theme', value, checked: theme.value === value, onChange: () => chooseTheme(value) }), span(null, name)))
        ),
        div(
          { class: 'setting' },
          label({ for: 'language' }, texts.language),
          select(
            { id: 'language', class: 'input', value: language.value, onChange: (event) => chooseLanguage(/** @type {any} */ (event.currentTarget.value)) },
            Object.entries(LANGUAGES).map(([code, name]) => option({ key: code, value: code, selected: code === language.value }, name))
          )
        )
      ),
      section(
        { class: 'block keys' },
        h2({ class: 'block-title' }, texts.keyboard),
        ul(null, keys.map(([names, text]) => li({ key: text }, span(null, text), span({ class: 'combination' }, names.map((name) => kbd({ key: name }, name))))))
      )
    )
  );
}

