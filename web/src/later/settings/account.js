import { useEffect, useState } from '../../../vendor/hooks.js';
import { button, div, h, h2, section, span } from '../../lib/dom.js';
import { language, t } from '../../lib/i18n.js';
import { formatDate } from '../../lib/intl.js';
import { parse } from '../../lib/time.js';
import { client } from '../../state/client.js';
import { signOut, user } from '../../state/session.js';
import { Avatar } from '../../ui/avatar.js';
import { confirm } from '../../ui/dialog.js';
import { showLater } from '../../ui/later.js';
import { refused } from '../../ui/toast.js';

/** Asks before everything that is stored here is deleted. @param {{title: string, text: string, action: string}} texts @param {() => Promise<void>} work */
export function askToSignOut(texts, work) {
  const unsent = client.outbox.list().length;
  confirm({ ...texts, note: unsent ? t().unsentWarning(unsent) : undefined, onConfirm: () => work().catch(refused) });
}

/** Who is signed in. */
export function Account() {
  const texts = t();
  const [since, setSince] = useState('');
  useEffect(() => {
    client.rest.get('/users/me').then(({ created_at }) => setSince(created_at), () => {});
  }, []);
  const me = user.value;
  return section(
    { class: 'block' },
    h2({ class: 'hidden' }, texts.account),
    div(
      { class: 'account' },
      me && h(Avatar, { id: me.id, name: me.username, size: 'large' }),
      div(null, div({ class: 'account-name' }, me?.username), since && span({ class: 'hint' }, texts.sinceDate(formatDate(language.value, parse(since), { dateStyle: 'long' })))),
    ),
    div(
      { class: 'row-buttons' },
      button({ type: 'button', class: 'button', 'aria-haspopup': 'dialog', onClick: () => showLater(() => import('./password.js'), {}) }, texts.changePassword),
      button({ type: 'button', class: 'button danger', onClick: () => askToSignOut({ title: texts.signOutQuestion, text: texts.signOutExplanation, action: texts.signOut }, signOut) }, texts.signOut)
    )
  );
}
