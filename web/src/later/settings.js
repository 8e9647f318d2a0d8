import { useEffect, useState } from '../../vendor/hooks.js';
import { button, div, fieldset, h, h1, h2, header, input, label, legend, option, p, section, select, span } from '../lib/dom.js';
import { LANGUAGES, language, t } from '../lib/i18n.js';
import { canInstall, install } from '../lib/install.js';
import { update } from '../lib/trusted.js';
import { VERSION, build } from '../lib/version.js';
import { leave } from '../routes.js';
import { permission, preferences, setPreferences } from '../state/notify.js';
import { chooseLanguage, chooseTheme, theme } from '../state/settings.js';
import { IconButton } from '../ui/button.js';
import { Icon } from '../ui/icons.js';
import { showLater } from '../ui/later.js';
import { Account } from './settings/account.js';
import { Devices } from './settings/devices.js';

/**
 * @typedef {import('../state/settings.js').Theme} Theme
 * @typedef {import('../state/notify.js').Preferences} Preferences
 */

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

/** A switch with its name and an explanation. @param {{name: keyof Preferences, title: string, hint?: string}} props */
const Switch = ({ name, title, hint }) =>
  label(
    { class: 'switch-row' },
    span({ class: 'switch-lines' }, span({ id: `switch-${name}` }, title), hint && span({ class: 'hint', id: `hint-${name}` }, hint)),
    input({
      ...{ type: 'checkbox', role: 'switch', class: 'switch-box', checked: preferences.value[name], 'aria-labelledby': `switch-${name}`, 'aria-describedby': hint && `hint-${name}` },
      async onChange({ currentTarget }) {
        await setPreferences({ [name]: currentTarget.checked });
        // The browser may have said no.
        currentTarget.checked = preferences.peek()[name];
      },
    })
  );

/** How this device tells of messages. */
function Notifications() {
  const texts = t();
  if (permission.value === 'unsupported') return null;
  const isOn = preferences.value.isOn && permission.value === 'granted';
  return section(
    { class: 'block' },
    h2({ class: 'block-title' }, texts.notifications),
    permission.value === 'denied'
      ? p({ class: 'notice' }, texts.notificationsDenied)
      : div(
          { class: 'switches' },
          h(Switch, { name: 'isOn', title: texts.notifyMessages, hint: texts.notifyHint }),
          isOn && h(Switch, { name: 'showsText', title: texts.notifyText }),
          isOn && h(Switch, { name: 'hasSound', title: texts.notifySound })
        )
  );
}

/** The client itself. */
function About() {
  const texts = t();
  const [kept, setKept] = useState('');
  useEffect(() => {
    build().then(setKept, () => {});
  }, []);
  return section(
    { class: 'block' },
    h2({ class: 'block-title' }, texts.about),
    div(
      { class: 'row-buttons' },
      button({ type: 'button', class: 'button', 'aria-haspopup': 'dialog', onClick: () => showLater(() => import('./shortcuts.js'), {}) }, h(Icon, { name: 'keyboard' }), texts.shortcuts),
      canInstall() && button({ type: 'button', class: 'button', onClick: install }, h(Icon, { name: 'download' }), texts.install),
      update.value && button({ type: 'button', class: 'button primary', onClick: () => location.reload() }, texts.reloadNew)
    ),
    p({ class: 'hint' }, texts.version(VERSION), kept && ` · ${kept}`)
  );
}
