import assert from 'node:assert/strict';
import { it } from 'node:test';
import { fakeBrowser } from './support.mjs';

fakeBrowser();
let loads = 0;
location.reload = () => loads++;
const { changed, leaving, user } = await import('../../src/state/session.js');
const { load, save } = await import('../../src/lib/storage.js');
const [alice, bob] = ['alice', 'bob'].map((username) => ({ id: username, username }));
const next = async () => {
  await new Promise(setImmediate);
  leaving.value = false;
  // As a page that is loaded again.
  user.value = load('user') ?? null;
};

it('drafts stay for the same user, and are deleted for another one', async () => {
  changed(alice);
  save('draft.c', { text: 'x' });
  changed(null, 'revoked');
  assert.equal(leaving.value, true);
  await next();
  assert.deepEqual([loads, load('ended'), load('draft.c')], [1, 'revoked', { text: 'x' }]);
  changed(alice);
  assert.deepEqual(load('draft.c'), { text: 'x' });
  changed(null, 'token_expired');
  await next();
  // A sign-out after the end of the session deletes them too.
  changed(null, 'logout');
  assert.deepEqual([user.value, load('draft.c'), load('owner')], [null, undefined, undefined]);
  changed(alice);
  save('draft.c', { text: 'x' });
  changed(bob);
  await next();
  assert.deepEqual([load('draft.c'), user.value], [undefined, bob]);
});
