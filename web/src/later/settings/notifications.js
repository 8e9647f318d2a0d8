import { div, h, h2, input, label, p, section, span } from '../../lib/dom.js';
import { t } from '../../lib/i18n.js';
import { permission, preferences, setPreferences } from '../../state/notify.js';

/** @typedef {import('../../state/notify.js').Preferences} Preferences */

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
export function Notifications() {
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
