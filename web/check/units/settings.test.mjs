import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fakeBrowser, message } from './support.mjs';

fakeBrowser();
const { findFirst, dayField, dayStart } = await import('../../src/state/dates.js');
const { foldersOf } = await import('../../src/state/folders.js');
const { isUnread, mutedUntil } = await import('../../src/state/own.js');
const { isWanted, shortened } = await import('../../src/state/notify.js');
const { moveInGrid } = await import('../../src/lib/grid.js');
const { combination } = await import('../../src/lib/keys.js');
const { findEmojis, groupsIn } = await import('../../src/later/emoji/search.js');
const { recentEmojis, rememberEmoji } = await import('../../src/state/recent.js');
const { VERSION } = await import('../../src/lib/version.js');

const chat = (more = {}) => ({ id: 'c', type: 'direct', read_seq: 0, unread_count: 0, marked_unread: false, muted_until: null, archived: false, level: 'all', folder: null, ...more });

describe('the first message of a day', () => {
  /** A chat whose messages have these times; every third `seq` is no message. */
  function source(times) {
    const messages = times.map((at, n) => ({ seq: n + 1 + Math.floor(n / 2), created_at: new Date(at).toISOString() }));
    let pages = 0;
    const page = async ({ after, limit }) => {
      pages++;
      return { messages: messages.filter(({ seq }) => seq > after).slice(0, limit) };
    };
    const last = (messages.at(-1)?.seq ?? 0) + 3;
    return { messages, find: (at) => findFirst(at, { first: 1, last, page }), pages: () => pages };
  }

  it('is found at every place', async () => {
    const times = Array.from({ length: 333 }, (_, n) => n * 1000 + (n > 200 ? 1e9 : 0));
    const { messages, find } = source(times);
    for (const [n, at] of times.entries()) {
      assert.equal(await find(at), messages[n].seq);
      assert.equal(await find(at - 1), messages[n].seq);
    }
    assert.equal(await find(times.at(-1) + 1), undefined);
    assert.equal(await source([]).find(0), undefined);
  });

  it('takes few pages in a long chat', async () => {
    let at = 0;
    let random = 1;
    const times = Array.from({ length: 10_000 }, () => (at += 1000 + ((random = (random * 48271) % 2147483647) % 100 === 0 ? 1e8 : random % 60_000)));
    for (const n of [0, 1, 100, 2_500, 5_000, 9_000, 9_999]) {
      const { messages, find, pages } = source(times);
      assert.equal(await find(times[n]), messages[n].seq);
      assert.ok(pages() <= 10, `${pages()} pages for ${n}`);
    }
  });

  it('reads and writes days of the calendar here', () => {
    assert.equal(dayField(new Date(2026, 1, 3, 23, 59).getTime()), '2026-02-03');
    assert.equal(dayStart('2026-02-03'), new Date(2026, 1, 3).getTime());
  });
});

describe('settings of a chat', () => {
  it('gathers folders with what is unread and not muted', () => {
    const list = [chat({ folder: 'Work', unread_count: 2 }), chat({ folder: 'Family', unread_count: 1, muted_until: '9999-01-01T00:00:00Z' }), chat({ folder: 'Work', unread_count: 1 }), chat()];
    assert.deepEqual(foldersOf(list), [{ name: 'Family', unread: 0 }, { name: 'Work', unread: 3 }]);
  });

  it('mutes for a time, for ever, or not', () => {
    assert.equal(mutedUntil(1, 0), '1970-01-01T01:00:00.000Z');
    assert.equal(mutedUntil(Infinity, 0)?.slice(0, 4), '9999');
    assert.equal(mutedUntil(null, 0), null);
  });

  it('knows what is unread', () => {
    assert.deepEqual([chat(), chat({ unread_count: 1 }), chat({ marked_unread: true })].map(isUnread), [false, true, true]);
  });
});

describe('notifications', () => {
  const wanted = (chatMore, messageMore) => isWanted(chat(chatMore), message(5, messageMore), 'me');
  it('are wanted as the chat is set', () => {
    assert.equal(wanted(), true);
    assert.equal(wanted({}, { sender_id: 'me' }), false);
    assert.equal(wanted({ read_seq: 5 }), false);
    assert.equal(wanted({ archived: true }), false);
    assert.equal(wanted({ muted_until: '9999-01-01T00:00:00Z' }), false);
    assert.equal(wanted({ muted_until: '2020-01-01T00:00:00Z' }), true);
    assert.equal(wanted({ level: 'none' }, { mentions: ['me'] }), false);
    assert.equal(wanted({ level: 'mentions' }), false);
    for (const more of [{ mentions: ['me'] }, { mention_all: true }, { reply_to: { id: 'x', seq: 1, sender_id: 'me' } }]) assert.equal(wanted({ level: 'mentions' }, more), true);
  });

  it('cut long texts', () => {
    assert.equal(shortened('x'.repeat(500)).length, 201);
  });
});

describe('keys', () => {
  it('count as Latin ones with Ctrl', () => {
    const press = (key, code, more = {}) => combination({ key, code, altKey: false, ctrlKey: false, metaKey: false, shiftKey: false, ...more });
    assert.equal(press('л', 'KeyK', { ctrlKey: true }), 'Ctrl+k');
    assert.equal(press('.', 'Slash', { ctrlKey: true }), 'Ctrl+/');
    assert.equal(press('.', 'Period', { ctrlKey: true }), 'Ctrl+.');
    assert.equal(press('л', 'KeyK'), 'л');
    assert.equal(press('?', 'Slash', { shiftKey: true }), '?');
  });

  it('move in a grid with rows of different lengths', () => {
    const rows = [3, 3, 1];
    const move = (key, row, column) => Object.values(moveInGrid(key, rows, { row, column }) ?? {}).join();
    assert.equal(move('ArrowRight', 0, 2), '1,0');
    assert.equal(move('ArrowLeft', 1, 0), '0,2');
    assert.equal(move('ArrowDown', 1, 2), '2,0');
    assert.equal(move('ArrowUp', 0, 1), '');
    assert.equal(move('ArrowRight', 2, 0), '');
    assert.equal(move('End', 0, 0), '0,2');
    assert.equal(move('PageDown', 0, 2), '2,0');
  });
});

describe('emoji', () => {
  const groups = groupsIn('en');
  const found = (query) => findEmojis(groups, query).map(({ emoji }) => emoji);
  it('are found by words of both languages', () => {
    assert.ok(found('rocket').includes('🚀'));
    assert.ok(found('Ракет').includes('🚀'));
    assert.equal(found('red heart')[0], '❤️');
    assert.ok(found('germany').includes('🇩🇪'));
    assert.ok(found('флаг россия').includes('🇷🇺'));
    assert.deepEqual(found('👍'), ['👍']);
    assert.deepEqual(found('xyzzy'), []);
  });

  it('are each there once, with a name', () => {
    for (const language of ['en', 'ru']) {
      const all = groupsIn(language).flatMap(({ emojis }) => emojis);
      assert.equal(new Set(all.map(({ emoji }) => emoji)).size, all.length);
      assert.ok(all.length > 500);
      assert.deepEqual(all.filter(({ emoji, name }) => !name || !/\p{Emoji}/u.test(emoji)), []);
    }
  });

  it('are kept, the last one first', () => {
    for (const emoji of ['👍', '🚀', '👍']) rememberEmoji(emoji);
    assert.deepEqual(recentEmojis(), ['👍', '🚀']);
  });
});

it('has the version of the services', () => {
  const cargo = readFileSync(new URL('../../../Cargo.toml', import.meta.url), 'utf8');
  assert.equal(VERSION, /^version = "(.*)"/m.exec(cargo)?.[1]);
});
