// Refresh tokens against the real services. Needs a chat-service with `POST /auth/refresh`: `make sdk-js-e2e` runs it from then on, when
// all.test.js imports it.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import WebSocket from 'ws';
import { NeonChat, memoryStore } from '../../src/index.js';
import { Services, event, register, state, until } from '../support/services.js';
import { launch, openTab, serve } from '../support/page.js';

describe('sessions', { concurrency: false }, () => {
  let services, site, browser;
  const clients = new Set();

  before(async () => {
    site = await serve();
    services = await Services.start({ CORS_ALLOWED_ORIGINS: site.origin });
    browser = await launch();
  });
  after(async () => {
    for (const client of clients) await client.close();
    await browser?.close();
    await services?.stop();
    site?.close();
  });

  function client(options = {}) {
    const one = new NeonChat({ url: services.url, webSocketUrl: services.webSocketUrl, webSocket: WebSocket, ...options });
    clients.add(one);
    return one;
  }

  /** Counts the refreshes of a client. */
  function counting() {
    const counted = { refreshes: 0, delay: 0 };
    counted.fetch = async (url, options) => {
      if (url.endsWith('/auth/refresh')) {
        counted.refreshes++;
        if (counted.lose > 0) {
          counted.lose--;
          await fetch(url, options);
          throw new TypeError('the answer was lost');
        }
      }
      return fetch(url, options);
    };
    return counted;
  }

  async function signedIn(options) {
    const account = await register(services);
    const one = client(options);
    const session = await one.login({ ...account, device_name: 'test' });
    assert.equal(typeof session.refresh, 'string', 'this server has no refresh tokens');
    return { account, client: one };
  }

  it('requests that are refused at the same time share one refresh', async () => {
    const counted = counting();
    const { client: one, account } = await signedIn(counted);
    // As if the token had expired: the server refuses it.
    const broken = client({ ...counted, session: { ...one.session, access: 'broken' } });
    const answers = await Promise.all([1, 2, 3].map(() => broken.rest.get('/users/me')));
    assert.deepEqual(answers.map(({ id }) => id), [account.id, account.id, account.id]);
    assert.equal(counted.refreshes, 1);
  });

  it('refreshes before the token ends, and the connection goes on with the new one', async () => {
    const counted = counting();
    const { client: one } = await signedIn(counted);
    const { access, refresh } = one.session;
    // The client takes the token for one that ends soon.
    const soon = client({ ...counted, session: { ...one.session, access_expires_at: Date.now() + 62_000, lifetime: 86_400_000 }, random: () => 0.1 });
    const lost = event(soon, 'state', ({ state }) => state === 'waiting' || state === 'signed_out', 8_000).then(
      () => assert.fail('the connection was lost'),
      () => {}
    );
    soon.start();
    await state(soon, 'live');
    await until('there is a new token', () => soon.session.access !== access);
    assert.notEqual(soon.session.refresh, refresh);
    assert.equal(counted.refreshes, 1);
    await lost;
  });

  it('a lost answer of a refresh does no harm', async () => {
    const counted = Object.assign(counting(), { lose: 1 });
    const { client: one, account } = await signedIn(counted);
    const broken = client({ ...counted, session: { ...one.session, access: 'broken' } });
    await assert.rejects(broken.rest.get('/users/me'), { code: 'network' });
    assert.equal((await broken.rest.get('/users/me')).id, account.id);
    assert.equal(counted.refreshes, 2);
  });

  it('a refresh token that is used twice, later than a lost answer explains, ends the session', async () => {
    const { client: one } = await signedIn();
    const first = one.session;
    const second = client({ session: { ...first, access: 'broken' } });
    await second.rest.get('/users/me');
    const third = client({ session: { ...second.session, access: 'broken' } });
    await third.rest.get('/users/me');
    // Two generations old.
    const thief = client({ session: { ...first, access: 'broken' } });
    await assert.rejects(thief.rest.get('/users/me'), { code: 'signed_out', reason: 'session_reused' });
    third.start();
    const { reason } = await event(third, 'state', ({ state }) => state === 'signed_out');
    assert.ok(reason);
  });

  it('a session that is ended from another device signs this one out, with a reason', async () => {
    const { client: one, account } = await signedIn();
    one.start();
    await state(one, 'live');
    const other = client();
    await other.login(account);
    const over = event(one, 'state', ({ state }) => state === 'signed_out');
    const { sessions } = await other.rest.request('GET', '/auth/sessions');
    const mine = sessions.find(({ id }) => id === one.session.device_id);
    assert.equal(mine.device_name, 'test');
    await other.rest.request('DELETE', '/auth/sessions/{id}', { params: { id: mine.id } });
    assert.ok((await over).reason);
    assert.equal((await other.rest.get('/users/me')).id, account.id);
  });

  it('a stored session goes on after a restart', async () => {
    const store = memoryStore();
    const { client: one, account } = await signedIn({ store });
    await one.close();
    await store.write([{ op: 'put', table: 'kv', row: { key: 'session', value: { ...one.session, access_expires_at: 0 } } }]);
    const again = client({ store });
    again.start();
    await state(again, 'live');
    assert.equal(again.session.user.id, account.id);
  });

  it('tabs that need a new token at the same time refresh once', async () => {
    const { client: one, account } = await signedIn();
    const context = await browser.newContext();
    let refreshes = 0;
    context.on('request', (request) => {
      if (request.url().endsWith('/auth/refresh') && request.method() === 'POST') refreshes++;
    });
    const session = { ...one.session, access: 'broken' };
    const tabs = [];
    for (let n = 0; n < 3; n++) {
      const page = await openTab(context, { origin: site.origin, services, session: n === 0 ? session : undefined, start: false });
      await page.evaluate(() => globalThis.client.open());
      tabs.push(page);
    }
    const ids = await Promise.all(tabs.map((page) => page.evaluate(async () => (await globalThis.client.rest.get('/users/me')).id)));
    assert.deepEqual(ids, [account.id, account.id, account.id]);
    assert.equal(refreshes, 1);
    // The connection of the leader has the new token too.
    await Promise.all(tabs.map((page) => page.evaluate(() => globalThis.client.start())));
    for (const page of tabs) await page.waitForFunction(() => globalThis.client.state === 'live');
    assert.equal(refreshes, 1);
    await context.close();
  });
});
