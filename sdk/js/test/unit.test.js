// What the shared cases do not show: they know no JavaScript.
import 'fake-indexeddb/auto';
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import Ajv from 'ajv/dist/2020.js';
import { NeonChat, NeonChatError, indexedDbStore, memoryStore } from '../src/index.js';
import { fileStore } from '../src/node/index.js';
import { LIMIT, size } from '../scripts/size.js';
import { FakeClock, FakeLocks, FakeNetwork, fakeChannel, settled } from './support/fakes.js';
import { chatId, item, live, me, setup } from './support/client.js';

/** Waits for what happens in a few turns of the event loop. */
async function until(check) {
  for (let n = 0; n < 1000 && !check(); n++) await settled();
  assert.ok(check());
}

const read = (path) => JSON.parse(readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8'));
it(`has at most ${LIMIT} bytes, gzipped`, async () => {
  const { gzipped } = await size();
  assert.ok(gzipped <= LIMIT, `${gzipped} bytes`);
});

it('has no dependencies', () => {
  const { dependencies, peerDependencies } = read('sdk/js/package.json');
  assert.deepEqual([dependencies, peerDependencies], [undefined, undefined]);
});

it('the shared cases have their format', () => {
  const validate = new Ajv({ allErrors: true, strict: false, validateFormats: false }).compile(read('sdk/cases/schema.json'));
  for (const file of readdirSync(new URL('../../cases/', import.meta.url)).filter((name) => /^\d/.test(name))) {
    assert.ok(validate(read(`sdk/cases/${file}`)), `${file}: ${JSON.stringify(validate.errors?.[0])}`);
  }
});

describe('the protocol', () => {
  const { components } = read('docs/asyncapi.json');
  const named = (prefix) => Object.entries(components.messages).filter(([name]) => name.startsWith(prefix));
  const typesOf = (prefix) => [...new Set(named(prefix).map(([name]) => name.replace(prefix, '')))];

  it('every frame of the server is understood', async () => {
    const setup_ = setup({ items: [item(1)] });
    const { client, network } = setup_;
    await live(setup_);
    const known = new Set();
    for (const name of ['message', 'event', 'typing', 'presence', 'receipt', 'system', 'error', 'chat', 'gap', 'outbox', 'state']) {
      client.on(name, (data) => known.add(data.type ?? name));
    }
    for (const [name, { examples = [] }] of named('receive_')) {
      for (const { payload } of examples) {
        network.socket.onmessage({ data: JSON.stringify(payload) });
        await settled();
        assert.equal(client.state, 'live', name);
      }
    }
    // What the client uses itself is not passed on, nor what belongs to a chat that it cannot fetch here.
    const own = ['message_sent', 'ack', 'noted', 'synced', 'lagged', 'auth_ok', 'pong', 'reconnect'];
    const needed = typesOf('receive_').filter((type) => !own.includes(type));
    const documented = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
    for (const type of [...needed, 'message_sent', 'ack', 'synced', 'lagged', 'auth_ok', 'pong', 'reconnect']) {
      assert.match(documented, new RegExp(`\`${type}\``), `README.md does not say what becomes of ${type}`);
    }
  });

  it('every frame of the client can be sent', async () => {
    const setup_ = setup({ items: [item(1)] });
    const { client, network, clock, environment } = setup_;
    const sent = new Set(['sync']);
    await live(setup_);
    client.send(chatId(1), { text: 'x' });
    client.edit(chatId(2), { id: chatId(5), seq: 1 }, { text: 'y' });
    client.delete(chatId(3), [{ id: chatId(5), seq: 1 }]);
    client.react(chatId(4), { id: chatId(5) }, '👍');
    client.typing(chatId(1));
    client.read(chatId(1), 1);
    client.draft(chatId(1), 'z');
    client.presence('away');
    environment.change('visible');
    await settled();
    await clock.advance(1000);
    for (const { type } of network.take().sent) sent.add(type);
    // `auth` is shown by the cases of refresh.
    sent.add('auth');
    assert.deepEqual([...sent].sort(), typesOf('send_').sort());
  });
});

describe('chats', () => {
  it('syncs the 200 most recent ones; the others are stale until they are opened', async () => {
    const store = memoryStore();
    const rows = Array.from({ length: 230 }, (_, n) => ({ id: chatId(n), applied: 1, segments: [[2, 1]], item: item(n) }));
    await store.write([...rows.map((row) => ({ op: 'put', table: 'chats', row })), { op: 'put', table: 'kv', row: { key: 'owner', value: me } }]);
    const setup_ = setup({ store, items: [item(7, { last_seq: 3 }), item(229)] });
    const { client, network } = setup_;
    const { cursors } = await live(setup_);
    assert.equal(Object.keys(cursors).length, 200);
    assert.ok(!(chatId(29) in cursors) && chatId(30) in cursors);
    assert.equal((await store.chats()).find(({ id }) => id === chatId(7)).stale, true);
    // The list was whole, so the chats that it did not have are looked for, one after the other.
    const { path } = network.take().requests[0] ?? network.waiting[0];
    assert.equal(path, `/chats/${chatId(0)}`);

    client.timeline(chatId(7)).page({ limit: 1 });
    await settled();
    assert.deepEqual(network.take().requests.map(({ path }) => path).sort(), [`/chats/${chatId(7)}/events`, `/chats/${chatId(7)}/messages`]);
    await client.stop();
  });

  it('keeps no more of a chat than the store is meant for', async () => {
    const store = memoryStore({ capacity: 100 });
    const setup_ = setup({ store, items: [item(1, { last_seq: 0 })] });
    const { client, network } = setup_;
    await live(setup_);
    for (let seq = 1; seq <= 300; seq++) {
      const message = { id: chatId(seq), chat_id: chatId(1), sender_id: chatId(5), text: 'x', seq, created_at: '2026-01-02T03:04:05Z' };
      network.socket.onmessage({ data: JSON.stringify({ type: 'new_message', chat_id: chatId(1), seq, message }) });
      await settled();
    }
    const rows = await store.events(chatId(1), 0, Infinity, Infinity, false);
    assert.ok(rows.length >= 100 && rows.length <= 125, `${rows.length}`);
    const [[from, to]] = await client.timeline(chatId(1)).segments();
    assert.deepEqual([from, to], [rows[0].seq, 300]);
    await client.stop();
  });
});

for (const [name, open] of Object.entries({ memory: () => memoryStore(), IndexedDB: () => indexedDbStore(`test-${Math.random()}`) })) {
  it(`keeps the messages of the 200 most recent chats, in the ${name} store`, async () => {
    const store = open();
    await store.open();
    const all = Array.from({ length: 203 }, (_, n) => n);
    const message = (n) => ({ id: chatId(n), chat_id: chatId(n), sender_id: chatId(5), text: 'x', seq: 1, created_at: '2026-01-02T03:04:05Z' });
    await store.write([
      ...all.flatMap((n) => [
        { op: 'put', table: 'chats', row: { id: chatId(n), applied: 1, segments: [[1, 1]], item: item(n) } },
        { op: 'put', table: 'events', row: { chat_id: chatId(n), seq: 1, type: 'message', message: message(n) } },
      ]),
      { op: 'put', table: 'kv', row: { key: 'owner', value: me } },
    ]);
    const kept = async () => {
      const rows = await Promise.all(all.map((n) => store.events(chatId(n), 0, 9, 9, false)));
      return all.filter((n) => rows[n].length);
    };
    // At the start, and from then on every hour.
    const setup_ = setup({ store, items: all.map((n) => item(n)).reverse(), locks: new FakeLocks(), channel: fakeChannel() });
    const { client, network, clock } = setup_;
    client.start();
    await client.stop();
    assert.deepEqual(await kept(), all.slice(3));
    client.start();
    assert.deepEqual([await client.timeline(chatId(2)).segments(), await client.timeline(chatId(3)).segments()], [[[2, 1]], [[1, 1]]]);
    assert.equal((await store.chats()).length, 203, 'the chats stay');
    // A page of a chat that was left out comes from the server, and is kept until the next time.
    network.waiting.length = 0;
    const page = client.timeline(chatId(2)).page({ limit: 1 });
    await until(() => network.waiting.length);
    network.answer({ body: { messages: [message(2)], head_seq: 1, first_seq: 1, has_previous: false, has_next: false } });
    await page;
    assert.deepEqual(await kept(), all.slice(2));
    await clock.advance(3_600_000);
    await client.stop();
    assert.deepEqual(await kept(), all.slice(3));
  });
}

describe('tabs', () => {
  it('a message is sent again if its leader ends between the answer and telling it', async () => {
    const [locks, channel, network, clock] = [new FakeLocks(), fakeChannel(), new FakeNetwork(), new FakeClock(1e12)];
    const store = Object.assign(memoryStore(), { shared: 'test' });
    const common = { locks, channel, network, clock, store, items: [item(1, { last_seq: 0 })] };
    const [first, second] = [setup(common), setup(common)];
    await live(first);
    second.client.start();
    await settled();
    const { done, request_id } = second.client.send(chatId(1), { text: 'x' });
    await settled();
    assert.equal(network.take().sent[0].request_id, request_id);
    // The leader has taken the answer, and ends before it tells anybody.
    await store.write([{ op: 'delete', table: 'outbox', key: request_id }]);
    locks.steal('neonchat:test');
    await settled();
    network.socket.onopen();
    await settled();
    const sync = network.take().sent.find(({ type }) => type === 'sync');
    network.socket.onmessage({ data: JSON.stringify({ type: 'synced', request_id: sync.request_id, chats: [] }) });
    await settled();
    const again = network.take().sent.find(({ type }) => type === 'message');
    assert.equal(again?.request_id, request_id);
    const ack = { type: 'message_sent', request_id, status: 'delivered', message_id: chatId(5), chat_id: chatId(1), seq: 1, created_at: '2026-01-02T03:04:05Z', duplicate: true };
    network.socket.onmessage({ data: JSON.stringify(ack) });
    assert.equal((await done).seq, 1);
    await second.client.stop();
  });

  it('without Web Locks each tab has its own connection', async () => {
    const network = new FakeNetwork();
    const store = Object.assign(memoryStore(), { shared: 'test' });
    const common = { network, store, channel: fakeChannel(), items: [] };
    const [first, second] = [setup(common), setup(common)];
    first.client.start();
    second.client.start();
    await settled();
    assert.equal(network.take().opened.length, 2);
    assert.deepEqual([first.client.isLeader, second.client.isLeader], [true, true]);
    await Promise.all([first.client.stop(), second.client.stop()]);
  });
});

describe('the client', () => {
  it('finds the WebSocket by the URL', async () => {
    const urls = [];
    for (const url of ['http://localhost:8080', 'https://chat.example.org/', 'http://localhost:8080/']) {
      const { client, network } = setup({ url });
      client.start();
      await settled();
      urls.push(network.take().opened[0].url);
      await client.stop();
    }
    assert.deepEqual(urls, ['ws://localhost:8082/ws', 'wss://chat.example.org/ws', 'ws://localhost:8082/ws']);
  });

  it('refuses a frame that the server would not take', () => {
    const { client } = setup();
    assert.throws(() => client.send(chatId(1), { text: 'x'.repeat(70_000) }), { code: 'payload_too_large' });
  });

  it('a listener that throws does not stop the others', async () => {
    const errors = [];
    const setup_ = setup({ log: { error: (error) => errors.push(error.message) } });
    const { client, network } = setup_;
    await live(setup_);
    const heard = [];
    client.on('system', () => {
      throw new Error('mine');
    });
    const off = client.on('system', ({ text }) => heard.push(text));
    network.socket.onmessage({ data: '{"type":"system","text":"1"}' });
    off();
    network.socket.onmessage({ data: '{"type":"system","text":"2"}' });
    await settled();
    assert.deepEqual([errors, heard], [['mine', 'mine'], ['1']]);
  });

  it('events() ends with its signal, and fails rather than grow without end', async () => {
    const setup_ = setup();
    const { client, network } = setup_;
    await live(setup_);
    const end = new AbortController();
    const first = client.events({ signal: end.signal });
    const next = first.next();
    network.socket.onmessage({ data: '{"type":"system","text":"1"}' });
    assert.deepEqual((await next).value, { event: 'system', data: { type: 'system', text: '1' } });
    const last = first.next();
    end.abort();
    assert.equal((await last).done, true);

    const slow = client.events();
    const one = slow.next();
    for (let n = 0; n < 10_005; n++) network.socket.onmessage({ data: '{"type":"system","text":"x"}' });
    await assert.rejects(one, { code: 'too_slow' });
  });

  it('a timeline tells what happens in its chat', async () => {
    const setup_ = setup({ items: [item(1, { last_seq: 0 }), item(2)] });
    const { client, network } = setup_;
    await live(setup_);
    const seen = [];
    const off = client.timeline(chatId(1)).subscribe(({ event, data }) => seen.push([event, data.type]));
    for (const chat_id of [chatId(1), chatId(2)]) network.socket.onmessage({ data: JSON.stringify({ type: 'typing', chat_id, user_id: me, is_typing: true }) });
    client.send(chatId(1), { text: 'x' });
    await settled();
    off();
    assert.deepEqual(seen, [['typing', 'typing'], ['outbox', 'added']]);
    await client.stop();
  });
});

const stores = {
  memory: () => memoryStore({ capacity: 7 }),
  IndexedDB: () => indexedDbStore(`test-${Math.random()}`, { capacity: 7 }),
  file: () => fileStore(join(mkdtempSync(join(tmpdir(), 'neonchat-')), 'store.jsonl'), { capacity: 7 }),
};

for (const [name, open] of Object.entries(stores)) {
  describe(`the ${name} store`, () => {
    const message = (seq, more) => ({ chat_id: 'c', seq, type: 'message', message: { id: `m${seq}`, seq, text: `${seq}`, sender_id: 'u', ...more } });
    const put = (table, row) => ({ op: 'put', table, row });
    const filled = async () => {
      const store = open();
      await store.open();
      await store.write([1, 2, 3, 5].map((seq) => put('events', message(seq))));
      return store;
    };
    const seqs = (rows) => rows.map(({ seq }) => seq);

    it('reads events in both directions', async () => {
      const store = await filled();
      await store.write([put('events', { ...message(4), chat_id: 'other' })]);
      assert.deepEqual(seqs(await store.events('c', 2, 9, 10, false)), [2, 3, 5]);
      assert.deepEqual(seqs(await store.events('c', 0, 5, 2, true)), [5, 3]);
      assert.deepEqual(await store.events('c', 6, 9, 2, true), []);
      assert.equal(store.capacity, 7);
    });

    it('patches messages, and nothing that is newer or not there', async () => {
      const store = await filled();
      const patch = (seq, what) => ({ op: 'patch', chat_id: 'c', seq, ...what });
      await store.write([
        patch(1, { set: { text: 'new' }, changed_seq: 9 }),
        patch(1, { set: { text: 'older' }, changed_seq: 8 }),
        patch(1, { set: { reactions: [1] } }),
        patch(2, { erase: true, changed_seq: 10 }),
        patch(2, { set: { text: 'zombie' }, changed_seq: 11 }),
        patch(4, { set: { text: 'nothing' }, changed_seq: 12 }),
      ]);
      const [one, two, three] = await store.events('c', 0, 9, 9, false);
      assert.deepEqual([one.message.text, one.message.changed_seq, one.message.reactions], ['new', 9, [1]]);
      assert.deepEqual([two.message.text, two.message.deleted, two.message.sender_id], ['', true, 'u']);
      assert.equal(three.seq, 3);
    });

    it('erases what has expired', async () => {
      const store = await filled();
      await store.write([put('events', { ...message(6), expires: 100 }), put('events', { ...message(7), expires: 200 })]);
      await store.write([{ op: 'expire', now: 150, erase: true }]);
      await store.write([{ op: 'expire', now: 150, erase: true }]);
      assert.deepEqual((await store.events('c', 6, 7, 9, false)).map(({ message }) => message.text), ['', '7']);
    });

    it('trims a chat', async () => {
      const store = await filled();
      await store.write([put('events', { ...message(1), chat_id: 'd' }), { op: 'trim', chat_id: 'c', below: 3 }]);
      assert.deepEqual(seqs(await store.events('c', 0, 9, 9, false)), [3, 5]);
      await store.write([{ op: 'trim', chat_id: 'c', below: Infinity }]);
      assert.deepEqual([await store.events('c', 0, 9, 9, false), seqs(await store.events('d', 0, 9, 9, false))], [[], [1]]);
    });

    it('keeps chats, values and the outbox, until it is wiped', async () => {
      const store = await filled();
      await store.write([put('chats', { id: 'c' }), put('kv', { key: 'k', value: 1 }), put('outbox', { request_id: 'a', created: 2 }), put('outbox', { request_id: 'b', created: 1 })]);
      assert.deepEqual([await store.chats(), await store.get('k'), await store.get('none')], [[{ id: 'c' }], 1, undefined]);
      assert.deepEqual((await store.outbox()).map(({ request_id }) => request_id).sort(), ['a', 'b']);
      await store.write([{ op: 'delete', table: 'outbox', key: 'b' }]);
      assert.equal((await store.outbox()).length, 1);
      await store.wipe();
      assert.deepEqual([await store.chats(), await store.get('k'), await store.outbox(), await store.events('c', 0, 9, 9, false)], [[], undefined, [], []]);
      await store.close();
    });
  });
}

it('a write to IndexedDB makes all changes or none', async () => {
  const store = indexedDbStore(`test-${Math.random()}`);
  await store.open();
  const ops = [{ op: 'put', table: 'kv', row: { key: 'a', value: 1 } }, { op: 'put', table: 'kv', row: { key: 'b', value: () => 'not data' } }];
  await assert.rejects(store.write(ops));
  assert.equal(await store.get('a'), undefined);
});

it('stop is final, also while the store is being read', async () => {
  let read = () => {};
  const store = memoryStore();
  store.chats = () => new Promise((resolve) => (read = () => resolve([])));
  const { client, network } = setup({ store });
  client.start();
  await settled();
  const stopped = client.stop();
  await settled();
  read();
  await stopped;
  await settled();
  const { opened, closed } = network.take();
  assert.equal(opened.length, closed.length);
  assert.equal(client.state, 'stopped');
});

it('what is sent before the store is read is not lost', async () => {
  const setup_ = setup({ items: [item(1)] });
  setup_.client.start();
  const { stored, request_id } = setup_.client.send(chatId(1), { text: 'early' });
  await stored;
  assert.deepEqual((await setup_.store.outbox()).map((row) => row.request_id), [request_id]);
  await setup_.client.stop();
});

it('a call that no leader has answered is made again when there is one', async () => {
  const [locks, channel, network] = [new FakeLocks(), fakeChannel(), new FakeNetwork()];
  const store = Object.assign(memoryStore(), { shared: 'test' });
  // The leader ends before it answers: here it never reads its messages.
  class Deaf extends channel {
    set onmessage(_) {}
  }
  const deaf = setup({ locks, channel: Deaf, network, store });
  const other = setup({ locks, channel, network, store });
  deaf.client.start();
  await settled();
  other.client.start();
  await settled();
  const { stored, request_id } = other.client.send(chatId(1), { text: 'x' });
  await settled();
  assert.deepEqual(await store.outbox(), []);
  await deaf.client.stop();
  await stored;
  assert.deepEqual((await store.outbox()).map((row) => row.request_id), [request_id]);
  await other.client.stop();
});

it('an error of the leader is the same in another tab', async () => {
  const [locks, channel, network] = [new FakeLocks(), fakeChannel(), new FakeNetwork()];
  const store = Object.assign(memoryStore(), { shared: 'test' });
  const [leader, other] = [0, 1].map(() => setup({ locks, channel, network, store }).client);
  leader.start();
  await settled();
  other.start();
  await settled();
  const page = other.timeline(chatId(1)).page();
  await settled();
  network.answer({ status: 429, headers: { 'Retry-After': '3' }, body: { code: 'rate_limited' } });
  const { code, status, retryable, retryAfterMs } = await page.catch((error) => error);
  assert.deepEqual({ code, status, retryable, retryAfterMs }, { code: 'rate_limited', status: 429, retryable: true, retryAfterMs: 3000 });
  assert.ok((await page.catch((error) => error)) instanceof NeonChatError);
  await other.stop();
  await leader.stop();
});

it('a tab asks again when a leader says that it is there', async () => {
  const [locks, channel, network] = [new FakeLocks(), fakeChannel(), new FakeNetwork()];
  const store = Object.assign(memoryStore(), { shared: 'test' });
  // Somebody holds the lock and does not answer.
  locks.request('neonchat:test', () => new Promise(() => {}));
  const { client } = setup({ locks, channel, network, store });
  client.start();
  const bus = new channel('neonchat:test');
  const asked = [];
  bus.onmessage = ({ data }) => data.type === 'call' && asked.push(data.data.name);
  await settled();
  client.typing(chatId(1));
  await settled();
  assert.deepEqual(asked, ['start', 'typing']);
  bus.postMessage({ type: 'hello' });
  await settled();
  assert.deepEqual(asked.filter((name) => name === 'typing').length, 2);
  await client.stop();
});
