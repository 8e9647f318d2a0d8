// The client in Node.js against the real services.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import WebSocket from 'ws';
import { NeonChat, memoryStore } from '../../src/index.js';
import { consume, fileStore } from '../../src/node/index.js';
import { Services, event, register, state, until } from '../support/services.js';

describe('the real services', { concurrency: false }, () => {
  /** @type {Services} */
  let services;
  const clients = new Set();

  before(async () => {
    services = await Services.start();
  });
  after(async () => {
    for (const client of clients) await client.close();
    await services?.stop();
  });

  function client(options = {}) {
    const one = new NeonChat({ url: services.url, webSocketUrl: services.webSocketUrl, webSocket: WebSocket, ...options });
    clients.add(one);
    return one;
  }

  /** A signed-in client that is live. */
  async function user(options, account) {
    account ??= await register(services);
    const one = client(options);
    await one.login(account);
    one.start();
    await state(one, 'live');
    return { ...account, client: one };
  }

  /** Two users with a direct chat. */
  async function pair() {
    const [alice, bob] = [await user(), await user()];
    const known = [event(alice.client, 'chat', ({ chat }) => chat), event(bob.client, 'chat', ({ chat }) => chat)];
    const { id: chat } = await alice.client.rest.post('/chats', { partner_id: bob.id });
    await Promise.all(known);
    return { alice, bob, chat };
  }

  const history = async ({ client }, chat) => {
    const all = [];
    for (let after = 0; ; ) {
      const { events, has_more } = await client.rest.get('/chats/{id}/events', { id: chat, after, limit: 1000 });
      all.push(...events);
      if (!has_more) return all;
      after = all.at(-1).seq;
    }
  };

  /** Collects the messages of a chat. */
  function collect({ client }, chat) {
    const seqs = [];
    client.on('message', ({ chat_id, seq }) => chat_id === chat && seqs.push(seq));
    return seqs;
  }

  it('two users talk, and every kind of frame arrives', async () => {
    const { alice, bob, chat } = await pair();
    const heard = event(bob.client, 'message', ({ message }) => message.text === 'hi');
    const { done } = alice.client.send(chat, { text: 'hi' });
    const ack = await done;
    const { message, seq } = await heard;
    assert.deepEqual([ack.seq, ack.message_id, ack.duplicate, seq, message.id], [1, message.id, false, 1, message.id]);
    assert.equal(bob.client.chats.get(chat).unread_count, 1);

    const typing = event(bob.client, 'typing', ({ is_typing }) => is_typing);
    alice.client.typing(chat);
    assert.equal((await typing).user_id, alice.id);

    const read = event(alice.client, 'receipt', ({ read }) => read === 1);
    bob.client.read(chat, 1);
    assert.equal((await read).user_id, bob.id);
    await until('the unread count is confirmed', () => bob.client.chats.get(chat).unread_count === 0);
    assert.equal(alice.client.chats.get(chat).partner_read_seq, 1);

    const reactions = event(alice.client, 'event', ({ type }) => type === 'reactions');
    const own = event(bob.client, 'event', ({ type }) => type === 'reactions');
    assert.equal((await bob.client.react(chat, message, '👍').done).seq, 2);
    assert.equal((await reactions).reactions[0].count, 1);
    assert.equal((await own).reactions[0].count, 1);

    const edited = event(bob.client, 'event', ({ type }) => type === 'message_edited');
    assert.equal((await alice.client.edit(chat, message, { text: 'hello' }).done).seq, 3);
    assert.equal((await edited).message.text, 'hello');

    const pinned = event(bob.client, 'event', ({ type }) => type === 'pinned');
    await alice.client.rest.put('/chats/{id}/pins/{message_id}', undefined, { id: chat, message_id: message.id });
    assert.equal((await pinned).on, true);

    const reply = event(bob.client, 'message', ({ message }) => message.reply_to);
    await alice.client.send(chat, { text: 'to myself', reply_to: message.id }).done;
    assert.equal((await reply).message.reply_to.id, message.id);
    const stored = (await alice.client.timeline(chat).page({ limit: 1 })).messages[0];
    assert.equal(stored.reply_to?.id, message.id, 'the acknowledgement has the whole message');

    const deleted = event(bob.client, 'event', ({ type }) => type === 'messages_deleted');
    await alice.client.delete(chat, [message]).done;
    assert.equal((await deleted).messages[0].id, message.id);

    for (const { client } of [alice, bob]) {
      const [first] = (await client.timeline(chat).page({ after: 0, limit: 10 })).messages;
      assert.deepEqual([first.id, first.text, first.deleted], [message.id, '', true]);
      const server = (await client.rest.get('/chats/{id}/messages', { id: chat, limit: 10 })).messages.map(({ id, text }) => [id, text]);
      const own = (await client.timeline(chat).page({ limit: 10 })).messages.map(({ id, text }) => [id, text]);
      assert.deepEqual(own, server.reverse());
    }
    const gone = event(bob.client, 'presence', ({ user_id, event }) => user_id === alice.id && event === 'user_away');
    alice.client.presence('away');
    await gone;
  });

  it('groups: members, settings, kicks and drafts on another device', async () => {
    const owner = await user();
    const member = await user();
    const created = event(member.client, 'chat', ({ type, chat }) => type === 'chat_created' && chat.type === 'group');
    const { id: chat } = await owner.client.rest.post('/chats', { type: 'group', title: 'Team', member_ids: [member.id] });
    assert.equal((await created).chat.title, 'Team');

    const renamed = [owner, member].map(({ client }) => event(client, 'chat', ({ chat }) => chat?.title === 'Crew'));
    await owner.client.rest.patch('/chats/{id}', { title: 'Crew' }, { id: chat });
    await Promise.all(renamed);

    const phone = await user({}, { username: owner.username, password: owner.password, id: owner.id });
    const draft = event(phone.client, 'chat', ({ chat }) => chat?.draft?.text === 'not yet');
    await owner.client.draft(chat, 'not yet');
    await draft;
    const muted = event(phone.client, 'chat', ({ chat }) => chat?.archived);
    await owner.client.rest.patch('/chats/{id}/me', { archived: true }, { id: chat });
    await muted;

    const removed = event(member.client, 'chat', ({ type }) => type === 'chat_removed');
    await owner.client.rest.post('/chats/{id}/members/remove', { user_ids: [member.id] }, { id: chat });
    assert.equal((await removed).reason, 'kicked');
    assert.equal(member.client.chats.get(chat), undefined);
    await assert.rejects(member.client.send(chat, { text: 'too late' }).done, { code: 'not_found' });
    const [{ state: failed, detail }] = member.client.outbox.list(chat);
    assert.deepEqual([failed, typeof detail], ['failed', 'string']);
  });

  it('sends each message once, in order, while chat-service is killed in the middle', async () => {
    const { alice, bob, chat } = await pair();
    const seqs = collect(bob, chat);
    const sendings = Array.from({ length: 120 }, (_, n) => alice.client.send(chat, { text: `${n}` }));
    await sendings[30].done;
    await services.end('chat-service', 'SIGKILL');
    assert.ok(alice.client.outbox.list(chat).length > 0, 'the kill was in the middle');
    await services.startChat();
    await Promise.all(sendings.map(({ done }) => done));
    const events = await history(alice, chat);
    assert.deepEqual(events.map(({ message }) => message.text), sendings.map((_, n) => `${n}`));
    await until('bob has all', () => seqs.length === 120);
    assert.deepEqual(seqs, Array.from({ length: 120 }, (_, n) => n + 1));
  });

  it('sends each message once, in order, while notification-service is killed in the middle', async () => {
    const { alice, bob, chat } = await pair();
    const seqs = collect(bob, chat);
    const sendings = Array.from({ length: 120 }, (_, n) => alice.client.send(chat, { text: `${n}` }));
    await sendings[30].done;
    await services.end('notification-service', 'SIGKILL');
    await state(alice.client, 'waiting');
    await services.startNotification();
    await Promise.all(sendings.map(({ done }) => done));
    assert.deepEqual((await history(alice, chat)).map(({ message }) => message.text), sendings.map((_, n) => `${n}`));
    await until('bob has all', () => seqs.length === 120);
    assert.deepEqual(seqs, Array.from({ length: 120 }, (_, n) => n + 1));
    for (const { client } of [alice, bob]) await state(client, 'live');
  });

  it('comes back when the server asks for it, and misses nothing', async () => {
    const { alice, bob, chat } = await pair();
    const seqs = collect(bob, chat);
    const wait = event(bob.client, 'state', ({ state }) => state === 'waiting');
    await services.end('notification-service', 'SIGTERM');
    const { until: end } = await wait;
    assert.ok(end >= Date.now() - 30_000);
    const { id } = await alice.client.rest.post('/chats/{id}/messages', { text: 'while away' }, { id: chat });
    await services.startNotification();
    await until('bob has it', () => seqs.length === 1, 60_000);
    const page = await bob.client.timeline(chat).page({ limit: 1 });
    assert.equal(page.messages[0].id, id);
    await state(alice.client, 'live', 60_000);
  });

  it('gets 1,500 missed messages, in order, each once', async () => {
    const store = memoryStore();
    const { alice, bob, chat } = await pair();
    const { client: phone } = await user({ store }, bob);
    await until('the chat is known', () => phone.chats.get(chat));
    await phone.stop();
    for (let sent = 0; sent < 1500; sent += 20) {
      const batch = Array.from({ length: 20 }, () => alice.client.rest.post('/chats/{id}/messages', { text: 'x', request_id: randomUUID() }, { id: chat }));
      await Promise.all(batch);
    }
    const seqs = [];
    const again = client({ store });
    const gap = event(again, 'gap');
    again.on('message', ({ chat_id, seq }) => chat_id === chat && seqs.push(seq));
    again.start();
    await state(again, 'live');
    assert.deepEqual(await gap, { chat_id: chat, from_seq: 1, to_seq: 1500, skipped: false });
    const live = alice.client.send(chat, { text: 'live' });
    await live.done;
    await until('all are there', () => seqs.length >= 1501);
    assert.deepEqual(seqs, Array.from({ length: 1501 }, (_, n) => n + 1));
    assert.deepEqual(await again.timeline(chat).segments(), [[1, 1501]]);
    assert.equal((await again.timeline(chat).page({ before: 1000, limit: 50 })).messages.length, 50);
  });

  it('a chat that was opened while the client was away brings its messages', async () => {
    const store = memoryStore();
    const bob = await user({ store });
    await until('the list is loaded', () => store.get('primed'));
    await bob.client.stop();
    const alice = await user();
    const { id: chat } = await alice.client.rest.post('/chats', { partner_id: bob.id });
    for (const text of ['one', 'two']) await alice.client.send(chat, { text }).done;
    const again = client({ store });
    const texts = [];
    again.on('message', ({ message }) => texts.push(message.text));
    again.start();
    await until('both messages are there', () => texts.length === 2);
    assert.deepEqual(texts, ['one', 'two']);
  });

  for (const isLate of [false, true]) {
    it(`a bot handles all messages of a chat that was opened while it was off${isLate ? ', also if the chat goes on before the list is known' : ''}`, async () => {
      const folder = await mkdtemp(join(tmpdir(), 'neonchat-bot-'));
      const open = async (options) => {
        const store = fileStore(join(folder, 'bot.jsonl'));
        const one = client({ store, ...options });
        await one.open();
        return { one, store };
      };
      const account = await register(services);
      const first = await open();
      await first.one.login(account);
      consume(first.one, first.store, () => assert.fail('there is no message'));
      const listed = event(first.one, 'chat', ({ type }) => type === 'chats');
      first.one.start();
      await state(first.one, 'live');
      await listed;
      await until('the list is loaded', () => first.store.get('primed'));
      await first.one.close();

      const alice = await user();
      const { id: chat } = await alice.client.rest.post('/chats', { partner_id: account.id });
      const say = (text) => alice.client.send(chat, { text }).done;
      for (const text of ['1', '2', '3']) await say(text);

      // The answer to GET /chats comes when all messages are handled.
      let list = () => {};
      const all = new Promise((resolve) => (list = resolve));
      const fetch_ = isLate ? async (url, ...more) => (/\/chats\?/.test(url) && (await all), fetch(url, ...more)) : fetch;
      const wanted = isLate ? ['1', '2', '3', '4'] : ['1', '2', '3'];
      const second = await open({ fetch: fetch_ });
      const texts = [];
      const done = new Promise((resolve) => {
        consume(second.one, second.store, ({ text }) => texts.push(text) === wanted.length && resolve());
      });
      second.one.start();
      await state(second.one, 'live');
      if (isLate) await say('4');
      await done;
      list();
      assert.deepEqual(texts, wanted);
      await until('the position is stored', async () => (await second.store.get(`handled:${chat}`)) === wanted.length);
      await second.one.close();
      await rm(folder, { recursive: true });
    });
  }

  it('refuses what is sent while nobody is signed in, and does not send it as the one who signs in next', async () => {
    const { alice, bob, chat } = await pair();
    const seqs = collect(bob, chat);
    const one = client();
    const { stored, done } = one.send(chat, { text: 'of nobody' });
    await one.login(alice);
    one.start();
    await assert.rejects(stored, { code: 'signed_out', reason: 'no_session' });
    await assert.rejects(done, { code: 'signed_out' });
    await state(one, 'live');
    await one.send(chat, { text: 'of alice' }).done;
    await until('bob has it', () => seqs.length === 1);
    assert.deepEqual((await history(alice, chat)).map(({ message }) => message.text), ['of alice']);
  });

  it('the outbox survives a restart', async () => {
    const { alice, bob, chat } = await pair();
    const store = memoryStore();
    const away = client({ store, session: alice.client.session, webSocketUrl: 'ws://127.0.0.1:9/ws' });
    away.start();
    const sendings = ['a', 'b', 'c', 'd', 'e'].map((text) => away.send(chat, { text }));
    await Promise.all(sendings.map(({ stored }) => stored));
    await away.close();
    const seqs = collect(bob, chat);
    const again = client({ store });
    again.start();
    await until('bob has them', () => seqs.length === 5);
    assert.deepEqual((await history(alice, chat)).map(({ message }) => message.text), ['a', 'b', 'c', 'd', 'e']);
    assert.deepEqual((await history(alice, chat)).map(({ message }) => message.request_id), sendings.map(({ request_id }) => request_id));
    await until('the outbox is empty', () => again.outbox.list().length === 0);
  });

  it('notices a dead connection by its own ping', async () => {
    const { visible, environment } = surroundings();
    const alice = await user({ environment });
    services.signal('notification-service', 'SIGSTOP');
    try {
      const waiting = event(alice.client, 'state', ({ state }) => state === 'waiting');
      // What was on its way when it was stopped is an answer too.
      await new Promise((resolve) => setTimeout(resolve, 300));
      const asked = Date.now();
      visible();
      await waiting;
      assert.ok(Date.now() - asked >= 7_900);
    } finally {
      services.signal('notification-service', 'SIGCONT');
    }
    await state(alice.client, 'live', 60_000);
  });

  it('signs out with a reason when the session is revoked', async () => {
    const alice = await user();
    const other = client({ session: { ...alice.client.session, refresh: undefined } });
    other.start();
    await state(other, 'live');
    const over = event(other, 'state', ({ state }) => state === 'signed_out');
    await alice.client.rest.post('/auth/logout');
    // A request may notice it before the connection does.
    assert.ok(['revoked', 'unauthorized'].includes((await over).reason));
    assert.equal(other.session, null);
  });

  it('logs out for good', async () => {
    const alice = await user();
    const { access } = alice.client.session;
    await alice.client.logout();
    assert.deepEqual(alice.client.status, { state: 'signed_out', reason: 'logout' });
    const answer = await fetch(`${services.url}/api/v1/users/me`, { headers: { Authorization: `Bearer ${access}` } });
    assert.equal(answer.status, 401);
  });

  it('stops when the server does not accept the page', async () => {
    const account = await register(services);
    class Foreign extends WebSocket {
      constructor(url, protocols) {
        super(url, protocols, { origin: 'https://evil.test' });
      }
    }
    const one = client({ webSocket: Foreign });
    await one.login(account);
    const error = event(one, 'error');
    one.start();
    assert.equal((await error).close_code, 4003);
    assert.equal(one.state, 'stopped');
  });

  for (const calls of ['stop', 'close', 'stop start stop', 'stop start close', 'start stop close']) {
    it(`a process ends after ${calls}, called while it is live`, async () => {
      const { username, password } = await register(services);
      const path = fileURLToPath(new URL('../support/program.js', import.meta.url));
      const child = spawn(process.execPath, [path, services.url, services.webSocketUrl, username, password, ...calls.split(' ')], { stdio: ['ignore', 'pipe', 'inherit'] });
      let text = '';
      child.stdout.on('data', (data) => (text += data));
      const kill = setTimeout(() => child.kill('SIGKILL'), 20_000);
      const [code] = await once(child, 'close');
      clearTimeout(kill);
      assert.deepEqual([code, text], [0, 'stopped\n']);
    });
  }

  it('says why it waits: the WebSocket cannot be reached, or nothing can', async () => {
    const { client: alice } = await user();
    const one = client({ session: alice.session, webSocketUrl: 'ws://127.0.0.1:9/ws' });
    const waiting = event(one, 'state', ({ state }) => state === 'waiting');
    one.start();
    assert.equal((await waiting).reason, 'handshake');
    const other = client({ url: 'http://127.0.0.1:9', webSocketUrl: 'ws://127.0.0.1:9/ws', session: alice.session });
    const away = event(other, 'state', ({ state }) => state === 'waiting');
    other.start();
    assert.equal((await away).reason, 'network');
    await Promise.all([one.stop(), other.stop()]);
  });

  it('iterates over all events', async () => {
    const { alice, bob, chat } = await pair();
    const end = new AbortController();
    const texts = [];
    const loop = (async () => {
      for await (const { event, data } of bob.client.events({ signal: end.signal })) {
        if (event !== 'message') continue;
        texts.push(data.message.text);
        if (texts.length === 3) end.abort();
      }
    })();
    for (const text of ['1', '2', '3']) alice.client.send(chat, { text });
    await loop;
    assert.deepEqual(texts, ['1', '2', '3']);
  });
});

/** An environment in which the tab becomes visible when the test says so. */
function surroundings() {
  let tell = (_change) => {};
  const environment = {
    online: () => true,
    hidden: () => false,
    listen(fn) {
      tell = fn;
      return () => {};
    },
  };
  return { environment, visible: () => tell('visible') };
}
