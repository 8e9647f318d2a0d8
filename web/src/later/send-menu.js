import { t } from '../lib/i18n.js';
import { showLater } from '../ui/later.js';
import { openMenu } from '../ui/menu.js';

/**
 * Opens the menu with the other ways to send what is written.
 * @param {HTMLElement} from
 * @param {string} chatId
 * @param {() => void} sendSilently
 */
export function openSendMenu(from, chatId, sendSilently) {
  const texts = t();
  openMenu({
    from,
    label: texts.sendOptions,
    items: [
      { name: texts.sendSilently, icon: 'silent', run: sendSilently },
      { name: texts.scheduleMessage, icon: 'calendar', run: () => showLater(() => import('./schedule.js'), { chatId }) },
    ],
  });
}
