// The service worker, in a browser that is made up: caches, pages and a server.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { beforeEach, describe, it } from 'node:test';
import vm from 'node:vm';

const source = readFileSync(new URL('../../sw.js', import.meta.url), 'utf8');
const ORIGIN = 'http://chat.test';
const PATHS = ['/index.html', '/src/main.js', '/src/later/a.js'];

class FakeRequest {
  constructor(path, { mode = 'no-cors' } = {}) {
    Object.assign(this, { url: new URL(path, ORIGIN).href, method: 'GET', mode });
  }
}

class FakeCaches {
  stores = new Map();
  async open(name) {
    if (!this.stores.has(name)) this.stores.set(name, new Map());
    const store = this.stores.get(name);
    const keyOf = (request) => new URL(request.url ?? request, ORIGIN).pathname;
    return { match: async (request) => store.get(keyOf(request))?.clone(), put: async (request, answer) => void store.set(keyOf(request), answer) };
  }
  keys = async () => [...this.stores.keys()];
  delete = async (name) => this.stores.delete(name);
  match = async (path) => [...this.stores.values()].map((store) => store.get(path)?.clone()).find(Boolean);
}

/** A server with one version of the files. */
const serverOf = (version, policy = 'old') => (path) => {
  const file = path === '/' ? '/index.html' : path;
  return new Response(`${file} ${version}`, { headers: { ETag: `W/"${version}${file}-gzip"`, 'Content-Security-Policy': policy } });
};

describe('service worker', () => {
  let caches, pages, server, asked;
  beforeEach(() => {
    caches = new FakeCaches();
    pages = new Set();
    asked = [];
  });

  /** A worker of a version; the same again is one that was ended and started. */
  function workerOf(version) {
    const listeners = {};
    const clients = { matchAll: async () => [...pages].map((id) => ({ id })), claim: async () => {} };
    const self = { clients, skipWaiting: async () => {}, addEventListener: (name, listener) => (listeners[name] = listener) };
    const fetch = async (request) => {
      asked.push(new URL(request.url).pathname);
      return server(new URL(request.url).pathname);
    };
    const list = PATHS.map((path) => `['${path}', '${version}${path}']`).join(', ');
    vm.runInNewContext(source.replace('__BUILD__', version).replace("'__FILES__'", list), { self, caches, fetch, Request: FakeRequest, Response, URL, location: { origin: ORIGIN } });
    const fire = async (name, event) => {
      const work = [];
      let answer;
      listeners[name]({ ...event, waitUntil: (promise) => work.push(promise), respondWith: (promise) => (answer = promise) });
      const text = await (await answer)?.text();
      await Promise.all(work);
      return text;
    };
    return {
      install: async () => (await fire('install'), await fire('activate')),
      open: async (id, path = '/c/1') => (pages.add(id), await fire('fetch', { request: new FakeRequest(path, { mode: 'navigate' }), clientId: '', resultingClientId: id })),
      load: (clientId, path) => fire('fetch', { request: new FakeRequest(path), clientId }),
    };
  }

  it('keeps nothing of a version that the server does not have completely', async () => {
    const answers = { mixed: (path) => serverOf(path.includes('later') ? 'v1' : 'v2')(path), maintenance: () => new Response('<h1>Back soon</h1>'), failing: () => new Response('', { status: 503 }), oldPage: (path) => serverOf(path === '/' ? 'v1' : 'v2')(path) };
    for (const [name, answer] of Object.entries(answers)) {
      server = answer;
      await assert.rejects(workerOf('v2').install(), /another version/, name);
      assert.deepEqual(await caches.keys(), [], name);
    }
    server = serverOf('v2');
    await workerOf('v2').install();
    assert.equal(await workerOf('v2').load('page', '/src/main.js'), '/src/main.js v2');
  });

  it('answers a page from the version that it was loaded with, until it is closed', async () => {
    server = serverOf('v1');
    pages.add('first');
    await workerOf('v1').install();
    assert.equal(await workerOf('v1').open('old'), '/index.html v1');
    server = serverOf('v2');
    const next = workerOf('v2');
    await next.install();
    for (const page of ['old', 'first']) assert.equal(await next.load(page, '/src/later/a.js'), '/src/later/a.js v1', page);
    assert.equal(await next.open('new'), '/index.html v2');
    assert.equal(await next.load('new', '/src/later/a.js'), '/src/later/a.js v2');
    // It may be ended at any time.
    assert.equal(await workerOf('v2').load('old', '/src/later/a.js'), '/src/later/a.js v1');
    pages.delete('old');
    pages.delete('first');
    await workerOf('v2').open('newer');
    assert.deepEqual(await caches.keys(), ['neonchat-v2']);
    assert.equal(await workerOf('v2').load('new', '/src/later/a.js'), '/src/later/a.js v2');
  });

  it('takes a new policy of the page, but no other version', async () => {
    server = serverOf('v1');
    const worker = workerOf('v1');
    await worker.install();
    const policy = async () => (await caches.match('/')).headers.get('Content-Security-Policy');
    server = serverOf('v2', 'new');
    await worker.open('a');
    assert.equal(await policy(), 'old');
    server = serverOf('v1', 'new');
    await worker.open('b');
    assert.equal(await policy(), 'new');
    server = () => Promise.reject(new TypeError('no network'));
    assert.equal(await worker.open('c'), '/index.html v1');
  });

  it('leaves the API alone', async () => {
    server = serverOf('v1');
    const worker = workerOf('v1');
    await worker.install();
    asked = [];
    for (const path of ['/api/v1/users/me', '/openapi.json', '/swagger-ui/index.html']) assert.equal(await worker.load('a', path), undefined);
    assert.deepEqual(asked, []);
  });
});
