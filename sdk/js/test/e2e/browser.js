// The client in a real Chromium against the real services.
import assert from 'node:assert/strict';
import { after, before, beforeEach, afterEach, describe, it } from 'node:test';
import WebSocket from 'ws';
import { NeonChat } from '../../src/index.js';
import { Services, register, state, until } from '../support/services.js';
import { inState, launch, openTab, serve } from '../support/page.js';

describe('Chromium', { concurrency: false }, () => {
  let site, services, browser, context, bob, chat, session;

  before(async () => {
    site = await serve();
    services = await Services.start({ CORS_ALLOWED_ORIGINS: site.origin });
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await services?.stop();
    site?.close();
  });

  // Alice is in the browser, Bob is not.
  beforeEach(async () => {
    context = await browser.newContext();
    const [alice, other] = [await register(services), await register(services)];
    bob = node();
    await bob.login(other);
    bob.start();
    await state(bob, 'live');
    const signIn = node();
    await signIn.login(alice);
    ({ session } = signIn);
    ({ id: chat } = await signIn.rest.post('/chats', { partner_id: other.id }));
    await until('bob knows the chat', () => bob.chats.get(chat));
  });
  afterEach(async () => {
    await context.close();
    await bob.close();
    await until('all sockets are closed', async () => (await services.sockets()) === 0);
  });

  const node = () => new NeonChat({ url: services.url, webSocketUrl: services.webSocketUrl, webSocket: WebSocket });
  const tab = (options) => openTab(context, { origin: site.origin, services, ...options });
  const texts = (page) => page.evaluate(() => globalThis.seen.message.map(({ message }) => message.text));
  const history = async () => (await bob.rest.get('/chats/{id}/messages', { id: chat, limit: 200 })).messages.reverse().map(({ text }) => text);
  const has = (page, count) => until(`${count} messages`, async () => (await texts(page)).length >= count);

  it('signs in, talks, and has everything after a reload without the network', async () => {
    const page = await tab({ start: false });
    const account = await register(services);
    const user = await page.evaluate(async (account) => (await globalThis.client.login(account)).user, account);
    assert.equal(user.id, account.id);
    await page.evaluate(() => globalThis.client.start());
    await inState(page, 'live');
    const { id } = await bob.rest.post('/chats', { partner_id: user.id });
    await page.waitForFunction((id) => globalThis.client.chats.get(id), id);
    await page.evaluate((id) => globalThis.client.send(id, { text: 'from the browser' }).done, id);
    await bob.send(id, { text: 'from Node.js' }).done;
    await has(page, 2);

    await page.close();
    await services.end('chat-service', 'SIGKILL');
    const again = await tab({ start: false });
    await again.evaluate(() => globalThis.client.start());
    await again.waitForFunction((id) => globalThis.client.chats.get(id), id);
    const stored = await again.evaluate(async (id) => (await globalThis.client.timeline(id).page()).messages.map(({ text }) => text), id);
    assert.deepEqual(stored, ['from the browser', 'from Node.js']);
    await services.startChat();
    await inState(again, 'live', 60_000);
  });

  it('five tabs have one socket; every tab sends and receives; another tab takes over', async () => {
    const tabs = [await tab({ session })];
    for (let n = 1; n < 5; n++) tabs.push(await tab({}));
    assert.equal(await services.sockets(), 2, 'one for the five tabs, one for bob');
    const leaders = await Promise.all(tabs.map((page) => page.evaluate(() => globalThis.client.isLeader)));
    assert.deepEqual(leaders, [true, false, false, false, false]);

    await bob.send(chat, { text: 'to all tabs' }).done;
    for (const page of tabs) await has(page, 1);
    await Promise.all(tabs.map((page, n) => page.evaluate(([chat, n]) => globalThis.client.send(chat, { text: `of tab ${n}` }).done, [chat, n])));
    for (const page of tabs) await has(page, 6);
    assert.equal((await history()).length, 6);

    // The leader ends without a word, while the others send.
    const sending = tabs.slice(1).map((page, n) =>
      page.evaluate(async ([chat, n]) => {
        const { client } = globalThis;
        await Promise.all(Array.from({ length: 10 }, (_, k) => client.send(chat, { text: `${n}.${k}` }).done));
      }, [chat, n])
    );
    await tabs[0].close();
    await Promise.all(sending);
    const rest = tabs.slice(1);
    await until('there is a new leader', async () => (await Promise.all(rest.map((page) => page.evaluate(() => globalThis.client.isLeader)))).filter(Boolean).length === 1);
    for (const page of rest) await inState(page, 'live');
    await bob.send(chat, { text: 'the last one' }).done;
    for (const page of rest) await until('the last one is there', async () => (await texts(page)).includes('the last one'));
    const all = await history();
    assert.equal(new Set(all).size, all.length, 'each is stored once');
    assert.equal(all.length, 6 + 40 + 1);
    for (let n = 0; n < 4; n++) assert.deepEqual(all.filter((text) => text.startsWith(`${n}.`)), Array.from({ length: 10 }, (_, k) => `${n}.${k}`), 'in order');
    for (const page of rest) {
      const got = (await texts(page)).filter((text) => text === 'the last one' || text === 'to all tabs');
      assert.deepEqual(got, ['to all tabs', 'the last one'], 'each is told once');
      const stored = await page.evaluate(async (chat) => (await globalThis.client.timeline(chat).page({ limit: 100 })).messages.map(({ text }) => text), chat);
      assert.deepEqual(stored, all);
      assert.equal(await page.evaluate(() => globalThis.client.outbox.list().length), 0);
    }
    assert.equal(await services.sockets(), 2);
  });

  it('what is written without a network survives the end of the tab, and is sent once', async () => {
    const page = await tab({ session });
    await page.waitForFunction((chat) => globalThis.client.chats.get(chat), chat);
    await services.end('notification-service', 'SIGKILL');
    await page.waitForFunction(() => globalThis.client.state !== 'live');
    await page.evaluate((chat) => Promise.all(['1', '2', '3', '4', '5'].map((text) => globalThis.client.send(chat, { text }).stored)), chat);
    await page.close();
    await services.startNotification();
    const again = await tab({});
    await has(again, 5);
    assert.deepEqual(await history(), ['1', '2', '3', '4', '5']);
    assert.equal(await again.evaluate(() => globalThis.client.outbox.list().length), 0);
    await state(bob, 'live');
  });

  it('sends each message once, in order, while chat-service is killed in the middle', async () => {
    const page = await tab({ session });
    await page.waitForFunction((chat) => globalThis.client.chats.get(chat), chat);
    const sending = page.evaluate(async (chat) => {
      await Promise.all(Array.from({ length: 80 }, (_, n) => globalThis.client.send(chat, { text: `${n}` }).done));
    }, chat);
    await until('some are stored', () => (bob.chats.get(chat)?.last_seq ?? 0) >= 20);
    await services.end('chat-service', 'SIGKILL');
    await services.startChat();
    await sending;
    assert.deepEqual(await history(), Array.from({ length: 80 }, (_, n) => `${n}`));
    await has(page, 80);
    assert.deepEqual(await texts(page), Array.from({ length: 80 }, (_, n) => `${n}`));
  });

  it('gets 1,500 missed messages, in order, each once', async () => {
    const page = await tab({ session });
    await page.waitForFunction((chat) => globalThis.client.chats.get(chat), chat);
    await page.close();
    for (let sent = 0; sent < 1500; sent += 20) {
      await Promise.all(Array.from({ length: 20 }, () => bob.rest.post('/chats/{id}/messages', { text: 'x' }, { id: chat })));
    }
    const again = await tab({});
    await has(again, 1500);
    const { seqs, gaps } = await again.evaluate(() => ({ seqs: globalThis.seen.message.map(({ seq }) => seq), gaps: globalThis.seen.gap }));
    assert.deepEqual(seqs, Array.from({ length: 1500 }, (_, n) => n + 1));
    assert.deepEqual(gaps, [{ chat_id: chat, from_seq: 1, to_seq: 1500, skipped: false }]);
    assert.deepEqual(await again.evaluate((chat) => globalThis.client.timeline(chat).segments(), chat), [[1, 1500]]);
  });

  it('a page without a network is offline, and live again with it', async () => {
    const page = await tab({ session });
    await page.waitForFunction((chat) => globalThis.client.chats.get(chat), chat);
    await context.setOffline(true);
    await services.end('notification-service', 'SIGKILL');
    await inState(page, 'offline');
    const sending = page.evaluate((chat) => globalThis.client.send(chat, { text: 'offline' }).done, chat);
    await services.startNotification();
    await state(bob, 'live');
    await bob.send(chat, { text: 'meanwhile' }).done;
    await context.setOffline(false);
    await inState(page, 'live');
    await sending;
    assert.deepEqual(await texts(page), ['meanwhile', 'offline']);
  });

  it('works without IndexedDB', async () => {
    const script = () => {
      IDBFactory.prototype.open = () => {
        throw new DOMException('not in this mode', 'SecurityError');
      };
    };
    const page = await tab({ session, script });
    assert.deepEqual(await page.evaluate(() => globalThis.seen.error.map(({ code }) => code)), ['store_failed']);
    await page.waitForFunction((chat) => globalThis.client.chats.get(chat), chat);
    assert.equal((await page.evaluate((chat) => globalThis.client.send(chat, { text: 'hi' }).done, chat)).seq, 1);
  });

  it('works without Web Locks: each tab for itself', async () => {
    const script = () => Object.defineProperty(Navigator.prototype, 'locks', { value: undefined });
    const tabs = [await tab({ session, script }), await tab({ script })];
    assert.equal(await services.sockets(), 3);
    await Promise.all(tabs.map((page, n) => page.evaluate(([chat, n]) => globalThis.client.send(chat, { text: `${n}` }).done, [chat, n])));
    for (const page of tabs) await has(page, 2);
    assert.equal((await history()).length, 2);
  });

  it('signing out in one tab signs all out and deletes what is stored', async () => {
    const [first, second] = [await tab({ session }), await tab({})];
    await bob.send(chat, { text: 'secret' }).done;
    for (const page of [first, second]) await has(page, 1);
    await second.evaluate(() => globalThis.client.logout());
    for (const page of [first, second]) await inState(page, 'signed_out');
    const rows = await first.evaluate(async () => {
      const request = indexedDB.open('neonchat');
      await new Promise((resolve) => (request.onsuccess = resolve));
      const { result: db } = request;
      const counts = [...db.objectStoreNames].map(async (table) => {
        const count = db.transaction(table).objectStore(table).count();
        await new Promise((resolve) => (count.onsuccess = resolve));
        return [table, count.result];
      });
      return Promise.all(counts);
    });
    assert.deepEqual(rows.filter(([, count]) => count), []);
  });
});
