import { effect } from '../../vendor/signals.js';
import { useEffect } from '../../vendor/hooks.js';
import { a, div, h, main } from '../lib/dom.js';
import { focusOn } from '../lib/focus.js';
import { t } from '../lib/i18n.js';
import { listen } from '../lib/keys.js';
import { update } from '../lib/trusted.js';
import { navigate, route } from '../routes.js';
import { chatOf, startChats, titleOf, unreadTotal } from '../state/chats.js';
import { client, storeFailed } from '../state/client.js';
import { resumeEdit } from '../state/compose.js';
import { startDrafts } from '../state/drafts.js';
import { explain } from '../state/explain.js';
import { chatsInFolder } from '../state/folders.js';
import { startPeople } from '../state/people.js';
import { startNotifications } from '../state/notify.js';
import { startPins } from '../state/pins.js';
import { startReceipts } from '../state/receipts.js';
import { startTyping } from '../state/typing.js';
import { Dialogs, isDialogOpen } from '../ui/dialog.js';
import { Later, showLater } from '../ui/later.js';
import { Menus } from '../ui/menu.js';
import { Toasts, toast } from '../ui/toast.js';
import { Chat } from './chat.js';
import { Connection } from './connection.js';
import { startMembership } from './membership.js';
import { Sidebar, showNewChat } from './sidebar.js';
import { Empty } from '../ui/empty.js';

/** Follows the client. Called once, when it is there. */
export function start() {
  startPeople();
  startTyping();
  startDrafts();
  startReceipts();
  startPins();
  startChats();
  startMembership();
  startNotifications(navigate);
  effect(() => {
    const { name, ...where } = route.value;
    const chat = name === 'chat' && 'chat' in where ? chatOf(where.chat) : undefined;
    const view = name === 'settings' ? t().settings : name === 'rooms' ? t().groups.rooms : name === 'invite' ? t().groups.invitation : chat ? titleOf(chat) : '';
    document.title = `${unreadTotal.value ? `(${unreadTotal.value}) ` : ''}${view ? `${view} · ` : ''}NeonChat`;
  });
  effect(() => {
    if (storeFailed.value) toast(t().storeFailed);
  });
  effect(() => {
    if (update.value) toast(t().updateReady, { action: { name: t().reload, run: () => location.reload() } });
  });
  client.on('system', ({ text }) => toast(text));
  client.on('event', ({ type }) => {
    if (type === 'scheduled_failed') toast(t().scheduledFailed, { isError: true });
  });
  // A message that is refused says so in its place; the rest of what is refused is told here.
  client.on('outbox', ({ type, entry }) => {
    if (type !== 'failed' || entry.frame.type === 'message') return;
    const { request_id, chat_id, frame } = entry;
    const where = route.peek();
    // The text of an edit is not lost.
    const isLost = frame.type === 'edit' && !(where.name === 'chat' && where.chat === chat_id && resumeEdit(request_id));
    toast(explain(entry), { isError: true, action: isLost ? { name: t().copy, run: () => navigator.clipboard.writeText(frame.text) } : undefined });
    client.outbox.cancel(request_id);
  });
}

/** Opens the chat before or after the present one. @param {number} step */
function move(step) {
  const list = chatsInFolder.peek();
  const now = route.peek();
  const at = list.findIndex(({ id }) => now.name === 'chat' && id === now.chat);
  const next = list[at < 0 ? (step > 0 ? 0 : list.length - 1) : at + step];
  if (next) navigate(`/c/${next.id}`);
}

/** Finds a chat by its name. On a narrow screen the list is another view. */
function search() {
  const isNarrow = matchMedia('(max-width: 719.9px)').matches;
  if (isNarrow) navigate('/');
  setTimeout(focusOn, 0, '#filter');
}
const showShortcuts = () => void (isDialogOpen() || showLater(() => import('../later/shortcuts.js'), {}));

export function Messenger() {
  useEffect(() => listen({ 'Alt+ArrowUp': () => move(-1), 'Alt+ArrowDown': () => move(1), 'Ctrl+k': search, '/': search, 'Ctrl+/': showShortcuts, '?': showShortcuts }), []);
  // A shortcut of the installed client: see manifest.webmanifest.
  useEffect(() => {
    if (location.search !== '?new') return;
    history.replaceState(history.state, '', location.pathname);
    showNewChat();
  }, []);
  const where = route.value;
  const isChat = where.name === 'chat';
  return div(
    { class: 'app', 'data-view': where.name === 'home' ? 'list' : 'main' },
    isChat &&
      a({ class: 'skip', href: '#messages', onClick: (event) => (event.preventDefault(), focusOn('#messages')) }, t().skipToMessages),
    h(Sidebar, {}),
    isChat
      ? h(Chat, { key: where.chat, id: where.chat, seq: where.seq, isInfo: where.isInfo })
      : where.name === 'settings'
        ? main({ class: 'main' }, h(Later, { key: 'settings', load: () => import('../later/settings.js'), props: {} }))
        : where.name === 'rooms'
          ? main({ class: 'main' }, h(Later, { key: 'rooms', load: () => import('../later/rooms.js'), props: {} }))
          : where.name === 'invite'
            ? main({ class: 'main' }, h(Later, { key: where.code, load: () => import('../later/invite.js'), props: { code: where.code } }))
            : main({ class: 'main idle' }, h(Empty, { icon: 'logo', title: t().pickChat, hint: t().pickChatHint })),
    h(Connection, {}),
    h(Menus, {}),
    h(Dialogs, {}),
    h(Toasts, {})
  );
}
