// Start, stop, close, and calls that are wrong.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NeonChat, memoryStore } from '../src/index.js';
import { chatId, item, live, me, setup } from './support/client.js';
import { FakeLocks, FakeNetwork, fakeChannel, settled } from './support/fakes.js';

/** Collects the states that a client tells. */
function states(client) {
  const seen = [];
  client.on('state', ({ state }) => seen.push(state));
  return seen;
}

/** A client of one chat. Its store, which is `base`, takes nothing any more once `isFull` is set. */
function withFullStore() {
  const base = memoryStore();
  const write = async (ops) => (made.isFull ? Promise.reject(new Error('full')) : base.write(ops));
  const made = { ...setup({ items: [item(1)], store: { ...base, write } }), base, isFull: false };
  return made;
}

const frame = (network, content) => network.socket.onmessage({ data: JSON.stringify(content) });

describe('start and stop', () => {
  for (const [calls, state] of [
    ['start stop', 'stopped'],
    ['start stop start', 'connecting'],
    ['start stop start stop', 'stopped'],
    ['stop start', 'connecting'],
    ['start start stop', 'stopped'],
  ]) {
    it(`${calls}: the last call wins, and nothing is left over`, async () => {
      const { client, network, clock } = setup();
      for (const call of calls.split(' ')) client[call]();
      await settled();
      await settled();
      assert.equal(client.state, state);
      let { opened, closed } = network.take();
      assert.equal(opened.length - closed.length, state === 'stopped' ? 0 : 1);
      if (state === 'stopped') {
        client.start();
        await settled();
        assert.equal(client.state, 'connecting', 'it can be started again');
      }
      await client.stop();
      ({ opened, closed } = network.take());
      assert.equal(network.sockets.length, 0);
      assert.equal(clock.pending, 0, 'timers are left');
    });
  }

  it('stop and start without a pause, while it is live: one connection, no timers are left', async () => {
    const setup_ = setup();
    const { client, network, clock } = setup_;
    await live(setup_);
    client.stop();
    client.start();
    await settled();
    await settled();
    const { opened, closed } = network.take();
    assert.deepEqual([opened.length, closed, network.sockets.length, client.state], [1, [1000], 1, 'connecting']);
    await client.stop();
    assert.deepEqual([network.sockets.length, clock.pending], [0, 0]);
  });

  it('tells each state once: start, stop, close', async () => {
    const setup_ = setup();
    const seen = states(setup_.client);
    await live(setup_);
    await setup_.client.stop();
    await setup_.client.stop();
    await setup_.client.close();
    assert.deepEqual(seen, ['connecting', 'syncing', 'live', 'stopped']);
  });

  it('a login leads from signed_out to connecting, and from live to connecting', async () => {
    const setup_ = setup({ session: undefined });
    const { client, network } = setup_;
    const seen = states(client);
    client.start();
    await settled();
    const answer = { token: 'a', expires_in: 1e6, refresh_token: 'r', user: { id: chatId(1), username: 'me' } };
    await client.accept(answer);
    network.socket.onopen();
    await settled();
    assert.deepEqual(seen, ['signed_out', 'connecting', 'syncing']);
    await client.accept({ ...answer, user: { id: chatId(2), username: 'other' } });
    assert.deepEqual(seen.slice(3), ['connecting']);
    await client.stop();
  });

  it('a tab that follows tells each state once', async () => {
    const [locks, channel, network] = [new FakeLocks(), fakeChannel(), new FakeNetwork()];
    const store = Object.assign(memoryStore(), { shared: 'test' });
    const [leader, follower] = [0, 1].map(() => setup({ locks, channel, network, store }));
    await live(leader);
    const seen = states(follower.client);
    follower.client.start();
    await settled();
    await follower.client.stop();
    await follower.client.close();
    assert.deepEqual(seen, ['live', 'stopped']);
    const others = states(leader.client);
    await leader.client.stop();
    assert.deepEqual(others, ['stopped']);
  });

  it('signing out while it is stopped does not change the state', async () => {
    const { client, network } = setup();
    const seen = states(client);
    const out = client.logout();
    await settled();
    network.answer({ status: 204 });
    await out;
    assert.deepEqual([seen, client.session, client.state], [[], null, 'stopped']);
  });
});

describe('close', () => {
  it('start and send fail with `closed`, and so do calls', async () => {
    const { client } = setup();
    await client.open();
    await client.close();
    await client.close();
    assert.throws(() => client.start(), { code: 'closed' });
    assert.throws(() => client.send(chatId(1), { text: 'x' }), { code: 'closed' });
    await assert.rejects(client.open(), { code: 'closed' });
    await assert.rejects(client.timeline(chatId(1)).page(), { code: 'closed' });
    await assert.rejects(client.outbox.cancel('x'), { code: 'closed' });
    client.read(chatId(1), 1);
    await settled();
  });

  it('what waits for an answer ends with `closed`; it stays in the store', async () => {
    const setup_ = setup({ items: [item(1)] });
    await live(setup_);
    const { done, stored, request_id } = setup_.client.send(chatId(1), { text: 'x' });
    await stored;
    await setup_.client.close();
    await assert.rejects(done, { code: 'closed' });
    assert.equal((await setup_.store.outbox())[0].request_id, request_id);
  });
});

describe('sending', () => {
  it('the same content with the same request_id is one message, and both sendings learn of it', async () => {
    const setup_ = setup({ items: [item(1, { last_seq: 0 })] });
    const { client, network } = setup_;
    await live(setup_);
    const request_id = chatId(77);
    const sendings = [1, 2].map(() => client.send(chatId(1), { text: 'x', request_id }));
    await settled();
    assert.equal(network.take().sent.length, 1);
    const other = client.send(chatId(1), { text: 'y', request_id });
    await assert.rejects(other.stored, { code: 'idempotency_mismatch' });
    await assert.rejects(other.done, { code: 'idempotency_mismatch' });
    frame(network, { type: 'message_sent', request_id, message_id: chatId(5), chat_id: chatId(1), seq: 1, created_at: '2026-01-02T03:04:05Z' });
    assert.deepEqual((await Promise.all(sendings.map(({ done }) => done))).map(({ seq }) => seq), [1, 1]);
    await client.stop();
  });

  it('a refusal has the text of the server, and the entry of the outbox too', async () => {
    const setup_ = setup({ items: [item(1)] });
    const { client, network } = setup_;
    await live(setup_);
    const { done, request_id } = client.send(chatId(1), { text: '' });
    await settled();
    frame(network, { type: 'error', request_id, code: 'validation_failed', message: 'text: must not be empty', retryable: false });
    const error = await done.catch((error) => error);
    assert.equal(error.message, 'validation_failed: text: must not be empty');
    const { code, detail, retryable } = client.outbox.list()[0];
    assert.deepEqual({ code, detail, retryable }, { code: 'validation_failed', detail: 'text: must not be empty', retryable: false });
    assert.deepEqual([error.code, error.detail, error.retryable, error.request_id], [code, detail, false, request_id]);
    await client.stop();
  });

  it('edit, delete and react take what `done` resolves with', async () => {
    const setup_ = setup({ items: [1, 2, 3].map((n) => item(n)) });
    const { client, network } = setup_;
    await live(setup_);
    const ack = { request_id: chatId(8), chat_id: chatId(1), message_id: chatId(5), seq: 1 };
    client.edit(chatId(1), ack, { text: 'y' });
    client.delete(chatId(2), [ack]);
    client.react(chatId(3), ack, '👍');
    await settled();
    assert.deepEqual(network.take().sent.map(({ message_id, message_ids }) => message_id ?? message_ids[0]), [chatId(5), chatId(5), chatId(5)]);
    assert.deepEqual(client.outbox.list()[0].seqs, [1]);
    await client.stop();
  });

  it('a call with the wrong arguments throws at once', () => {
    const { client } = setup();
    assert.throws(() => client.send(item(1), { text: 'x' }), /TypeError: no valid chat id/);
    assert.throws(() => client.send(chatId(1), 'x'), TypeError);
    assert.throws(() => client.send(chatId(1)), TypeError);
    assert.throws(() => client.edit(chatId(1), 'x', { text: 'y' }), /no valid message id/);
    assert.throws(() => client.react(item(1), { id: 'x' }, '👍'), TypeError);
    assert.deepEqual(client.outbox.list(), []);
  });
});

describe('errors', () => {
  it('the constructor says what is missing', () => {
    const options = { url: 'http://chat.test', webSocket: class {} };
    assert.throws(() => new NeonChat(), /TypeError: no valid url/);
    assert.throws(() => new NeonChat({ ...options, url: undefined }), /no valid url/);
    assert.throws(() => new NeonChat({ ...options, webSocket: undefined }), /no valid webSocket/);
    for (const store of ['neonchat', {}, null]) assert.throws(() => new NeonChat({ ...options, store }), /no valid store/);
  });

  it('an error of the API has its text', async () => {
    const { client, network } = setup();
    const one = client.rest.get('/unread');
    await settled();
    network.answer({ status: 404, body: { code: 'not_found', detail: 'There is no such chat' } });
    const { message, detail, status } = await one.catch((error) => error);
    assert.deepEqual([message, detail, status], ['not_found: There is no such chat', 'There is no such chat', 404]);
  });

  it('an asynchronous listener that rejects is logged', async () => {
    const errors = [];
    const setup_ = setup({ items: [item(1)], log: { error: (error) => errors.push(error.message) } });
    const { client, network } = setup_;
    await live(setup_);
    client.on('typing', async () => {
      throw new Error('one');
    });
    client.timeline(chatId(1)).subscribe(async () => {
      throw new Error('two');
    });
    frame(network, { type: 'typing', chat_id: chatId(1), user_id: chatId(2), is_typing: true });
    await settled();
    assert.deepEqual(errors.sort(), ['one', 'two']);
    await client.stop();
  });

  it('a URL may end with /api/v1', async () => {
    for (const end of ['/api/v1', '/api/v1/', '//', '']) {
      const { client, network } = setup({ url: `http://chat.test:8080${end}` });
      client.start();
      client.rest.get('/unread');
      await settled();
      const { opened, requests } = network.take();
      assert.deepEqual([opened[0].url, requests[0].path], ['ws://chat.test:8082/ws', '/unread']);
      await client.stop();
    }
  });
});

describe('logout', () => {
  it('deletes what is stored, also if the session ends by itself meanwhile', async () => {
    const store = memoryStore();
    const setup_ = setup({ store });
    const { client, network } = setup_;
    await live(setup_);
    network.take();
    const out = client.logout();
    await settled();
    // Another call finds out that the session was ended elsewhere.
    const other = client.rest.get('/users/me').catch(({ code }) => code);
    await settled();
    const [logout, me] = network.waiting.splice(0);
    const revoked = { status: 401, body: { code: 'session_revoked' } };
    network.waiting.push(me, logout);
    network.answer(revoked);
    await settled();
    const refresh = network.waiting.pop();
    network.waiting.unshift(refresh);
    network.answer(revoked);
    assert.equal(await other, 'signed_out');
    network.answer(revoked);
    await out;
    assert.deepEqual([client.session, client.state, client.chats.list()], [null, 'signed_out', []]);
    await client.close();
  });
});

describe('the next user', () => {
  it('sees nothing of the former one, whichever tab signs in', async () => {
    for (const at of [0, 1]) {
      const [locks, channel, network] = [new FakeLocks(), fakeChannel(), new FakeNetwork()];
      const store = Object.assign(memoryStore(), { shared: 'test' });
      const tabs = [0, 1].map(() => setup({ items: [item(1, { title: 'of A' })], locks, channel, network, store }));
      await live(tabs[0]);
      tabs[1].client.start();
      await settled();
      network.socket.onclose({ code: 4004 });
      await settled();
      network.answer({ status: 401, body: { code: 'session_reused' } });
      await settled();
      const login = { token: 'b', expires_in: 900, refresh_token: 'rb', session_id: chatId(5), user: { id: chatId(888), username: 'bob' } };
      network.auto = ({ path }) => (path === '/auth/login' ? { body: login } : path === '/chats' ? { body: { chats: [item(7)], next: null } } : undefined);
      await tabs[at].client.login({ username: 'bob', password: 'x' });
      await settled();
      network.socket.onopen();
      await settled();
      for (const { client } of tabs) assert.deepEqual([client.session.user.username, client.chats.list().map(({ id }) => id)], ['bob', [chatId(7)]]);
      for (const { client } of tabs.reverse()) await client.stop();
    }
  });

  it('does not send what was written before it signed in, by nobody or by another user, in a tab that was not started', async () => {
    const answer = (user) => ({ token: user, expires_in: 900, refresh_token: 'r', user: { id: chatId(user), username: `${user}` } });
    for (const former of [undefined, 7]) {
      const store = Object.assign(memoryStore(), { shared: 'test' });
      const setup_ = setup({ session: undefined, items: [item(1)], store, locks: new FakeLocks(), channel: fakeChannel() });
      const { client, network } = setup_;
      if (former) await client.accept(answer(former));
      const { stored, done } = client.send(chatId(1), { text: 'of the former one' });
      await settled();
      await client.accept(answer(8));
      await live(setup_);
      await assert.rejects(stored, { code: 'signed_out', reason: 'no_session' });
      await assert.rejects(done, { code: 'signed_out' });
      const { request_id } = client.send(chatId(1), { text: 'of the present one' });
      await settled();
      assert.deepEqual(network.take().sent.map(({ request_id }) => request_id), [request_id]);
      // Nothing that was refused comes back with another sign-in.
      await client.accept(answer(8));
      await settled();
      assert.deepEqual((await store.outbox()).map(({ request_id }) => request_id), [request_id]);
      await client.close();
    }
  });

  it('does not get what a store that failed while nobody was signed in has kept', async () => {
    const setup_ = withFullStore();
    const { client, network } = setup_;
    await live(setup_);
    await client.send(chatId(1), { text: 'of the former one' }).stored;
    setup_.isFull = true;
    network.socket.onclose({ code: 4004 });
    await settled();
    network.answer({ status: 401, body: { code: 'session_reused' } });
    await settled();
    assert.equal(client.state, 'signed_out');
    network.take();
    await client.accept({ token: 'b', expires_in: 900, refresh_token: 'rb', user: { id: chatId(888), username: 'bob' } });
    network.socket.onopen();
    await settled();
    const { request_id } = network.take().sent[0];
    network.socket.onmessage({ data: JSON.stringify({ type: 'synced', request_id, chats: [] }) });
    await settled();
    assert.deepEqual([client.state, client.outbox.list(), network.take().sent], ['live', [], []]);
    await client.close();
  });

  it('finds nothing after a sign-out without a network, also in a store that had failed', async () => {
    const setup_ = withFullStore();
    const { client, network, base } = setup_;
    await live(setup_);
    setup_.isFull = true;
    await client.send(chatId(1), { text: 'x' }).stored;
    assert.equal((await base.chats()).length, 1);
    const out = client.logout();
    await settled();
    network.answer('network_error');
    await assert.rejects(out, { code: 'network', retryable: true });
    assert.deepEqual([await base.chats(), await base.get('session'), client.session, client.chats.list(), client.state], [[], undefined, null, [], 'signed_out']);
  });
});

it('the page of a proxy is no answer, also with 200', async () => {
  const { client } = setup({ fetch: async () => new Response('<html>', { status: 200 }) });
  await assert.rejects(client.rest.get('/users/me'), { code: 'network', retryable: true });
});

it('a draft that is too long is neither stored nor sent', async () => {
  const setup_ = setup({ items: [item(1)] });
  const { client, network } = setup_;
  await live(setup_);
  network.take();
  await client.draft(chatId(1), '😀'.repeat(4097));
  assert.deepEqual([network.take().sent, client.chats.get(chatId(1)).draft], [[], undefined]);
  await client.draft(chatId(1), '😀'.repeat(4096));
  assert.deepEqual([network.take().sent.length, [...client.chats.get(chatId(1)).draft.text].length], [1, 4096]);
});

it('the most recent chats are synced first, also if a stored one has no time', async () => {
  const store = memoryStore();
  const row = (n, more) => ({ op: 'put', table: 'chats', row: { id: chatId(n), applied: 1, segments: [[2, 1]], item: item(n, more) } });
  const rows = Array.from({ length: 201 }, (_, n) => row(n + 1, n % 100 === 50 && { updated_at: undefined }));
  await store.write([...rows, { op: 'put', table: 'kv', row: { key: 'owner', value: me } }]);
  const setup_ = setup({ store });
  const { cursors } = await live(setup_);
  const ids = Object.keys(cursors);
  assert.deepEqual([ids.length, ids[0], ids.at(-1)], [200, chatId(201), chatId(51)]);
  await setup_.client.stop();
});

it('a chat that is read has no mentions', async () => {
  const setup_ = setup({ items: [item(1, { unread_count: 2, mention_count: 1 })] });
  const { client, network } = setup_;
  await live(setup_);
  network.socket.onmessage({ data: JSON.stringify({ type: 'receipt', chat_id: chatId(1), user_id: me, read: 1, unread_count: 0 }) });
  await settled();
  const { unread_count, mention_count } = client.chats.get(chatId(1));
  assert.deepEqual([unread_count, mention_count], [0, 0]);
});
