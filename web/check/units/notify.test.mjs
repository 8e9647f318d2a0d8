// Notifications of messages: by the page, or by the worker where the browser allows no others.
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { fakeBrowser, fakeClient, message, settled } from './support.mjs';

fakeBrowser();
document.hasFocus = () => false;

/** What is shown, as the system has it: one of a tag. */
let all = [];
class FakeNotification {
  static permission = 'granted';
  static isMobile = false;
  constructor(title, options, ofWorker = false) {
    if (FakeNotification.isMobile && !ofWorker) throw new TypeError('not allowed');
    Object.assign(this, { title, ...options });
    all = [...all.filter(({ tag }) => tag !== this.tag), this];
  }
  close() {
    all = all.filter((one) => one !== this);
  }
}
globalThis.Notification = FakeNotification;
const registration = { getNotifications: async () => all.filter(() => FakeNotification.isMobile), showNotification: async (title, options) => void new FakeNotification(title, options, true) };
navigator.serviceWorker = { getRegistration: async () => registration, addEventListener() {} };

const chats = new Map();
const tell = fakeClient({ isLeader: true, chats: { get: (id) => chats.get(id), list: () => [] }, rest: { get: async () => ({}) } });
const { setPreferences, startNotifications } = await import('../../src/state/notify.js');

await setPreferences({ isOn: true });
startNotifications(() => {});
const bodies = () => all.map(({ body }) => body);
const chat = (id, more) => chats.set(id, { id, type: 'direct', partner: { id: 'bob', username: 'bob' }, read_seq: 0, first_seq: 1, unread_count: 1, muted_until: null, archived: false, level: 'all', ...more });
const receive = async (seq, chat_id = 'c') => (tell('message', { chat_id, message: message(seq, { chat_id }) }), settled());
const change = async (id, more) => (chat(id, more), tell('chat', { type: 'chat_changed', chat_id: id, chat: chats.get(id) }), settled());

for (const isMobile of [false, true]) {
  describe(isMobile ? 'notifications of the worker' : 'notifications of a page', () => {
    beforeEach(() => {
      FakeNotification.isMobile = isMobile;
      all.forEach((one) => one.close());
      chat('c');
      chat('d');
    });

    it('go when their message is read, also on another device', async () => {
      await receive(5);
      await receive(7, 'd');
      assert.deepEqual(bodies(), ['text 5', 'text 7']);
      await change('c', { read_seq: 4 });
      assert.equal(bodies().length, 2, 'what is read is older');
      await change('c', { read_seq: 5, unread_count: 3 });
      assert.deepEqual(bodies(), ['text 7']);
      tell('chat', { type: 'chat_removed', chat_id: 'd' });
      await settled();
      assert.deepEqual(bodies(), []);
    });

    it('go when their message is deleted', async () => {
      await receive(5);
      tell('event', { type: 'messages_deleted', chat_id: 'c', messages: [{ id: 'm4' }] });
      await settled();
      assert.deepEqual(bodies(), ['text 5']);
      tell('event', { type: 'messages_deleted', chat_id: 'c', messages: [{ id: 'm3' }, { id: 'm5' }] });
      await settled();
      assert.deepEqual(bodies(), []);
    });

    it('are not shown of what is read meanwhile', async () => {
      tell('message', { chat_id: 'c', message: message(5, { chat_id: 'c' }) });
      await change('c', { read_seq: 5 });
      assert.deepEqual(bodies(), []);
    });
  });
}

it('notifications of a page that was closed go as well', async () => {
  FakeNotification.isMobile = true;
  new FakeNotification('bob', { body: 'old', tag: 'c', data: { path: '/c/c', id: 'm2', seq: 2 } }, true);
  new FakeNotification('other', { body: 'of something else' }, true);
  chat('c', { read_seq: 2 });
  tell('chat', { type: 'chats' });
  await settled();
  assert.deepEqual(bodies(), ['of something else']);
});
