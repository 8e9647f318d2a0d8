import { div, fieldset, h, h1, h2, header, input, label, legend, option, section, select, span } from '../lib/dom.js';
import { LANGUAGES, language, t } from '../lib/i18n.js';
import { leave } from '../routes.js';
import { chooseLanguage, chooseTheme, theme } from '../state/settings.js';
import { IconButton } from '../ui/button.js';
import { About } from './settings/about.js';
import { Account } from './settings/account.js';
import { Devices } from './settings/devices.js';
import { Notifications } from './settings/notifications.js';

/** @typedef {import('../state/settings.js').Theme} Theme */

/** The settings of this device and account. */
export function View() {
  const texts = t();
  return div(
    { class: 'page' },
    header({ class: 'main-head' }, h(IconButton, { icon: 'back', name: texts.backToChats, class: 'back', onClick: () => leave('/') }), h1({ class: 'main-title' }, texts.settings)),
    div({ class: 'page-body' }, h(Account, {}), h(Appearance, {}), h(Notifications, {}), h(Devices, {}), h(About, {}))
  );
}

function Appearance() {
  const texts = t();
  /** @type {[Theme, string][]} */
  const themes = [['system', texts.themeSystem], ['light', texts.themeLight], ['dark', texts.themeDark]];
  return section(
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
  );
}
