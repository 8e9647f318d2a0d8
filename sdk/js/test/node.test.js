// The entry for Node.js: the store in a file, and what a bot needs.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { consume, derivedId, fileStore } from '../src/node/index.js';
import { chatId, item, setup } from './support/client.js';
import { FakeNetwork, settled } from './support/fakes.js';

const folder = mkdtempSync(join(tmpdir(), 'neonchat-node-'));
let files = 0;
const fresh = () => join(folder, `${++files}.jsonl`);
after(() => rmSync(folder, { recursive: true }));

const set = (key, value) => ({ op: 'put', table: 'kv', row: { key, value } });
const event = (seq, text = `${seq}`) => ({ op: 'put', table: 'events', row: { chat_id: 'c', seq, type: 'message', message: { id: `m${seq}`, seq, text } } });
const chat = { op: 'put', table: 'chats', row: { id: 'c', applied: 3, segments: [[1, 3]] } };

async function opened(path, options) {
  const store = fileStore(path, options);
  await store.open();
  return store;
}

async function content(store) {
  return JSON.stringify([await store.get('a'), await store.chats(), await store.events('c', 0, Infinity, Infinity, false), await store.outbox()]);
}

describe('the file store', () => {
  it('has everything after a restart, in a file that only its owner can read', async () => {
    const path = fresh();
    let store = await opened(path);
    await store.write([chat, event(1), event(2), set('a', { b: 1 })]);
    await store.write([{ op: 'patch', chat_id: 'c', seq: 2, set: { text: 'new' } }, { op: 'put', table: 'outbox', row: { request_id: 'r', created: 1 } }]);
    await store.write([{ op: 'trim', chat_id: 'c', below: 2 }]);
    const before = await content(store);
    await store.close();
    assert.equal(statSync(path).mode & 0o777, 0o600);
    store = await opened(path);
    assert.equal(await content(store), before);
    assert.match(before, /"new"/);
    await store.close();
    assert.deepEqual([existsSync(`${path}.lock`), existsSync(`${path}.new`)], [false, false]);
  });

  it('a chat that was removed stays removed', async () => {
    const path = fresh();
    let store = await opened(path);
    await store.write([chat, event(1), event(2)]);
    await store.write([{ op: 'delete', table: 'chats', key: 'c' }, { op: 'trim', chat_id: 'c', below: Infinity }]);
    await store.close();
    store = await opened(path);
    assert.equal(await content(store), '[null,[],[],[]]');
    await store.close();
  });

  it('a torn last line does not count, and what is written after it does', async () => {
    const path = fresh();
    let store = await opened(path);
    await store.write([set('a', 1)]);
    const whole = statSync(path).size;
    await store.write([set('a', 2)]);
    await store.close();
    truncateSync(path, whole + 10);
    store = await opened(path);
    assert.equal(await store.get('a'), 1);
    await store.write([set('b', 3)]);
    await store.close();
    store = await opened(path);
    assert.deepEqual([await store.get('a'), await store.get('b'), existsSync(`${path}.damaged`)], [1, 3, false]);
    await store.close();
  });

  it('cuts off what cannot be read, and keeps a copy until it is wiped', async () => {
    const path = fresh();
    let store = await opened(path);
    await store.write([set('a', 1)]);
    await store.close();
    appendFileSync(path, '\0\0\0\n[]\n');
    const text = readFileSync(path, 'utf8');
    const warned = once(process, 'warning');
    store = await opened(path);
    assert.match((await warned)[0].message, /damaged/);
    assert.equal(await store.get('a'), 1);
    assert.equal(readFileSync(`${path}.damaged`, 'utf8'), text);
    await store.wipe();
    assert.deepEqual([await store.get('a'), existsSync(`${path}.damaged`), readFileSync(path, 'utf8')], [undefined, false, '']);
    await store.close();
  });

  it('leaves a file that is not a journal alone', () => {
    for (const text of ['My diary\nMonday\n', 'no line', '{"op":1}\n', '[{"op":"set","key":"session","value":1}]\n', '\x7fELF\0\0']) {
      const path = fresh();
      writeFileSync(path, text);
      for (let n = 0; n < 2; n++) assert.throws(() => fileStore(path), { code: 'not_a_journal' }, text);
      assert.equal(readFileSync(path, 'utf8'), text);
    }
  });

  it('stays short: over many writes and over many restarts', async () => {
    const path = fresh();
    for (let round = 0; round < 5; round++) {
      const store = await opened(path);
      for (let n = 0; n < 15; n++) await store.write([set('a', [round, n, 'x'.repeat(100_000)])]);
      await store.write([chat, event(round + 1)]);
      await store.close();
      assert.ok(statSync(path).size < 2 << 20, `${statSync(path).size}`);
    }
    const store = await opened(path);
    assert.deepEqual((await store.get('a')).slice(0, 2), [4, 14]);
    assert.equal((await store.events('c', 0, 9, 9, false)).length, 5);
    await store.close();
  });

  it('writes that come together are made in order', async () => {
    const path = fresh();
    let store = await opened(path);
    await Promise.all(Array.from({ length: 50 }, (_, n) => store.write([set('a', n), event(n + 1)])));
    await store.close();
    await assert.rejects(store.write([set('a', 99)]), /not open/);
    store = await opened(path);
    assert.equal(await store.get('a'), 49);
    await store.close();
  });

  it('a disk that is full does not leave half of a line', async () => {
    const path = fresh();
    let store = await opened(path);
    await store.write([set('a', 1)]);
    await assert.rejects(store.write([set('b', 2n)]), TypeError);
    await store.write([set('c', 3)]);
    await store.close();
    store = await opened(path);
    assert.deepEqual([await store.get('a'), await store.get('b'), await store.get('c')], [1, undefined, 3]);
    await store.close();
  });

  it('a second one is refused, in this process and in another, until the first is closed', async () => {
    const path = fresh();
    const store = await opened(path);
    assert.throws(() => fileStore(path), { code: 'locked' });
    const child = spawn(process.execPath, [fileURLToPath(new URL('support/writer.js', import.meta.url)), path], { stdio: ['ignore', 'ignore', 'pipe'] });
    let errors = '';
    child.stderr.on('data', (data) => (errors += data));
    const [code] = await once(child, 'close');
    assert.deepEqual([code, /another process uses the store/.test(errors)], [1, true], errors);
    await store.close();
    await store.close();
    await (await opened(path)).close();
  });

  it('a lock of an earlier process with the same number does not count, one of another computer does for 20 s', () => {
    const path = fresh();
    const lock = `${path}.lock`;
    writeFileSync(lock, JSON.stringify({ pid: process.pid, start: '1', where: `${hostname()} elsewhere` }));
    assert.throws(() => fileStore(path), { code: 'locked' });
    utimesSync(lock, new Date(), new Date(Date.now() - 25_000));
    const store = fileStore(path);
    const { where } = JSON.parse(readFileSync(lock, 'utf8'));
    store.close();
    const other = fresh();
    writeFileSync(`${other}.lock`, JSON.stringify({ pid: process.pid, start: '1', where }));
    fileStore(other).close();
  });

  it('has what was stored when the process is killed, wherever that is', async () => {
    const path = fresh();
    let last = 0;
    for (let round = 0; round < 6; round++) {
      const child = spawn(process.execPath, [fileURLToPath(new URL('support/writer.js', import.meta.url)), path], { stdio: ['ignore', 'pipe', 'inherit'] });
      let text = '';
      child.stdout.on('data', (data) => (text += data));
      await once(child.stdout, 'data');
      await new Promise((resolve) => setTimeout(resolve, 50 + 120 * round));
      child.kill('SIGKILL');
      await once(child, 'close');
      const said = Number(text.trimEnd().split('\n').at(-1));
      const store = await opened(path);
      const stored = await store.get('n');
      assert.ok(stored >= said && said > last, `${stored} is stored, ${said} was said`);
      const ids = (await store.outbox()).map(({ created }) => created).sort((a, b) => a - b);
      assert.deepEqual(ids, Array.from({ length: Math.min(stored, 20) }, (_, n) => stored - Math.min(stored, 20) + 1 + n));
      await store.close();
      last = stored;
    }
  });
});

it('derived ids are UUIDs of version 5, the same each time', () => {
  // The example of RFC 9562, appendix A.4.
  assert.equal(derivedId('6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'www.example.com'), '2ed6657d-e927-568b-95e1-2665a8aea6a2');
  assert.notEqual(derivedId(chatId(1), 'a'), derivedId(chatId(1), 'b'));
  assert.throws(() => derivedId('r1', 'a'), /not a UUID: r1/);
});

describe('consume', () => {
  const message = (seq, more) => ({ id: chatId(seq), chat_id: chatId(1), sender_id: chatId(5), text: `${seq}`, seq, created_at: '2026-01-02T03:04:05Z', ...more });
  const arrive = (network, seq, more) => network.socket.onmessage({ data: JSON.stringify({ type: 'new_message', chat_id: chatId(1), seq, message: message(seq, more) }) });
  const quiet = { log: { error() {} } };

  /** Lets promises of the file store, which really writes, come to an end. */
  async function until(check) {
    for (let n = 0; n < 400 && !check(); n++) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.ok(check());
  }

  function begin(path, more) {
    const store = fileStore(path);
    const setup_ = setup({ store, network: new FakeNetwork(), items: [item(1, { last_seq: 4 })], ...more });
    return { ...setup_, store };
  }

  async function begun(one) {
    const { client, network } = one;
    await client.open();
    client.start();
    await until(() => network.socket);
    network.socket.onopen();
    await until(() => client.state === 'syncing');
    await settled();
    const sync = network.take().sent[0];
    network.socket.onmessage({ data: JSON.stringify({ type: 'synced', request_id: sync.request_id, chats: [] }) });
    await until(() => client.chats.get(chatId(1)));
  }

  it('handles each new message once, in order, also those that were told but not handled before a crash', async () => {
    const path = fresh();
    const first = begin(path);
    const seen = [];
    let block = new Promise(() => {});
    await first.client.open();
    consume(first.client, first.store, (message) => {
      seen.push(message.seq);
      if (message.seq === 6) return block;
    });
    await begun(first);
    await until(() => first.client.state === 'live');
    await new Promise((resolve) => setTimeout(resolve, 30));
    for (const seq of [5, 6, 7]) arrive(first.network, seq);
    await until(() => seen.length === 2);
    await first.store.write([]);
    // The program ends while it handles 6. Nothing of it runs on.
    await first.client.close();
    assert.deepEqual(seen, [5, 6]);

    const second = begin(path, { items: [item(1, { last_seq: 7 })] });
    const again = [];
    await second.client.open();
    consume(second.client, second.store, ({ seq }) => again.push(seq));
    await until(() => again.length === 2);
    assert.deepEqual(again, [6, 7], 'without a connection: they are in the store');
    await second.client.close();

    const third = begin(path);
    await third.client.open();
    consume(third.client, third.store, ({ seq }) => again.push(seq));
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual(again, [6, 7]);
    await third.client.close();
  });

  it('a message whose handler fails is handled again, and the next ones of its chat wait', async () => {
    const one = begin(fresh());
    const seen = [];
    await one.client.open();
    const end = consume(one.client, one.store, async ({ seq }) => {
      seen.push(seq);
      if (seen.length === 1) throw Object.assign(new Error('busy'), { retryAfterMs: 20 });
    }, quiet);
    await begun(one);
    await new Promise((resolve) => setTimeout(resolve, 30));
    for (const seq of [5, 6]) arrive(one.network, seq);
    await until(() => seen.length === 3);
    assert.deepEqual(seen, [5, 5, 6]);
    end();
    arrive(one.network, 7);
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.equal(seen.length, 3);
    await one.client.close();
  });

  /** Answers the request for a path when it comes. */
  async function answer(network, path, body) {
    const find = () => network.waiting.findIndex((request) => request.path === path);
    await until(() => find() >= 0);
    network.waiting.unshift(...network.waiting.splice(find(), 1));
    network.answer({ body });
  }

  it('a chat that was opened while the program was off has no history, also if it goes on before the list of chats is known', async () => {
    const path = fresh();
    const first = begin(path, { items: [item(2)] });
    await first.client.open();
    consume(first.client, first.store, () => assert.fail('there is no message'));
    first.client.start();
    await until(() => first.network.socket);
    first.network.socket.onopen();
    await until(() => first.client.chats.get(chatId(2)));
    await until(() => first.client.state === 'syncing');
    await first.client.close();
    assert.equal(first.network.socket, undefined);

    const { client, network, clock, store } = begin(path);
    network.auto = () => undefined;
    const seen = [];
    await client.open();
    consume(client, store, ({ seq }) => seen.push(seq));
    client.start();
    await until(() => network.socket);
    network.socket.onopen();
    await until(() => client.state === 'syncing');
    arrive(network, 4);
    await answer(network, `/chats/${chatId(1)}`, item(1, { last_seq: 4 }));
    await until(() => client.chats.get(chatId(1)));
    await clock.advance(2_000);
    const events = [1, 2, 3].map((seq) => ({ type: 'message', seq, message: message(seq) }));
    await answer(network, `/chats/${chatId(1)}/events`, { events, head_seq: 4, first_seq: 1, has_more: false });
    await until(() => seen.length === 4);
    assert.deepEqual(seen, [1, 2, 3, 4]);
    await client.close();
  });

  for (const isKilled of [false, true]) {
    it(`handles what is sent after the server was restored from a backup${isKilled ? ', also if the program is killed meanwhile' : ''}`, async () => {
      const path = fresh();
      const one = begin(path);
      const { client, network } = one;
      const seen = [];
      let release = () => {};
      await client.open();
      consume(client, one.store, async ({ text }) => {
        seen.push(text);
        if (text === '7') await new Promise((resolve) => (release = resolve));
      });
      await begun(one);
      await until(() => client.state === 'live');
      for (const seq of [5, 6, 7]) arrive(network, seq);
      await until(() => seen.length === 3);
      // The server has 5 events still. While 7 is handled other messages get the numbers of those that are lost.
      network.socket.onmessage({ data: JSON.stringify({ type: 'synced', request_id: 'again', chats: [{ chat_id: chatId(1), first_seq: 1, head_seq: 5, complete: false }] }) });
      const gap = new Promise((resolve) => client.on('gap', ({ skipped, ...gap }) => skipped && resolve(gap)));
      await answer(network, `/chats/${chatId(1)}/events`, { events: [], head_seq: 5, first_seq: 1, has_more: false });
      assert.deepEqual(await gap, { chat_id: chatId(1), from_seq: 8, to_seq: 5, restored: true });
      const stored = new Promise((resolve) => client.on('message', ({ seq }) => seq === 8 && resolve()));
      for (const seq of [6, 7, 8]) arrive(network, seq, { text: `new ${seq}` });
      await stored;
      const news = ['new 6', 'new 7', 'new 8'];
      if (!isKilled) {
        release();
        await until(() => seen.length === 6);
        assert.deepEqual(seen, ['5', '6', '7', ...news]);
      }
      await client.close();

      const next = begin(path);
      const again = [];
      await next.client.open();
      consume(next.client, next.store, ({ text }) => again.push(text));
      const handled = `handled:${chatId(1)}`;
      let position;
      await until(() => (next.store.get(handled).then((seq) => (position = seq)), position === 8));
      assert.deepEqual(again, isKilled ? news : []);
      await next.client.close();
    });
  }

  it('handles what is sent after the server was restored, also if the store refuses the mark of it', async () => {
    const base = fileStore(fresh());
    let refusals = 0;
    const write = (ops) => {
      if (!refusals || !ops.some(({ op, row }) => op === 'put' && row.key?.startsWith('restored:'))) return base.write(ops);
      refusals--;
      return Promise.reject(Object.assign(new Error('full'), { retryAfterMs: 20 }));
    };
    const store = { ...base, write };
    const { client, network } = setup({ store, items: [item(1, { last_seq: 4 })] });
    const seen = [];
    await client.open();
    consume(client, store, ({ text }) => seen.push(text), quiet);
    await begun({ client, network });
    await until(() => client.state === 'live');
    for (const seq of [5, 6, 7]) arrive(network, seq);
    const handled = `handled:${chatId(1)}`;
    let position;
    const isAt = (seq) => () => (store.get(handled).then((stored) => (position = stored)), position === seq);
    await until(isAt(7));
    refusals = 1;
    network.socket.onmessage({ data: JSON.stringify({ type: 'synced', request_id: 'again', chats: [{ chat_id: chatId(1), first_seq: 1, head_seq: 5, complete: false }] }) });
    await answer(network, `/chats/${chatId(1)}/events`, { events: [], head_seq: 5, first_seq: 1, has_more: false });
    await until(isAt(5));
    arrive(network, 6, { text: 'new 6' });
    await until(() => seen.length === 4);
    assert.deepEqual([seen, refusals], [['5', '6', '7', 'new 6'], 0]);
    await client.close();
  });
});
