// Signing out, with the SDK and a server that is made up.
import assert from 'node:assert/strict';
import { it, mock } from 'node:test';
import { fakeBrowser, settled } from './support.mjs';

fakeBrowser();
globalThis.WebSocket = class {
  close() {}
};
mock.timers.enable({ apis: ['setTimeout', 'Date'] });

let loads = 0;
location.reload = () => loads++;
const user = { id: 'alice', username: 'alice' };
const answers = { '/api/v1/client-config': { ws_url: 'ws://localhost/ws' }, '/api/v1/auth/login': { token: 't', expires_in: 900, session_id: 's', user } };
/** Requests without an answer. */
let waiting = [];
globalThis.fetch = (url, options = {}) =>
  new Promise((resolve, reject) => {
    const { pathname } = new URL(url, location.origin);
    if (answers[pathname]) return resolve(Response.json(answers[pathname]));
    options.signal?.throwIfAborted();
    options.signal?.addEventListener('abort', () => reject(options.signal.reason));
    waiting.push({ path: pathname.slice('/api/v1'.length), ...options, fail: () => reject(new TypeError('no network')) });
  });
const { leaving, openClient, signIn, signOut, signOutEverywhere } = await import('../../src/state/session.js');

it('signing out waits for no server that is away', async () => {
  await signIn('alice', 'secret');
  localStorage.setItem('neonchat.draft.c', '{"text":"x"}');
  const { client } = await openClient();
  const everywhere = assert.rejects(signOutEverywhere(), { code: 'network' });
  await settled();
  waiting.find(({ path }) => path === '/auth/logout').fail();
  await everywhere;
  assert.deepEqual([client.session.user, leaving.value, localStorage.getItem('neonchat.draft.c')], [user, false, '{"text":"x"}'], 'the others would stay signed in');

  // The token has expired, and a new one does not come.
  mock.timers.setTime(Date.now() + 900_000);
  await settled();
  const refused = assert.rejects(client.rest.get('/users/me'), { code: 'network' });
  await settled();
  assert.ok(waiting.some(({ path }) => path === '/auth/refresh'));
  waiting = [];
  signOut();
  await settled();
  await refused;
  assert.deepEqual([client.session, leaving.value, Object.keys(localStorage)], [null, true, ['neonchat.config']]);
  assert.deepEqual(waiting.map(({ path, method, keepalive, headers }) => [path, method, keepalive, headers]), [['/auth/logout', 'POST', true, undefined]]);
  assert.equal(loads, 0, 'the server may answer');
  mock.timers.tick(2_000);
  await settled();
  assert.equal(loads, 1);
});
