import assert from 'node:assert/strict';
import { beforeEach, describe, it, mock } from 'node:test';
import { fakeBrowser } from './support.mjs';

fakeBrowser();
const { createReading } = await import('../../src/state/reading.js');
const { isMine } = await import('../../src/state/reacting.js');
const { linksIn, mentionsIn, partsOf, preview } = await import('../../src/lib/entities.js');
const { misleads } = await import('../../src/views/text.js');
const { draftOf, setDraft } = await import('../../src/state/drafts.js');
const { load } = await import('../../src/lib/storage.js');

/** Lets time pass, in steps: a timer that another one sets begins then, and not at the end. */
function pass(ms) {
  for (; ms > 0; ms -= 50) mock.timers.tick(Math.min(ms, 50));
}

describe('reading', () => {
  let told, isAttentive, reading;
  beforeEach(() => {
    mock.timers.reset();
    mock.timers.enable({ apis: ['setTimeout'] });
    told = [];
    isAttentive = true;
    reading = createReading((seq) => told.push(seq), () => isAttentive);
  });

  it('counts what was in view for a while', () => {
    reading.see(5);
    mock.timers.tick(399);
    assert.deepEqual(told, []);
    mock.timers.tick(1);
    pass(500);
    assert.deepEqual(told, [5]);
  });

  it('does not count what is scrolled past', () => {
    reading.see(5);
    pass(300);
    reading.see(2);
    pass(700);
    assert.deepEqual(told, [2]);
  });

  it('counts what comes into view while the first is looked at', () => {
    reading.see(5);
    pass(300);
    reading.see(9);
    pass(2000);
    assert.deepEqual(told, [9]);
  });

  it('reads nothing without attention', () => {
    isAttentive = false;
    reading.see(5);
    pass(5000);
    assert.deepEqual(told, []);
    isAttentive = true;
    reading.attend();
    pass(1000);
    assert.deepEqual(told, [5]);
  });

  it('reads nothing if the attention ends too early', () => {
    reading.see(5);
    pass(200);
    isAttentive = false;
    reading.attend();
    pass(5000);
    assert.deepEqual(told, []);
  });

  it('tells what was read when the chat is left', () => {
    reading.see(5);
    pass(450);
    reading.stop();
    assert.deepEqual(told, [5]);
  });
});

describe('reactions', () => {
  it('knows one’s own from what is newest', () => {
    assert.equal(isMine({ my_reactions: ['👍'] }, { emoji: '👍', count: 1, recent: ['bob'] }, 'me'), false);
    assert.equal(isMine({}, { emoji: '👍', count: 1, recent: ['me'] }, 'me'), true);
    assert.equal(isMine({ my_reactions: ['👍'] }, { emoji: '👍', count: 9, recent: ['a', 'b', 'c'] }, 'me'), true);
  });
});

describe('text', () => {
  const plain = (parts) => parts.map((part) => (part.type === 'text' ? part.text : { [part.entity.type]: plain(part.parts) }));
  it('nests entities', () => {
    const entities = [{ type: 'bold', offset: 0, length: 9 }, { type: 'italic', offset: 5, length: 4 }];
    assert.deepEqual(plain(partsOf('bold both plain', entities)), [{ bold: ['bold ', { italic: ['both'] }] }, ' plain']);
  });
  it('cuts entities that overlap', () => {
    const entities = [{ type: 'bold', offset: 0, length: 4 }, { type: 'italic', offset: 2, length: 4 }];
    assert.deepEqual(plain(partsOf('abcdef', entities)), [{ bold: ['ab', { italic: ['cd'] }] }, { italic: ['ef'] }]);
  });
  it('keeps the whole text, whatever the entities say', () => {
    const entities = [{ type: 'bold', offset: 2, length: 100 }, { type: 'code', offset: 90, length: 5 }];
    const whole = (parts) => parts.map((part) => (part.type === 'text' ? part.text : whole(part.parts))).join('');
    assert.equal(whole(partsOf('🙂 emoji', entities)), '🙂 emoji');
  });
  it('is not more work than it is long, however its entities cross', () => {
    const staircase = Array.from({ length: 100 }, (_, n) => ({ type: n % 2 ? 'bold' : 'italic', offset: n, length: 100 }));
    const count = (parts) => parts.reduce((sum, part) => sum + 1 + count(part.parts ?? []), 0);
    const parts = partsOf('x'.repeat(200), staircase);
    assert.ok(count(parts) < 1_000, `${count(parts)} parts`);
    const depth = (list) => 1 + Math.max(-1, ...list.map((part) => (part.parts ? depth(part.parts) : 0)));
    assert.ok(depth(parts) <= 9, `${depth(parts)} deep`);
  });
  it('hides a spoiler, however deep it is nested', () => {
    const deep = ['bold', 'italic', 'strike', 'underline', 'quote', 'bold', 'italic', 'strike', 'spoiler', 'underline', 'spoiler'].map((type) => ({ type, offset: 0, length: 1 }));
    const types = (parts) => parts.flatMap((part) => (part.type === 'text' ? [] : [part.entity.type, ...types(part.parts)]));
    for (let n = 0; n < deep.length; n++) assert.ok(types(partsOf('ab', deep.slice(n))).includes('spoiler'), `from ${n}`);
    const hidden = (parts, isHidden) => parts.map((part) => (part.type === 'text' ? (isHidden ? part.text.replace(/./g, '.') : part.text) : hidden(part.parts, isHidden || part.entity.type === 'spoiler'))).join('');
    const overlapping = [...deep.slice(0, 8).map((one) => ({ ...one, length: 3 })), { type: 'spoiler', offset: 1, length: 4 }, { type: 'spoiler', offset: 3, length: 4 }];
    assert.equal(hidden(partsOf('abcdefgh', overlapping)), 'a......h');
  });
  it('finds who is mentioned before full stops', () => {
    const people = ['bob', 'carol', 'Анна'].map((username) => ({ id: username, username }));
    const found = (text, isAll) => mentionsIn(text, people, isAll).map(({ type, offset, length, user_id = type }) => [user_id, text.slice(offset, offset + length)]);
    assert.deepEqual(found('hi @bob... and @carol-, @анна! a@bob @all'), [['bob', '@bob'], ['carol', '@carol'], ['Анна', '@анна']]);
    assert.deepEqual(found('@ALL.', true), [['mention_all', '@ALL']]);
    assert.deepEqual(found(`@bob${'.'.repeat(4_090)}b`), []);
  });
  it('hides spoilers where it is shown in short', () => {
    assert.equal(preview({ text: 'he dies', entities: [{ type: 'spoiler', offset: 3, length: 4 }, { type: 'bold', offset: 0, length: 2 }] }), 'he ▒▒▒▒');
    // In UTF-16 code units, and one inside of the other.
    assert.equal(preview({ text: '🙂 Bob', entities: [{ type: 'spoiler', offset: 3, length: 3 }, { type: 'spoiler', offset: 4, length: 2 }] }), '🙂 ▒▒▒');
    assert.equal(preview({ text: 'Bob' }), 'Bob');
  });
  it('tells links whose text names another site', () => {
    const evil = 'https://evil.example/a';
    for (const text of ['https://bank.example', 'bank.example/login', 'WWW.Bank.Example', 'go to https://bank.example now', 'https://bank.example@evil.example', 'evil.example.bank.example', 'банк.рф', 'ev\u0456l.example', 'bank\u200b.example', 'bank\uff0eexample', 'bank。example', 'bank\u2024example', 'bank\u00ad.example', 'भारतीयबैंक.भारत']) assert.ok(misleads(text, evil), text);
    for (const text of ['the bank', 'evil.example', 'https://www.EVIL.example/b?c', 'see more…', 'v1.2', '']) assert.ok(!misleads(text, evil), text);
    assert.ok(!misleads('банк.рф', 'https://банк.рф/'));
    assert.ok(!misleads('me@bank.example', 'mailto:me@bank.example'));
    assert.ok(!misleads('a.'.repeat(2_000), evil));
    for (const url of ['https://x.org/index.html', 'https://x.org/a/README.md', 'https://x.org/a?mail=me@mail.ru', 'https://web.archive.org/web/2020/http://a.com/', 'https://почта.рф/файл.pdf']) assert.ok(!misleads(url, url), url);
    assert.ok(misleads('https://bank.com@evil.com/x', 'https://bank.com@evil.com/x'));
  });
  it('finds links, without the punctuation behind them', () => {
    assert.deepEqual(linksIn('see https://example.org/a?b=1, and http://x.y.').map(({ url }) => url), ['https://example.org/a?b=1', 'http://x.y']);
    assert.deepEqual(linksIn('javascript:alert(1) http:// https://...'), []);
  });

  it('keeps the brackets of a link, and not those around it', () => {
    const urls = (text) => linksIn(text).map(({ url }) => url);
    assert.deepEqual(urls('https://en.wikipedia.org/wiki/Set_(mathematics)'), ['https://en.wikipedia.org/wiki/Set_(mathematics)']);
    assert.deepEqual(urls('(see https://x.org/a_(b).) {https://x.org/c}, [https://x.org/(d)e]!'), ['https://x.org/a_(b)', 'https://x.org/c', 'https://x.org/(d)e']);
    assert.deepEqual(urls('https://x.org/(a https://x.org/)b) http://[::1] https://x.org//'), ['https://x.org/(a', 'https://x.org/)b', 'http://[::1]', 'https://x.org//']);
  });
});

describe('drafts', () => {
  it('are stored soon after the last key', () => {
    mock.timers.reset();
    mock.timers.enable({ apis: ['setTimeout'] });
    setDraft('c1', { text: 'Hel' });
    setDraft('c1', { text: 'Hello' });
    assert.equal(draftOf('c1').value.text, 'Hello');
    pass(300);
    assert.equal(load('draft.c1').text, 'Hello');
  });
});
