// A client on a network, a clock and a store that do what a test says.
import assert from 'node:assert/strict';
import { NeonChat, memoryStore } from '../../src/index.js';
import { FakeClock, FakeEnvironment, FakeNetwork, settled } from './fakes.js';

export const chatId = (n) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
export const me = chatId(999);
export const session = { access: 'a', access_expires_at: 1e15, lifetime: 1e9, refresh: 'r', user: { id: me, username: 'me' }, device_id: chatId(998) };
export const item = (n, more) => ({ id: chatId(n), type: 'direct', first_seq: 1, last_seq: 1, read_seq: 0, unread_count: 0, updated_at: `2026-01-02T03:04:05.${String(n).padStart(6, '0')}Z`, ...more });

export function setup({ items = [], store = memoryStore(), locks = null, channel = null, network = new FakeNetwork(), clock = new FakeClock(1e12), ...options } = {}) {
  network.auto = ({ path }) => (path === '/chats' ? { body: { chats: items, next: null } } : undefined);
  const environment = new FakeEnvironment();
  const client = new NeonChat({
    ...{ url: 'http://chat.test:8080', store, session, environment, locks, channel, delivered: false },
    ...{ clock, webSocket: network.WebSocket, fetch: network.fetch, random: () => 0.5, ...options },
  });
  return { client, network, clock, environment, store };
}

export async function live({ client, network }) {
  client.start();
  await settled();
  network.socket.onopen();
  await settled();
  const sync = network.take().sent[0];
  network.socket.onmessage({ data: JSON.stringify({ type: 'synced', request_id: sync.request_id, chats: [] }) });
  await settled();
  assert.equal(client.state, 'live');
  return sync;
}
