import { useEffect, useLayoutEffect, useRef, useState } from '../../vendor/hooks.js';
import { button, div, h, h2, header, p, section, span } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { listen } from '../lib/keys.js';
import { closeInfo, navigate } from '../routes.js';
import { chatOf, titleOf } from '../state/chats.js';
import { client } from '../state/client.js';
import { allows, mayLeave, seesMembers, standingIn } from '../state/rights.js';
import { Avatar } from '../ui/avatar.js';
import { IconButton } from '../ui/button.js';
import { confirm } from '../ui/dialog.js';
import { Icon } from '../ui/icons.js';
import { Later, showLater } from '../ui/later.js';
import { refused } from '../ui/toast.js';
import { Members } from './group-members.js';
import { copyLink } from './links.js';
import { useEvents } from './pages.js';

/** @typedef {import('../state/client.js').ChatItem} ChatItem */

/** The pages of the panel. Each is loaded when it is wanted. */
const PAGES = {
  invites: () => import('./group-invites.js'),
  requests: () => import('./group-requests.js'),
  bans: () => import('./group-bans.js'),
  audit: () => import('./group-audit.js'),
  settings: () => import('./group-settings.js'),
};

/** How many people wait, as far as one request tells. @param {string} id @param {boolean} isAsked */
function useWaiting(id, isAsked) {
  const [count, setCount] = useState(0);
  const load = () => {
    // Without it the page of requests still shows them.
    if (isAsked) client.rest.get('/chats/{id}/requests', { id, limit: 100 }).then(({ requests }) => setCount(requests.length), () => {});
  };
  useEffect(load, [id, isAsked]);
  useEvents(id, /^members_added$/, load);
  return { count: isAsked ? count : 0, load };
}

/** What a group is, who is in it, and what the user may do there. @param {{id: string}} props */
export function View({ id }) {
  const texts = t().groups;
  const chat = chatOf(id);
  const [page, setPage] = useState(/** @type {keyof typeof PAGES | null} */ (null));
  const root = useRef(/** @type {HTMLElement | null} */ (null));
  const standing = chat && standingIn(chat);
  const waiting = useWaiting(id, Boolean(standing && allows(standing, 'requests')));

  // The focus follows the pages: into a new one, and back to the row that led there.
  const before = useRef(page);
  useLayoutEffect(() => {
    const target = page ?? before.current;
    const isBack = !page && before.current;
    before.current = page;
    const row = isBack && root.current?.querySelector(`[data-page="${target}"]`);
    /** @type {HTMLElement | null | undefined} */ (row || root.current?.querySelector('.panel-head button'))?.focus({ preventScroll: true });
    if (isBack) waiting.load();
  }, [page]);

  const leavePage = () => (page ? setPage(null) : close());
  // A button that did its work may be gone with the focus: then the page has it.
  useEffect(
    () =>
      listen({
        Escape() {
          if (document.activeElement !== document.body || document.querySelector('dialog[open]')) return false;
          leavePage();
        },
      }),
    [page]
  );
  function close() {
    closeInfo(id);
    // The button is there again when the panel covers the chat no longer.
    requestAnimationFrame(() => /** @type {HTMLElement | null} */ (document.querySelector('.info-button'))?.focus({ preventScroll: true }));
  }

  if (!chat || !standing) return null;
  const isChannel = chat.type === 'channel';
  const titles = { invites: texts.invites, requests: texts.requests, bans: texts.bans, audit: texts.audit, settings: isChannel ? texts.channelSettings : texts.settings };
  return section(
    {
      ...{ class: 'panel', ref: root, 'aria-labelledby': 'panel-title' },
      onKeyDown(event) {
        if (event.key !== 'Escape' || event.defaultPrevented) return;
        event.preventDefault();
        leavePage();
      },
    },
    header(
      { class: 'panel-head main-head' },
      h(IconButton, { icon: page ? 'back' : 'close', name: page ? texts.back : t().close, onClick: leavePage }),
      h2({ class: 'main-title', id: 'panel-title' }, page ? titles[page] : isChannel ? texts.channelInfo : texts.groupInfo)
    ),
    page
      ? div({ class: 'panel-body', key: page }, h(Later, { key: page, load: PAGES[page], props: { chat } }))
      : div(
          { class: 'panel-body', key: 'info' },
          h(About, { chat }),
          div(
            { class: 'rows' },
            allows(standing, 'invite') && row('invites', 'link', texts.invites),
            allows(standing, 'requests') && row('requests', 'clock', texts.requests, waiting.count),
            allows(standing, 'ban') && row('bans', 'ban', texts.bans),
            allows(standing, 'audit') && row('audit', 'list', texts.audit),
            ['info', 'restrict', 'settings'].some((right) => allows(standing, right)) && row('settings', 'settings', titles.settings)
          ),
          seesMembers(standing) && h(Members, { chat }),
          div(
            { class: 'rows' },
            mayLeave(chat) && button({ type: 'button', class: 'panel-row danger', onClick: () => askToLeave(chat) }, h(Icon, { name: 'leave' }), texts.leave),
            allows(standing, 'close') && button({ type: 'button', class: 'panel-row danger', onClick: () => askToDelete(chat) }, h(Icon, { name: 'trash' }), isChannel ? texts.deleteChannel : texts.deleteGroup)
          )
        )
  );

  /** @param {keyof typeof PAGES} target @param {import('../ui/icons.js').IconName} icon @param {string} name @param {number} [count] */
  function row(target, icon, name, count) {
    return button(
      { type: 'button', class: 'panel-row', 'data-page': target, onClick: () => setPage(target) },
      h(Icon, { name: icon }),
      name,
      Boolean(count) && span({ class: 'hidden' }, texts.requestsCount(count ?? 0)),
      Boolean(count) && span({ class: 'badge', 'aria-hidden': true }, count)
    );
  }
}

/** @param {{chat: ChatItem}} props */
function About({ chat }) {
  const texts = t();
  const { id, type, handle, description, member_count = 0 } = chat;
  const url = `${location.origin}/c/${id}`;
  return div(
    { class: 'about' },
    h(Avatar, { id, name: titleOf(chat), size: 'large' }),
    p({ class: 'about-title', dir: 'auto' }, titleOf(chat)),
    p({ class: 'about-count' }, type === 'channel' ? texts.subscribers(member_count) : texts.members(member_count)),
    handle && button({ type: 'button', class: 'link', title: texts.groups.copyLink, onClick: () => copyLink(url) }, `@${handle}`),
    description && p({ class: 'about-text', dir: 'auto' }, description),
    allows(standingIn(chat), 'invite') && button({ type: 'button', class: 'button primary wide', onClick: () => showLater(() => import('./add-members.js'), { chatId: id }) }, h(Icon, { name: 'plus' }), texts.groups.addMembers)
  );
}

/** @param {ChatItem} chat */
function askToLeave(chat) {
  const texts = t().groups;
  confirm({
    title: texts.leaveQuestion(titleOf(chat)),
    text: chat.role === 'owner' ? texts.leaveClosesIt : texts.leaveExplanation,
    action: texts.leave,
    onConfirm: () => client.rest.delete('/chats/{id}/members/me', { id: chat.id }).then(() => gone(chat.id), refused),
  });
}

/** @param {ChatItem} chat */
function askToDelete(chat) {
  const texts = t().groups;
  confirm({
    title: texts.deleteQuestion(titleOf(chat)),
    text: texts.deleteExplanation,
    action: chat.type === 'channel' ? texts.deleteChannel : texts.deleteGroup,
    onConfirm: () => client.rest.delete('/chats/{id}', { id: chat.id }).then(() => gone(chat.id), refused),
  });
}

/** The frame that follows removes it from the list. @param {string} id */
function gone(id) {
  if (location.pathname.startsWith(`/c/${id}`)) navigate('/', { replace: true });
}
