import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fakeBrowser, message } from './support.mjs';

fakeBrowser();
const { shortened, withSegment } = await import('../../src/state/segments.js');
const { Timeline } = await import('../../src/state/timeline.js');
const { itemsOf } = await import('../../src/views/items.js');

const row = (seq) => ({ key: `m${seq}`, message: message(seq), state: 'stored' });
const segment = (from, to, more = {}) => ({ from, to, rows: Array.from({ length: to - from + 1 }, (_, n) => row(from + n)), older: true, newer: true, ...more });
const seqs = (rows) => rows.map(({ message }) => message.seq);
const texts = (timeline) => timeline.rows.value.map(({ message, state }) => `${message.text}${state === 'stored' ? '' : ` ${state}`}`);

describe('segments', () => {
  it('stay apart where something is missing', () => {
    const { segments } = withSegment([segment(50, 60)], segment(10, 20));
    assert.deepEqual(segments.map(({ from, to }) => [from, to]), [[10, 20], [50, 60]]);
  });
  it('become one when they meet, with each row once', () => {
    const { segments, merged } = withSegment([segment(10, 20, { older: false }), segment(25, 30, { newer: false })], segment(18, 24));
    assert.equal(segments.length, 1);
    assert.deepEqual(seqs(merged.rows), Array.from({ length: 21 }, (_, n) => 10 + n));
    assert.deepEqual([merged.older, merged.newer], [false, false]);
  });
  it('are one when they touch', () => {
    assert.equal(withSegment([segment(10, 20)], segment(21, 30)).segments.length, 1);
    assert.equal(withSegment([segment(10, 20)], segment(22, 30)).segments.length, 2);
  });
  it('are shortened at the other end', () => {
    const older = shortened(segment(1, 100, { newer: false }), 30, 'older');
    assert.deepEqual([older.from, older.to, older.newer, older.rows.length], [1, 30, true, 30]);
    const newer = shortened(segment(1, 100, { older: false }), 30, 'newer');
    assert.deepEqual([newer.from, newer.to, newer.older, newer.rows.length], [71, 100, true, 30]);
  });
});

/** A chat of messages 1 to `last`, with what was not sent. */
function setUp(last, pending = []) {
  const all = Array.from({ length: last }, (_, n) => message(n + 1));
  const asked = [];
  const source = {
    me: () => 'me',
    now: () => Date.parse('2026-01-02T04:00:00Z'),
    pending: () => pending,
    async page(query) {
      asked.push(query);
      const { before, after, around, limit } = query;
      const from = after !== undefined ? after : around !== undefined ? Math.max(0, around - 1 - limit / 2) : Math.max(0, (before ?? all.length + 1) - 1 - limit);
      const messages = all.slice(from, before !== undefined ? before - 1 : from + limit);
      return { messages, has_previous: from > 0, has_next: (messages.at(-1)?.seq ?? 0) < all.length };
    },
  };
  return { all, asked, source, timeline: new Timeline(source) };
}

const entry = (id, text, more = {}) => ({ request_id: id, chat_id: 'c', created: 1, state: 'pending', frame: { type: 'message', text }, ...more });

describe('timeline', () => {
  it('shows the end, and what comes', async () => {
    const { timeline } = setUp(100);
    await timeline.show();
    assert.deepEqual(seqs(timeline.rows.value), Array.from({ length: 60 }, (_, n) => n + 41));
    timeline.on('message', { message: message(101) });
    timeline.on('message', { message: message(101) });
    assert.equal(seqs(timeline.rows.value).at(-1), 101);
    assert.equal(timeline.rows.value.length, 61);
  });

  it('extends both ways until the ends', async () => {
    const { timeline } = setUp(300);
    await timeline.show(150);
    assert.equal(timeline.hasNewer.value, true);
    while (timeline.hasOlder.value) await timeline.extend('older');
    while (timeline.hasNewer.value) await timeline.extend('newer');
    assert.deepEqual(seqs(timeline.rows.value), Array.from({ length: 300 }, (_, n) => n + 1));
  });

  it('keeps the end while an old part is shown', async () => {
    const { timeline, asked } = setUp(500);
    await timeline.show();
    await timeline.show(100);
    assert.equal(timeline.hasNewer.value, true);
    timeline.on('message', { message: message(501) });
    assert.ok(!seqs(timeline.rows.value).includes(501), 'the gap is not closed by guessing');
    const requests = asked.length;
    await timeline.show();
    assert.equal(asked.length, requests, 'the end is in memory');
    assert.equal(seqs(timeline.rows.value).at(-1), 501);
  });

  it('keeps at most 2,000 messages', async () => {
    const { timeline } = setUp(3000);
    await timeline.show();
    while (timeline.hasOlder.value) await timeline.extend('older');
    assert.equal(timeline.rows.value.length, 2000);
    assert.equal(timeline.rows.value[0].message.seq, 1);
    assert.equal(timeline.hasNewer.value, true);
  });

  it('has one row for a message before and after it is stored', async () => {
    const { timeline } = setUp(3);
    await timeline.show();
    timeline.on('outbox', { type: 'added', entry: entry('r1', 'one') });
    timeline.on('outbox', { type: 'added', entry: entry('r2', 'two') });
    assert.deepEqual(texts(timeline).slice(3), ['one sending', 'two sending']);
    timeline.on('outbox', { type: 'done', entry: entry('r1', 'one'), ack: { seq: 4, message_id: 'm4' } });
    assert.deepEqual(texts(timeline).slice(3), ['one', 'two sending']);
    timeline.on('message', { message: message(4, { sender_id: 'me', request_id: 'r1', text: 'one' }) });
    assert.deepEqual(texts(timeline).slice(3), ['one', 'two sending']);
    assert.equal(timeline.rows.value[3].key, 'r1');
  });

  it('has one row for a message whose answer was lost', async () => {
    const { timeline } = setUp(3, [entry('r1', 'one')]);
    await timeline.show();
    assert.deepEqual(texts(timeline).slice(3), ['one sending']);
    timeline.on('message', { message: message(4, { sender_id: 'me', request_id: 'r1', text: 'one' }) });
    timeline.on('outbox', { type: 'done', entry: entry('r1', 'one'), ack: { seq: 4, message_id: 'm4', duplicate: true } });
    assert.deepEqual(texts(timeline).slice(3), ['one']);
  });

  it('shows what failed until it is sent again or deleted', async () => {
    const { timeline } = setUp(1);
    await timeline.show();
    timeline.on('outbox', { type: 'added', entry: entry('r1', 'one') });
    timeline.on('outbox', { type: 'failed', entry: entry('r1', 'one', { state: 'failed', code: 'forbidden', reason: 'role' }) });
    assert.deepEqual(texts(timeline).slice(1), ['one failed']);
    assert.equal(timeline.rows.value[1].reason, 'role');
    timeline.on('outbox', { type: 'added', entry: entry('r1', 'one') });
    assert.deepEqual(texts(timeline).slice(1), ['one sending']);
    timeline.on('outbox', { type: 'cancelled', entry: entry('r1', 'one') });
    assert.deepEqual(texts(timeline), ['text 1']);
  });

  it('applies what happens while a page is on its way', async () => {
    const { timeline, source } = setUp(10);
    const { page } = source;
    source.page = async (query) => {
      const answer = await page(query);
      timeline.on('message', { message: message(11) });
      timeline.on('event', { type: 'messages_deleted', messages: [{ id: 'm2', seq: 2 }] });
      return answer;
    };
    await timeline.show();
    assert.equal(seqs(timeline.rows.value).at(-1), 11);
    assert.equal(timeline.rows.value[1].message.deleted, true);
  });

  it('applies edits, deletions and reactions', async () => {
    const { timeline } = setUp(3);
    await timeline.show();
    timeline.on('event', { type: 'message_edited', message: { ...message(1), text: 'newer', changed_seq: 6 } });
    timeline.on('event', { type: 'message_edited', message: { ...message(1), text: 'older', changed_seq: 5 } });
    timeline.on('event', { type: 'reactions', message_id: 'm2', reactions: [{ emoji: '👍', count: 1, recent: ['bob'] }] });
    timeline.on('event', { type: 'messages_deleted', messages: [{ id: 'm3', seq: 3 }] });
    const [first, second, third] = timeline.rows.value.map((one) => one.message);
    assert.equal(first.text, 'newer');
    assert.equal(second.reactions[0].count, 1);
    assert.deepEqual([third.text, third.deleted], ['', true]);
  });

  it('drops the formatting and the mentions that an edit does not have', async () => {
    const { timeline, all } = setUp(1);
    Object.assign(all[0], { entities: [{ type: 'spoiler', offset: 0, length: 4 }], mentions: ['bob'], mention_all: true });
    await timeline.show();
    timeline.on('event', { type: 'message_edited', message: { ...message(1), text: 'newer', changed_seq: 6 } });
    const { entities, mentions, mention_all } = timeline.rows.value[0].message;
    assert.deepEqual([entities, mentions, mention_all], [[], [], false]);
  });

  it('shows an edit before it is stored', async () => {
    const { timeline } = setUp(1);
    await timeline.show();
    timeline.on('outbox', { type: 'added', entry: entry('r1', '', { frame: { type: 'edit', message_id: 'm1', text: 'changed' } }) });
    assert.deepEqual([timeline.rows.value[0].message.text, timeline.rows.value[0].change], ['changed', 'edit']);
    timeline.on('event', { type: 'message_edited', own: true, message: { id: 'm1', text: 'changed', changed_seq: 2 } });
    assert.equal(timeline.rows.value[0].change, undefined);
  });

  it('erases a message when it expires', async () => {
    const { timeline, all } = setUp(2);
    all[0].expires_at = '2026-01-02T03:59:59Z';
    await timeline.show();
    assert.deepEqual([timeline.rows.value[0].message.deleted, timeline.rows.value[0].message.text], [true, '']);
  });

  it('erases a message that is shown when its time comes, without an event', async (context) => {
    context.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.parse('2026-01-02T03:59:00Z') });
    const page = async () => ({ messages: [message(1, { expires_at: '2026-01-02T03:59:10Z' }), message(2, { expires_at: '2026-01-02T04:00:10Z' })], has_previous: false, has_next: false });
    const timeline = new Timeline({ page, pending: () => [], me: () => 'me', now: Date.now });
    await timeline.show();
    const texts = () => timeline.rows.value.map(({ message }) => message.text);
    assert.deepEqual(texts(), ['text 1', 'text 2']);
    context.mock.timers.tick(10_000);
    assert.deepEqual(texts(), ['', 'text 2']);
    context.mock.timers.tick(60_000);
    assert.deepEqual(texts(), ['', '']);
  });

  it('shows what was asked for last, whichever answer comes first', async () => {
    const { source } = setUp(1_000);
    const waiting = [];
    const { page } = source;
    const timeline = new Timeline({ ...source, page: (query) => new Promise((resolve) => waiting.push(() => resolve(page(query)))) });
    const answer = async (n) => (waiting[n](), await new Promise(setImmediate));
    const end = timeline.show();
    await answer(0);
    await end;
    const first = timeline.show(100);
    const second = timeline.show(500);
    await answer(2);
    assert.equal((await second).message.seq, 500);
    await answer(1);
    assert.equal(await first, undefined);
    assert.ok(seqs(timeline.rows.value).includes(500) && !seqs(timeline.rows.value).includes(100));
    // Nor does more of what was shown before come back.
    const extended = timeline.extend('older');
    await timeline.show(100);
    await answer(3);
    await extended;
    assert.ok(seqs(timeline.rows.value).includes(100));
    assert.equal(waiting.length, 4);
  });

  it('begins again after a gap that is skipped', async () => {
    const { timeline, all } = setUp(10);
    await timeline.show();
    for (let seq = 11; seq <= 9000; seq++) all.push(message(seq));
    timeline.on('gap', { skipped: true });
    await new Promise(setImmediate);
    assert.equal(seqs(timeline.rows.value).at(-1), 9000);
    assert.equal(timeline.rows.value.length, 60);
  });
});

describe('items', () => {
  const kinds = (rows, options) => itemsOf(rows, { hasOlder: false, me: 'me', firsts: new Set(), ...options }).map(({ kind, key }) => (kind === 'message' ? key : kind));
  const at = (seq, created_at, more = {}) => ({ key: `m${seq}`, message: message(seq, { created_at, ...more }), state: 'stored' });

  it('has a heading a day, and one divider', () => {
    const rows = [at(1, '2026-01-01T12:00:00Z'), at(2, '2026-01-02T12:00:00Z'), at(3, '2026-01-02T12:01:00Z', { sender_id: 'me' }), at(4, '2026-01-02T12:02:00Z'), at(5, '2026-01-02T12:03:00Z')];
    assert.deepEqual(kinds(rows, { divider: 2 }), ['start', 'day', 'm1', 'day', 'm2', 'm3', 'unread', 'm4', 'm5']);
    assert.deepEqual(kinds(rows, { divider: 5 }), ['start', 'day', 'm1', 'day', 'm2', 'm3', 'm4', 'm5']);
  });

  it('groups messages of one sender', () => {
    const rows = [at(1, '2026-01-02T12:00:00Z'), at(2, '2026-01-02T12:01:00Z'), at(3, '2026-01-02T12:20:00Z'), at(4, '2026-01-02T12:21:00Z', { sender_id: 'me' })];
    const groups = itemsOf(rows, { hasOlder: false, me: 'me', firsts: new Set() }).filter(({ kind }) => kind === 'message');
    assert.deepEqual(groups.map(({ isFirst, isLast }) => [isFirst, isLast]), [[true, false], [false, true], [true, true], [true, true]]);
  });

  it('keeps the first message as it was shown when older ones come', () => {
    const firsts = new Set();
    const rows = [at(1, '2026-01-02T12:00:00Z'), at(2, '2026-01-02T12:01:00Z'), at(3, '2026-01-02T12:02:00Z')];
    itemsOf(rows.slice(1), { hasOlder: true, me: 'me', firsts });
    const items = itemsOf(rows, { hasOlder: true, me: 'me', firsts });
    assert.equal(items.find(({ key }) => key === 'm2').isFirst, true);
    assert.equal(items.find(({ key }) => key === 'm3').isFirst, false);
  });
});
