// Messages that are shown beside the timeline: pinned ones, those that replies quote, and edits.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fakeBrowser, fakeClient, message } from './support.mjs';

fakeBrowser();
let answer;
const tell = fakeClient({ rest: { get: async () => answer } });
const { loadPins, pinsOf, startPins } = await import('../../src/state/pins.js');
const { MOST, contentOf, editing, isOverFormatted, learnNames, lengthOf, resumeEdit, startEdit, submit, textOf } = await import('../../src/state/compose.js');
const { learn, nameOf } = await import('../../src/state/people.js');
const { fetchOriginal } = await import('../../src/views/quote.js');
const { loadRestriction, restrictedUntil, startLimits } = await import('../../src/state/limits.js');
const { user } = await import('../../src/state/session.js');

const START = Date.parse('2026-01-02T04:00:00Z');
const after = (seconds) => new Date(START + seconds * 1000).toISOString();

describe('pinned messages', () => {
  startPins();
  const shown = () => pinsOf('c').value.map(({ seq }) => seq);
  it('go when they expire', async (context) => {
    context.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: START });
    answer = { pins: [1, 2, 3].map((seq) => ({ message: message(seq, { expires_at: [after(-1), after(10), undefined][seq - 1] }) })) };
    await loadPins('c');
    assert.deepEqual(shown(), [2, 3]);
    context.mock.timers.tick(10_000);
    assert.deepEqual(shown(), [3]);
  });

  it('go when the history is cleared, and are read again after a gap', async () => {
    answer = { pins: [1, 5].map((seq) => ({ message: message(seq) })) };
    await loadPins('c');
    tell('event', { type: 'chat_settings', chat_id: 'c', first_seq: 4 });
    assert.deepEqual(shown(), [5]);
    answer = { pins: [{ message: message(9) }] };
    tell('gap', { chat_id: 'c', skipped: true });
    await new Promise(setImmediate);
    assert.deepEqual(shown(), [9]);
  });
});

describe('quoted messages', () => {
  const text = async () => (await fetchOriginal('c', 'm1')).text;
  it('are kept until they change', async () => {
    answer = message(1, { text: 'first' });
    assert.equal(await text(), 'first');
    let n = 0;
    for (const [name, event] of [
      ['event', { type: 'message_edited', message: { id: 'm1' } }],
      ['event', { type: 'messages_deleted', messages: [{ id: 'm7' }, { id: 'm1' }] }],
      ['event', { type: 'chat_settings', first_seq: 5 }],
      ['gap', { skipped: true }],
    ]) {
      const before = await text();
      answer = message(1, { text: `other ${n++}` });
      tell('event', { type: 'message_edited', message: { id: 'm2' } });
      assert.equal(await text(), before);
      tell(name, event);
      assert.equal(await text(), answer.text);
    }
  });

  it('are forgotten when they expire', async (context) => {
    context.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: START });
    answer = message(3, { expires_at: after(5), text: 'secret' });
    assert.equal((await fetchOriginal('c', 'm3')).text, 'secret');
    answer = message(3, { text: '', deleted: true });
    assert.equal((await fetchOriginal('c', 'm3')).text, 'secret');
    context.mock.timers.tick(5_000);
    assert.equal((await fetchOriginal('c', 'm3')).text, '');
  });
});

describe('edits', () => {
  const setUp = () => {
    editing.value = null;
    startEdit('c', message(1, { text: 'before' }));
  };
  it('are given back when they are refused', () => {
    setUp();
    globalThis.fakeClient.edit = () => ({ request_id: 'r1' });
    assert.equal(submit('c', ' after '), true);
    assert.equal(editing.value, null);
    assert.equal(resumeEdit('other'), false);
    assert.equal(resumeEdit('r1'), true);
    assert.deepEqual([textOf('c'), editing.value.message.id], ['after', 'm1']);
    // Not over another one.
    startEdit('d', message(2));
    assert.equal(resumeEdit('r1'), false);
    assert.equal(editing.value.chatId, 'd');
  });

  it('are kept when the client does not take them', () => {
    setUp();
    globalThis.fakeClient.edit = () => {
      throw Object.assign(new Error('too large'), { code: 'payload_too_large' });
    };
    assert.throws(() => submit('c', 'after'), { code: 'payload_too_large' });
    assert.equal(editing.value.message.id, 'm1');
  });
});

describe('what is sent', () => {
  const BOB = '7c9e6679-7425-40de-944b-e07fc1f90ae7';
  const EVE = '9c9e6679-7425-40de-944b-e07fc1f90ae7';
  learn([{ id: BOB, username: 'Bob' }]);
  it('has entities only where there is formatting: else the server finds the mentions', () => {
    assert.deepEqual(contentOf('c', ' hi @bob '), { text: 'hi @bob' });
    assert.deepEqual(contentOf('c', '**hi** @bob, `@bob` @eve').entities, [
      { type: 'bold', offset: 0, length: 2 },
      { type: 'mention', offset: 3, length: 4, user_id: BOB },
      { type: 'code', offset: 9, length: 4 },
    ]);
  });

  it('mentions people of whom nothing was known before they were named', async (context) => {
    context.mock.timers.enable({ apis: ['setTimeout'] });
    const asked = [];
    const rest = { get: async (path, { id, q }) => (asked.push(`${path} ${id} ${q}`), { members: q === 'eve' ? [{ user_id: EVE, username: 'Eve' }] : [] }) };
    Object.assign(globalThis.fakeClient, { rest, chats: new Map([['g', { type: 'group' }], ['d', { type: 'direct' }]]) });
    const written = '**hi** @Eve. `@code` @bob @all @nobo';
    for (const chat of ['d', 'other', 'g', 'g']) learnNames(chat, written, 'nobo');
    learnNames('g', '@plain');
    assert.deepEqual(asked, ['/chats/{id}/members g eve', '/chats/{id}/members g code'], 'once, and not who is known or still written');
    await new Promise(setImmediate);
    assert.deepEqual(contentOf('g', written).entities.map(({ type, user_id }) => user_id ?? type), ['bold', EVE, 'code', BOB]);
    rest.get = (_path, { q }) => (asked.push(q), Promise.reject(Object.assign(new Error('no network'), { retryable: q === 'carol' })));
    learnNames('g', '**hi** @carol @dave');
    await new Promise(setImmediate);
    learnNames('g', '**hi** @carol @dave.');
    assert.deepEqual(asked.splice(2), ['carol', 'dave'], 'not with every key');
    context.mock.timers.tick(2_000);
    rest.get = async (_path, { q }) => (asked.push(q), { members: [] });
    learnNames('g', `**hi** @carol @dave ${Array.from({ length: 20 }, (_, n) => `@u${n}`).join(' ')} @${'x'.repeat(51)}`);
    assert.deepEqual(asked.slice(2), ['carol', ...Array.from({ length: 9 }, (_, n) => `u${n}`)], 'it is asked again, for some at once');
  });

  it('asks for a name again when the server was away', async (context) => {
    context.mock.timers.enable({ apis: ['setTimeout'] });
    let asked = 0;
    const fail = (more) => Object.assign(new Error('unavailable'), more);
    const rest = { get: async () => (asked++ ? { id: 'zoe', username: 'Zoe' } : Promise.reject(fail({ retryable: true, retryAfterMs: 700 }))) };
    Object.assign(globalThis.fakeClient, { rest });
    assert.deepEqual([nameOf('zoe'), nameOf('zoe'), asked], ['', '', 1]);
    await new Promise(setImmediate);
    context.mock.timers.tick(699);
    assert.deepEqual([nameOf('zoe'), asked], ['', 1]);
    context.mock.timers.tick(1);
    await new Promise(setImmediate);
    assert.deepEqual([nameOf('zoe'), asked], ['Zoe', 2]);
    rest.get = () => Promise.reject(fail({}));
    nameOf('nobody');
    await new Promise(setImmediate);
    rest.get = async () => ({ id: 'nobody', username: 'Nobody' });
    nameOf('nobody');
    await new Promise(setImmediate);
    assert.equal(nameOf('nobody'), 'Nobody', 'not by itself, but when it is shown again');
  });

  it('mentions as many people as the server takes; more formatting than it takes is not sent', () => {
    const { text, entities } = contentOf('c', `${'**a** '.repeat(20)}${'@bob '.repeat(80)}`);
    assert.equal(text, `${'a '.repeat(20)}${'@bob '.repeat(80)}`.trim());
    assert.deepEqual([entities.length, entities.filter(({ type }) => type === 'mention').length], [70, 50]);
    assert.deepEqual(entities, entities.toSorted((x, y) => x.offset - y.offset));
    const sent = [];
    Object.assign(globalThis.fakeClient, { send: (_chat, content) => sent.push(content.entities.length), chats: new Map(), typing() {} });
    assert.deepEqual([100, 101].map((n) => submit('e', '**a** '.repeat(n))), [true, false]);
    assert.deepEqual(sent, [100]);
    const people = Array.from({ length: 51 }, (_, n) => `[x](@${BOB.slice(0, -2)}${10 + n})`);
    assert.deepEqual([people, people.slice(1)].map((some) => isOverFormatted(contentOf('c', some.join(' ')))), [true, false]);
  });

  it('is measured without its marks, by characters', () => {
    const sent = [];
    Object.assign(globalThis.fakeClient, { send: (_chat, content) => sent.push(content), chats: new Map(), typing() {} });
    const longest = `**${'🙂'.repeat(MOST)}**`;
    assert.equal(lengthOf(` ${longest} `), MOST);
    assert.equal(submit('d', longest), true);
    assert.equal(submit('d', `${longest}!`), false);
    assert.equal(submit('d', '[ ](:bold)'), false);
    assert.deepEqual(sent.map(({ text }) => text.length), [2 * MOST]);
  });

  it('of an edit keeps what was not changed', () => {
    const edits = [];
    globalThis.fakeClient.edit = (_chat, _message, content) => edits.push(content) && { request_id: 'r2' };
    const entities = [{ type: 'quote', offset: 0, length: 5 }, { type: 'bold', offset: 0, length: 1 }, { type: 'mention', offset: 6, length: 4, user_id: BOB }, { type: 'link', offset: 11, length: 3, url: 'https://x.org/_a_' }];
    startEdit('c', message(5, { text: 'quote @Bob too snake_case', entities }));
    assert.equal(textOf('c'), '[[q](:bold)uote](:quote) @Bob [too](https://x.org/_a_) snake_case');
    submit('c', textOf('c'));
    assert.deepEqual(edits, [], 'nothing has changed');
    startEdit('c', message(5, { text: 'quote @Bob too snake_case', entities }));
    submit('c', `${textOf('c')}!`);
    assert.deepEqual(edits, [{ text: 'quote @Bob too snake_case!', entities }]);
    const all = [{ type: 'code', offset: 0, length: 6 }, { type: 'mention', offset: 2, length: 4, user_id: BOB }, { type: 'mention', offset: 7, length: 4, user_id: BOB }, { type: 'link', offset: 7, length: 4, url: 'https://x.org/' }, { type: 'mention', offset: 12, length: 4, user_id: BOB }];
    startEdit('c', message(7, { text: '> @bob @bob @bob', entities: all }));
    assert.equal(textOf('c'), `[> [@bob](@${BOB})](:code) [[@bob](https://x.org/)](@${BOB}) @bob`);
    submit('c', `${textOf('c')}!`);
    assert.deepEqual(edits.pop(), { text: '> @bob @bob @bob!', entities: all }, 'mentions in code and links');
    startEdit('c', message(6, { text: '2 ** 3 **4** `5`' }));
    submit('c', `${textOf('c')}!`);
    assert.deepEqual(edits[1], { text: '2 ** 3 **4** `5`!' });
  });
});

describe('a restriction', () => {
  startLimits();
  it('is not taken back by an answer from before it', async (context) => {
    context.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: START });
    user.value = { id: 'me', username: 'me' };
    const members = (restricted_until) => ({ members: [{ user_id: 'me', restricted_until }] });
    let late;
    answer = new Promise((resolve) => (late = resolve));
    const loaded = loadRestriction('c');
    tell('event', { type: 'member_changed', chat_id: 'c', user_id: 'me', restricted_until: after(60) });
    answer = members(after(60));
    late(members(null));
    await loaded;
    assert.equal(restrictedUntil('c'), START + 60_000);
    user.value = null;
  });
});
