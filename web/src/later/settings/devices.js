import { useEffect, useState } from '../../../vendor/hooks.js';
import { button, div, h, h2, li, p, section, span, time, ul } from '../../lib/dom.js';
import { t } from '../../lib/i18n.js';
import { parse, short } from '../../lib/time.js';
import { client, status } from '../../state/client.js';
import { signOutEverywhere } from '../../state/session.js';
import { confirm } from '../../ui/dialog.js';
import { Icon } from '../../ui/icons.js';
import { refused, toast } from '../../ui/toast.js';
import { askToSignOut } from './account.js';

/** @typedef {{id: string, device_name: string | null, user_agent: string | null, ip_prefix: string, last_used_at: string, created_at: string, current: boolean}} Session */

/** Pages of the list; more devices nobody has. */
const PAGES = 5;

/** All sessions, that of this device first. @returns {Promise<Session[]>} */
async function load() {
  /** @type {Session[]} */
  const all = [];
  /** @type {string | null | undefined} */
  let after;
  for (let page = 0; page < PAGES && after !== null; page++) {
    const { sessions, next } = await client.rest.get('/auth/sessions', { after, limit: 100 });
    all.push(...sessions);
    after = next;
  }
  return all.sort((a, b) => Number(b.current) - Number(a.current));
}

const isPhone = (/** @type {string | null} */ agent) => /Android|iPhone|iPad|Mobile/.test(agent ?? '');
/** The address of a network without the size of it. */
const networkOf = (/** @type {string} */ prefix) => prefix.split('/')[0];

/** Where the user is signed in. */
export function Devices() {
  const texts = t();
  const [sessions, setSessions] = useState(/** @type {Session[] | null} */ (null));
  const refresh = () => load().then(setSessions, refused);
  const isLive = status.value.state === 'live';
  useEffect(() => {
    if (isLive) refresh();
  }, [isLive]);
  useEffect(() => {
    const look = () => void (document.visibilityState === 'visible' && client.session && refresh());
    document.addEventListener('visibilitychange', look);
    return () => document.removeEventListener('visibilitychange', look);
  }, []);

  /** @param {Session} session @param {string} name */
  const end = ({ id }, name) =>
    confirm({
      title: texts.endSessionQuestion(name),
      text: texts.endSessionExplanation,
      action: texts.endSession,
      onConfirm: () => client.rest.delete('/auth/sessions/{id}', { id }).then(() => (toast(texts.sessionEndedOf(name)), refresh()), refused),
    });

  return section(
    { class: 'block' },
    h2({ class: 'block-title', id: 'devices' }, texts.devices),
    !sessions && p({ class: 'hint' }, texts.loading),
    sessions &&
      ul(
        { class: 'devices', 'aria-labelledby': 'devices' },
        sessions.map((session) => {
          const name = session.device_name ?? session.user_agent?.slice(0, 60) ?? texts.unknownDevice;
          return li(
            { key: session.id, class: 'device' },
            span({ class: 'device-picture' }, h(Icon, { name: isPhone(session.user_agent) ? 'phone' : 'device' })),
            div(
              { class: 'device-lines' },
              span({ class: 'device-name' }, name),
              session.current
                ? span({ class: 'device-current' }, texts.thisDevice)
                : span({ class: 'hint' }, texts.lastActive, ' ', time({ dateTime: session.last_used_at }, short(parse(session.last_used_at))), ' · ', networkOf(session.ip_prefix))
            ),
            !session.current && button({ type: 'button', class: 'button small', 'aria-label': texts.endSessionOf(name), onClick: () => end(session, name) }, texts.endSession)
          );
        })
      ),
    sessions &&
      div(
        { class: 'row-buttons' },
        button({ type: 'button', class: 'button danger', onClick: () => askToSignOut({ title: texts.everywhereQuestion, text: texts.everywhereExplanation, action: texts.signOutEverywhere }, signOutEverywhere) }, texts.signOutEverywhere)
      )
  );
}
