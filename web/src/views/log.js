import { useEffect, useLayoutEffect, useMemo, useRef, useState } from '../../vendor/hooks.js';
import { useSignal } from '../../vendor/signals.js';
import { button, div, h, span } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { dayHeading } from '../lib/time.js';
import { navigate, visits } from '../routes.js';
import { client, status } from '../state/client.js';
import { draftOf } from '../state/drafts.js';
import { learnMembers, nameOf } from '../state/people.js';
import { createReading } from '../state/reading.js';
import { loadReceipts } from '../state/receipts.js';
import { may } from '../state/rights.js';
import { myId } from '../state/session.js';
import { timelineOf } from '../state/timelines.js';
import { Empty } from '../ui/empty.js';
import { Icon } from '../ui/icons.js';
import { showLater } from '../ui/later.js';
import { ChatSkeleton } from '../ui/skeleton.js';
import { VirtualList } from '../ui/virtual.js';
import { Announcer } from './announcer.js';
import { itemsOf } from './items.js';
import { Message } from './message.js';
import { NoticeLine, useNotices } from './notice.js';
import { StickyDay } from './sticky-day.js';

/** @typedef {import('./items.js').Item} Item */

/** Where the first unread message is when a chat is opened. */
const UNREAD_TOP = 96;
/** How long a message that was jumped to is marked. */
const MARKED = 2_000;

const isAttentive = () => document.visibilityState === 'visible' && document.hasFocus() && status.peek().state === 'live';

/** The messages of a chat. @param {{chat: import('../state/client.js').ChatItem, seq?: number}} props */
export function Log({ chat, seq }) {
  const { id } = chat;
  const texts = t();
  const timeline = useMemo(() => timelineOf(id), []);
  const list = useRef(/** @type {VirtualList<Item> | null} */ (null));
  const sticky = useRef(/** @type {(() => void) | null} */ (null));
  const marked = useSignal('');
  const isEnd = useSignal(true);
  // After which `seq` the divider is. It is fixed when the chat is opened, or when messages come while nobody looks.
  const [divider, setDivider] = useState(chat.unread_count ? chat.read_seq : undefined);
  const [start, setStart] = useState(/** @type {import('../ui/virtual.js').Anchor | undefined} */ (undefined));
  const firsts = useMemo(() => new Set(), []);
  const reading = useMemo(() => createReading((read) => client.read(id, read)), []);

  const mark = (/** @type {string} */ key) => {
    marked.value = key;
    setTimeout(() => marked.peek() === key && (marked.value = ''), MARKED);
  };
  const fail = () => {};
  const goToEnd = () =>
    timeline.show().then((row) => {
      if (!row) return;
      // What was to be shown first may not have been loaded.
      setStart((now) => now ?? 'end');
      list.current?.goTo('end');
    }, fail);

  // Opening: at the first unread message, else at the end; or where the link says.
  function open() {
    const target = seq ?? (divider === undefined ? undefined : divider + 1);
    timeline.show(target).then((row) => {
      if (seq !== undefined && row) mark(row.key);
      const isUnread = seq === undefined && row && row.message.seq > (divider ?? Infinity);
      setStart((now) => now ?? (seq !== undefined && row ? { key: row.key, top: 160 } : isUnread ? { key: row.key, top: UNREAD_TOP } : 'end'));
    }, fail);
  }
  useLayoutEffect(() => {
    open();
    learnMembersOf();
    return reading.stop;
  }, []);
  // What could not be loaded is loaded when there is a connection again.
  const isLive = status.value.state === 'live';
  useEffect(() => {
    if (isLive && timeline.state.peek() === 'failed') open();
  }, [isLive]);

  function learnMembersOf() {
    if (chat.type === 'direct') return;
    // Names and receipts are a nicety: the messages do not wait for them.
    learnMembers(id).catch(fail);
    loadReceipts(id).catch(fail);
  }

  // Going to another message of the chat.
  const visit = `${seq} ${visits.value}`;
  const visited = useRef(visit);
  useEffect(() => {
    if (visited.current === visit || seq === undefined) return;
    visited.current = visit;
    timeline.show(seq).then((row) => {
      if (!row) return;
      setStart((now) => now ?? { key: row.key, top: 160 });
      list.current?.center(row.key);
      mark(row.key);
    }, fail);
  }, [visit]);

  useEffect(() => {
    const events = ['focus', 'blur'];
    for (const name of events) addEventListener(name, reading.attend);
    document.addEventListener('visibilitychange', reading.attend);
    return () => {
      for (const name of events) removeEventListener(name, reading.attend);
      document.removeEventListener('visibilitychange', reading.attend);
    };
  }, []);

  // What the user sends is seen.
  useEffect(() => client.on('outbox', ({ type, entry }) => {
    if (type === 'added' && entry.chat_id === id && entry.frame.type === 'message') goToEnd();
  }), []);

  // What comes while nobody looks is not passed over: the view stays, and the divider says where it begins.
  useEffect(() => client.on('message', ({ chat_id, seq: next, message }) => {
    if (chat_id !== id || message.sender_id === myId() || isAttentive() || !isEnd.peek()) return;
    list.current?.hold();
    setDivider((now) => now ?? next - 1);
  }), []);

  const rows = timeline.rows.value;
  const hasOlder = timeline.hasOlder.value;
  const hasNewer = timeline.hasNewer.value;
  const notices = useNotices(chat, timeline);
  const items = useMemo(() => itemsOf(rows, { hasOlder, hasNewer, divider, me: myId(), firsts, notices }), [rows, hasOlder, hasNewer, divider, notices]);

  if (timeline.state.value === 'failed') {
    return h(Empty, { icon: 'alert', title: texts.loadFailed }, button({ type: 'button', class: 'button', onClick: open }, texts.tryAgain));
  }
  if (start === undefined || timeline.state.value === 'loading') return div({ class: 'log', id: 'messages', role: 'log', 'aria-label': texts.messages, 'aria-live': 'off', 'aria-busy': true, tabIndex: 0 }, ChatSkeleton());
  return div(
    { class: 'log-frame' },
    h(/** @type {typeof VirtualList<Item>} */ (VirtualList), {
      ...{ handle: list, id: 'messages', label: texts.messages, items, start, hasOlder, hasNewer, hasFocus: document.activeElement?.id === 'messages' },
      row: (item) => view(item, chat, marked),
      onEdge: (direction) => void timeline.extend(direction).catch(fail),
      onSee: (item) => item.kind === 'message' && item.row.message.seq < Infinity && reading.see(item.row.message.seq),
      onEnd: (value) => (isEnd.value = value),
      onGoToEnd: goToEnd,
      onScroll: () => sticky.current?.(),
    }),
    h(StickyDay, { list, handle: sticky }),
    rows.length === 0 && !hasOlder && h(Empty, { icon: 'logo', title: texts.emptyChat, hint: draftOf(id).value || !may(id, 'send') ? undefined : texts.emptyChatHint }),
    (!isEnd.value || hasNewer) && h(LatestButton, { count: chat.unread_count, onClick: () => (seq === undefined ? goToEnd() : (navigate(`/c/${id}`), goToEnd())) }),
    h(Announcer, { id })
  );
}

/** @param {{count: number, onClick: () => void}} props */
const LatestButton = ({ count, onClick }) =>
  button({ type: 'button', class: 'latest', 'aria-label': t().latest(count), title: t().latest(count), onClick }, h(Icon, { name: 'down' }), count > 0 && span({ class: 'badge', 'aria-hidden': true }, count));

/** @param {Item} item @param {import('../state/client.js').ChatItem} chat @param {import('../../vendor/signals.js').Signal<string>} marked */
function view(item, chat, marked) {
  if (item.kind === 'day') {
    const day = dayHeading(item.at);
    const onClick = () => showLater(() => import('../later/date-jump.js'), { chat, at: item.at });
    return div({ class: 'day' }, button({ type: 'button', 'aria-label': `${day}. ${t().jumpToDate}`, title: t().jumpToDate, 'aria-haspopup': 'dialog', onClick }, day));
  }
  if (item.kind === 'unread') return div({ class: 'unread', role: 'separator', 'aria-label': t().unreadDivider }, span({ 'aria-hidden': true }, t().unreadDivider));
  if (item.kind === 'start') return div({ class: 'start' }, t().beginning);
  if (item.kind === 'notice') return h(NoticeLine, { notice: item.notice, before: item.before });
  const { row, isFirst, isLast } = item;
  const isOwn = row.message.sender_id === myId();
  return h(Message, { row, isFirst, isLast, isOwn, chatId: chat.id, marked, showsName: chat.type === 'group' && !isOwn, name: isOwn ? t().you : nameOf(row.message.sender_id) });
}
