import { useEffect, useState } from '../../../vendor/hooks.js';
import { button, div, h, h2, p, section } from '../../lib/dom.js';
import { canInstall, install } from '../../lib/install.js';
import { t } from '../../lib/i18n.js';
import { update } from '../../lib/trusted.js';
import { VERSION, build } from '../../lib/version.js';
import { showLater } from '../../ui/later.js';
import { Icon } from '../../ui/icons.js';

/** The client itself. */
export function About() {
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
      button({ type: 'button', class: 'button', 'aria-haspopup': 'dialog', onClick: () => showLater(() => import('../shortcuts.js'), {}) }, h(Icon, { name: 'keyboard' }), texts.shortcuts),
      canInstall() && button({ type: 'button', class: 'button', onClick: install }, h(Icon, { name: 'download' }), texts.install),
      update.value && button({ type: 'button', class: 'button primary', onClick: () => location.reload() }, texts.reloadNew)
    ),
    p({ class: 'hint' }, texts.version(VERSION), kept && ` · ${kept}`)
  );
}
