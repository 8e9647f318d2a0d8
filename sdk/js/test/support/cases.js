// Runs the shared cases of sdk/cases, whose README describes them.
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { NeonChat, memoryStore } from '../../src/index.js';
import { FakeClock, FakeEnvironment, FakeLocks, FakeNetwork, fakeChannel, settled } from './fakes.js';

const TIME = '2026-01-02T03:04:05Z';
const EMITTED = ['message', 'event', 'gap', 'typing', 'presence', 'receipt', 'system', 'error'];

/** The id that a name stands for: `$c1`. */
function idOf(name) {
  const hex = [...name].map((letter) => letter.charCodeAt(0).toString(16).padStart(2, '0')).join('');
  return `00000000-0000-4000-8000-${hex.padStart(12, '0').slice(-12)}`;
}

class Runner {
  names = new Map();
  tabs = new Map();
  result;

  constructor(given) {
    this.given = given;
    this.clock = new FakeClock(Date.parse(given.now ?? TIME));
    this.network = new FakeNetwork();
    this.random = given.random ?? 0.5;
    this.locks = given.tabs ? new FakeLocks() : null;
    this.channel = given.tabs ? fakeChannel() : null;
    this.network.auto = (request) => this.auto(request);
    this.store = memoryStore();
    if (given.tabs) this.store.shared = 'test';
    this.ids = 0;
  }

  /** Replaces names by ids. */
  resolve(value) {
    if (typeof value === 'string' && value[0] === '$') return this.names.get(value) ?? idOf(value.slice(1));
    if (typeof value === 'string' && value[0] === '/') return value.replace(/\$\w+/g, (name) => this.resolve(name));
    if (Array.isArray(value)) return value.map((one) => this.resolve(one));
    if (value && typeof value === 'object') {
      return Object.fromEntries(Object.entries(value).map(([key, one]) => [key[0] === '$' ? this.resolve(key) : key, this.resolve(one)]));
    }
    return value;
  }

  /** The list of chats says what the store has, unless the case answers it. */
  auto({ method, path }) {
    if (this.given.list === 'manual' || method !== 'GET' || path !== '/chats') return undefined;
    return { body: { chats: this.items(), next: null, has_more: false } };
  }

  items() {
    return Object.entries(this.resolve(this.given.chats ?? {})).map(([id, { applied, ...item }]) => this.item({ id, last_seq: applied, ...item }));
  }

  item(item) {
    return { type: 'direct', first_seq: 1, last_seq: 0, read_seq: 0, unread_count: 0, updated_at: TIME, ...item };
  }

  message({ chat, seq, text = `${seq}`, from = this.resolve('$bob'), ...more }) {
    return { id: this.resolve(`$m${seq}`), chat_id: chat, sender_id: from, text, created_at: TIME, updated_at: TIME, seq, ...more };
  }

  async prepare() {
    const { given } = this;
    const session = given.session === null ? null : {
      access: 'access-1', access_expires_at: this.clock.now() + 86_400_000, lifetime: 86_400_000, refresh: 'refresh-1',
      user: { id: this.resolve('$me'), username: 'me' }, device_id: this.resolve('$device'),
      ...this.resolve(given.session ?? {}),
    };
    const ops = [];
    if (session) ops.push({ op: 'put', table: 'kv', row: { key: 'session', value: session } });
    if (session) ops.push({ op: 'put', table: 'kv', row: { key: 'owner', value: this.resolve(given.owner ?? '$me') } });
    if (given.chats) ops.push({ op: 'put', table: 'kv', row: { key: 'primed', value: true } });
    for (const item of this.items()) {
      const applied = this.resolve(given.chats)[item.id].applied;
      ops.push({ op: 'put', table: 'chats', row: { id: item.id, applied, segments: [[applied + 1, applied]], item } });
    }
    this.resolve(given.outbox ?? []).forEach(({ request_id, chat_id, text, ...more }, index) => {
      const frame = { type: 'message', chat_id, text, request_id };
      ops.push({ op: 'put', table: 'outbox', row: { request_id, chat_id, created: index + 1, state: 'pending', frame, ...more } });
    });
    await this.store.write(ops);
    for (const tab of given.tabs ?? ['a']) this.open(tab);
    if (given.live) await this.live();
    this.drop();
  }

  /** A new client, as after a restart of the process. */
  open(tab) {
    const environment = new FakeEnvironment();
    const events = [];
    const client = new NeonChat({
      url: 'http://chat.test:8080', store: this.store, environment, clock: this.clock, delivered: this.given.delivered ?? false,
      webSocket: this.network.WebSocket, fetch: this.network.fetch, random: () => this.random, locks: this.locks, channel: this.channel,
      // Fresh ids, which no case mentions.
      uuid: () => idOf(`id${++this.ids}`),
    });
    const own = this.store;
    for (const name of EMITTED) client.on(name, (data) => events.push({ event: name, data }));
    const outbox = [];
    client.on('outbox', ({ type, entry }) => type !== 'added' && outbox.push({ type, request_id: entry.request_id, code: entry.code, detail: entry.detail }));
    this.tabs.set(tab, { client, environment, events, outbox, own });
  }

  tab(name = 'a') {
    return this.tabs.get(name);
  }

  async live() {
    const { client } = this.tab();
    client.start();
    await settled();
    await this.openSocket();
    const { request_id, cursors } = this.network.take().sent[0];
    await this.frame({ type: 'synced', request_id, chats: Object.entries(cursors).map(([chat_id, head_seq]) => ({ chat_id, first_seq: 1, head_seq, complete: true })) });
    assert.equal(client.state, 'live');
  }

  drop() {
    this.network.take();
    for (const tab of this.tabs.values()) tab.events.length = tab.outbox.length = 0;
  }

  async openSocket() {
    this.network.socket.onopen();
    await settled();
  }

  async frame(frame) {
    this.network.socket.onmessage({ data: typeof frame === 'string' ? frame : JSON.stringify(frame) });
    await settled();
  }

  /** What happens. */
  async act(step) {
    const action = this.resolve(step.do);
    const { client, environment } = this.tab(step.tab);
    if ('call' in action) {
      const { call, args = [] } = action;
      const target = { page: () => client.timeline(args[0]).page(args[1]), retry: () => client.outbox.retry(args[0]), cancel: () => client.outbox.cancel(args[0]), get: () => client.rest.get(...args) }[call];
      const answer = target ? target() : client[call](...args);
      this.result = undefined;
      const promise = call === 'login' || call === 'logout' || target ? answer : answer?.done;
      promise?.then((value) => (this.result = value), (error) => (this.result = { code: error.code, reason: error.reason, detail: error.detail }));
    } else if ('socket' in action) {
      if (action.socket === 'open') await this.openSocket();
      else {
        const { socket } = this.network;
        this.network.sockets.pop();
        socket.onclose({ code: action.code ?? 1006, reason: action.reason ?? '' });
      }
    } else if ('frame' in action) await this.frame(action.frame);
    else if ('text' in action) await this.frame(action.text);
    else if ('message' in action) {
      await this.frame({ type: 'new_message', chat_id: action.message.chat, seq: action.message.seq, message: this.message(action.message) });
    } else if ('messages' in action) {
      const { chat, from, to } = action.messages;
      for (let seq = from; seq <= to; seq++) {
        const { socket } = this.network;
        socket.onmessage({ data: JSON.stringify({ type: 'new_message', chat_id: chat, seq, message: this.message({ chat, seq }) }) });
      }
    } else if ('answer' in action) this.network.answer(this.body(action.answer));
    else if ('advance' in action) await this.clock.advance(action.advance);
    else if ('sleep' in action) this.clock.sleep(action.sleep);
    else if ('environment' in action) environment.change(action.environment);
    else if ('random' in action) this.random = action.random;
    else if ('restart' in action) {
      // Nothing of the old process runs on.
      for (const { client } of this.tabs.values()) await client.stop();
      this.drop();
      this.network.sockets = [];
      this.network.waiting = [];
      this.tabs.clear();
      this.open('a');
    } else if ('store' in action) {
      this.store.write = async () => {
        throw new DOMException('the disk is full', 'QuotaExceededError');
      };
    } else throw new Error(`unknown input: ${JSON.stringify(action)}`);
    await settled();
  }

  /** Answers of the server that a case writes in short. */
  body(answer) {
    if (answer === 'network_error') return answer;
    const { events, messages, items, ...rest } = answer;
    if (events) {
      const { chat, from, to, head, more = false, first = 1 } = events;
      const list = [];
      for (let seq = from; seq <= to; seq++) list.push({ type: 'message', seq, message: this.message({ chat, seq }) });
      return { body: { events: list, head_seq: head, first_seq: first, has_more: more } };
    }
    if (messages) {
      const { chat, from, to, head, previous, next, first = 1 } = messages;
      const list = [];
      for (let seq = to; seq >= from; seq--) list.push(this.message({ chat, seq }));
      return { body: { messages: list, head_seq: head, first_seq: first, has_previous: previous, has_next: next } };
    }
    if (items) return { body: { chats: items.map((item) => this.item(item)), next: rest.next ?? null } };
    return rest;
  }

  // --- expectations ---

  /** Compares: objects may have more members than expected, `null` stands for absent too. */
  match(actual, expected, path) {
    if (expected === '$any') return assert.notEqual(actual, undefined, path);
    if (typeof expected === 'string' && expected.startsWith('$=')) return void this.names.set(`$${expected.slice(2)}`, actual);
    if (Array.isArray(expected)) {
      assert.ok(Array.isArray(actual), `${path}: ${JSON.stringify(actual)} is no list`);
      assert.equal(actual.length, expected.length, `${path}: ${JSON.stringify(actual)}`);
      expected.forEach((one, index) => this.match(actual[index], one, `${path}[${index}]`));
    } else if (expected && typeof expected === 'object') {
      assert.ok(actual && typeof actual === 'object', `${path}: ${JSON.stringify(actual)} is no object`);
      for (const [key, one] of Object.entries(expected)) {
        const name = key[0] === '$' ? this.resolve(key) : key;
        this.match(actual[name], one, `${path}.${name}`);
      }
    } else if (expected === null) assert.equal(actual ?? null, null, path);
    else assert.ok(isDeepStrictEqual(actual, this.resolve(expected)), `${path}: ${JSON.stringify(actual)} instead of ${JSON.stringify(this.resolve(expected))}`);
  }

  async check(step, expected = {}) {
    const tab = this.tab(step.tab);
    const { opened, closed, sent, requests } = this.network.take();
    const events = tab.events.splice(0);
    const outbox = tab.outbox.splice(0);
    for (const other of this.tabs.values()) other.events.length = other.outbox.length = 0;
    const run = (expected.events ?? []).flatMap((one) => {
      if (!one.messages) return [one];
      const { chat, from, to } = one.messages;
      return Array.from({ length: to - from + 1 }, (_, n) => ({ event: 'message', data: { chat_id: chat, seq: from + n } }));
    });
    const lists = { opened, closed, sent, requests, outbox };
    for (const [name, list] of Object.entries(lists)) this.match(list, expected[name] ?? [], name);
    this.match(events, run, 'events');
    if ('state' in expected) this.match(tab.client.status, typeof expected.state === 'string' ? { state: expected.state } : expected.state, 'state');
    if ('session' in expected) this.match(tab.client.session, expected.session, 'session');
    if ('result' in expected) this.match(this.result, expected.result, 'result');
    if ('pending' in expected) this.match(tab.client.outbox.list().map(({ request_id }) => request_id), expected.pending, 'pending');
    if ('chats' in expected) this.match(Object.fromEntries(tab.client.chats.list().map((chat) => [chat.id, chat])), expected.chats, 'chats');
    if (expected.store) await this.checkStore(expected.store);
  }

  async checkStore({ chats, events, outbox, session }) {
    const { store } = this;
    if (chats) this.match(Object.fromEntries((await store.chats()).map((row) => [row.id, row])), chats, 'store.chats');
    for (const [chat, rows] of Object.entries(events ?? {})) {
      this.match(await store.events(this.resolve(chat), 0, Infinity, Infinity, false), rows, `store.events.${chat}`);
    }
    if (outbox) this.match((await store.outbox()).sort((a, b) => a.created - b.created).map(({ request_id }) => request_id), outbox, 'store.outbox');
    if (session !== undefined) this.match(await store.get('session'), session, 'store.session');
  }
}

export async function runCase({ given = {}, steps }) {
  const runner = new Runner(given);
  await runner.prepare();
  for (const [index, step] of steps.entries()) {
    try {
      await runner.act(step);
      await runner.check(step, step.expect);
    } catch (error) {
      error.message = `step ${index + 1}, ${JSON.stringify(step.do)}: ${error.message}`;
      throw error;
    }
  }
  for (const { client } of runner.tabs.values()) await client.stop();
}
