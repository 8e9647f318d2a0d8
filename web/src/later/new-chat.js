import { button, div, h, p } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { navigate } from '../routes.js';
import { Dialog } from '../ui/dialog.js';
import { Icon } from '../ui/icons.js';
import { showLater } from '../ui/later.js';
import { PeopleSearch } from './people-search.js';
import { writeTo } from './write-to.js';

/** Finds somebody, and opens the chat. @param {{close: () => void}} props */
export const View = ({ close }) => h(Dialog, { title: t().newChat, close }, h(PeopleSearch, { id: 'people', most: 20, autofocus: true, onTake: ({ id }) => writeTo(id, close) }, h(Places, { close })));

/** Other things that can be begun. @param {{close: () => void}} props */
function Places({ close }) {
  const texts = t();
  /** @param {import('../ui/icons.js').IconName} icon @param {string} name @param {() => void} run */
  const place = (icon, name, run) => button({ type: 'button', class: 'place', onClick: () => (close(), run()) }, h(Icon, { name: icon }), name);
  return div(
    { class: 'places' },
    p({ class: 'people-hint' }, texts.findHint),
    place('channel', texts.groups.newChannel, () => showLater(() => import('./new-group.js'), { isChannel: true })),
    place('search', texts.groups.rooms, () => navigate('/rooms'))
  );
}
