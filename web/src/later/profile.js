import { useEffect, useState } from '../../vendor/hooks.js';
import { button, div, h, li, p, span, ul } from '../lib/dom.js';
import { language, t } from '../lib/i18n.js';
import { formatDate } from '../lib/intl.js';
import { lastSeen, parse } from '../lib/time.js';
import { client } from '../state/client.js';
import { learn, learnPresence, nameOf, presenceOf } from '../state/people.js';
import { myId } from '../state/session.js';
import { Avatar } from '../ui/avatar.js';
import { Dialog } from '../ui/dialog.js';
import { Icon } from '../ui/icons.js';
import { refused, toast } from '../ui/toast.js';
import { writeTo } from './write-to.js';

/** @param {string} id */
function presenceText(id) {
  const presence = presenceOf(id);
  if (!presence) return '';
  if (presence.status !== 'offline') return t()[presence.status];
  return presence.last_seen_at ? lastSeen(presence.last_seen_at) : t().offline;
}

/** Who somebody is. @param {{id: string, close: () => void}} props */
export function View({ id, close }) {
  const texts = t();
  const [profile, setProfile] = useState(/** @type {{username: string, created_at: string, bio?: string} | null} */ (null));
  const name = nameOf(id);
  useEffect(() => {
    client.rest.get('/users/{id}', { id }).then(
      (user) => (learn([user]), setProfile(user)),
      (error) => (close(), refused(error))
    );
    learnPresence([id]).catch(() => {});
  }, []);

  const copy = () => navigator.clipboard.writeText(profile?.username ?? '').then(() => toast(texts.copied), refused);

  return h(
    Dialog,
    { title: texts.profile, close, class: 'narrow' },
    div(
      { class: 'profile' },
      h(Avatar, { id, name, user: id, size: 'large' }),
      div({ class: 'profile-name', dir: 'auto' }, name || texts.unknownUser),
      p({ class: 'profile-about' }, presenceText(id))
    ),
    profile &&
      ul(
        { class: 'facts' },
        li(null, span({ class: 'fact' }, texts.username), button({ type: 'button', class: 'fact-value', title: texts.copy, onClick: copy }, span(null, profile.username), h(Icon, { name: 'copy' }))),
        profile.bio && li(null, span({ class: 'fact' }, texts.bio), span({ class: 'fact-value', dir: 'auto' }, profile.bio)),
        li(null, span({ class: 'fact' }, texts.memberSince), span({ class: 'fact-value' }, formatDate(language.value, parse(profile.created_at), { dateStyle: 'long' })))
      ),
    id !== myId() && button({ type: 'button', class: 'button primary wide', autofocus: true, onClick: () => writeTo(id, close) }, texts.writeMessage)
  );
}
