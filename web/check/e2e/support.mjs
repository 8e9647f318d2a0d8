// One Chromium, the services (or BASE_URL), and people who use the client, each in a context of their own.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { it as test } from 'node:test';
import { chromium } from 'playwright-core';
import { Services, until as repeated } from '../../../sdk/js/test/support/services.js';
import { chromiumOptions } from '../../../testbed/chromium.mjs';

const PASSWORD = 'securepass123';
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Which tests run: `brief` are those of `make test`, `rest` the others, and without a value all of them. */
const PART = process.env.PART;
if (![undefined, '', 'brief', 'rest'].includes(PART)) throw new Error(`PART=${PART}: brief or rest`);
const none = () => {};
/** A test that is part of `make test`. @type {typeof test | typeof none} */
export const it = PART === 'rest' ? none : test;
/** A test for which `make test` has no time. @type {typeof test | typeof none} */
export const more = PART === 'brief' ? none : test;

/** The world of this process, and how many suites use it. @type {Promise<World> | undefined} */
let shared;
let users = 0;

/** What the tests have in common. */
export class World {
  /** @type {import('playwright-core').Browser} */
  browser;
  services;

  /** Starts it, unless another suite has. */
  static start() {
    users++;
    return (shared ??= World.#start());
  }

  static async #start() {
    const world = new World();
    world.url = process.env.BASE_URL;
    if (!world.url) {
      world.services = await Services.start({ BCRYPT_COST: '4' });
      world.url = world.services.url;
    }
    world.browser = await chromium.launch(chromiumOptions());
    return world;
  }

  /** Stops it after the last suite. */
  async stop() {
    if (--users) return;
    shared = undefined;
    await this.browser?.close();
    await this.services?.stop();
  }

  /** A user who has no page yet. @param {string} [name] */
  async register(name = `u${randomUUID().slice(0, 10)}`) {
    const api = new Api(this.url);
    // It may be there already, if an attempt without an answer was repeated.
    await api.call('POST', '/auth/register', { username: name, password: PASSWORD }).catch((error) => {
      if (!/username_taken/.test(error.message)) throw error;
    });
    const { token, user } = await api.call('POST', '/auth/login', { username: name, password: PASSWORD });
    api.token = token;
    return Object.assign(api, { id: user.id, name });
  }

  /**
   * A user with a page, signed in.
   * @param {import('playwright-core').BrowserContextOptions & {name?: string, path?: string, hasWorker?: boolean}} [options]
   */
  async person({ name, path = '/', ...options } = {}) {
    return this.seat(await this.register(name), path, options);
  }

  /**
   * A user of the API, or a person with another device, gets a page at a path and signs in.
   * @param {any} api
   * @param {string} [path]
   * @param {import('playwright-core').BrowserContextOptions & {hasWorker?: boolean}} [options]
   */
  async seat(api, path = '/', options) {
    const person = new Person(this, api);
    await person.open(options);
    await person.goto(path);
    await person.signIn();
    return person;
  }

  /**
   * Somebody with a chat with each of some users, who have written so many messages.
   * @param {number[]} counts
   * @param {import('playwright-core').BrowserContextOptions} [options]
   */
  async withChats(counts, options) {
    const [me, ...others] = await Promise.all([this.person(options), ...counts.map(() => this.register())]);
    const chats = [];
    for (const [n, other] of others.entries()) {
      const { id } = await other.chatWith(me);
      await other.sendAll(id, Array.from({ length: counts[n] }, (_, k) => `message ${k + 1}.`));
      chats.push({ id, other });
    }
    for (const { other } of chats) await me.chatLink(other.name).waitFor();
    return { me, chats };
  }

  /** Two people with a chat, which both see. */
  async pair(options) {
    const [alice, bob] = await Promise.all([this.person(options), this.person(options)]);
    const { id } = await alice.api.chatWith(bob);
    await Promise.all([alice.chatLink(bob.name).waitFor(), bob.chatLink(alice.name).waitFor()]);
    return { alice, bob, chat: id };
  }

  /** Somebody with a chat with a user who has no page. */
  async host(options) {
    const { me: alice, chats } = await this.withChats([0], options);
    const [{ id: chat, other: bob }] = chats;
    return { alice, bob, chat };
  }

  /**
   * Somebody with a chat of some messages, which another one has written without a page.
   * @param {number} count
   * @param {import('playwright-core').BrowserContextOptions} [options]
   * @param {number} [atOnce] where the order of the messages does not matter
   */
  async reader(count, options, atOnce) {
    const [alice, bob] = await Promise.all([this.register(), this.register()]);
    const { id: chat } = await bob.chatWith(alice);
    await bob.sendAll(chat, Array.from({ length: count }, (_, n) => textOf(n + 1)), atOnce);
    const person = new Person(this, alice);
    await person.open(options);
    return { person, bob, chat };
  }

  /** Somebody with a chat of many messages, whose order does not matter. @param {number} count */
  crowd(count) {
    return this.reader(count, undefined, 20);
  }
}

/** Texts of different heights. */
const textOf = (n) => `message ${n}. ${'Lorem ipsum dolor sit amet. '.repeat((n * 7) % 9)}`;

/** A user of the REST API. */
class Api {
  token;
  /** @param {string} url */
  constructor(url) {
    this.url = url;
  }

  /** @param {string} method @param {string} path @param {any} [body] */
  async call(method, path, body) {
    const answer = await fetch(`${this.url}/api/v1${path}`, {
      method,
      headers: { 'Content-Type': 'application/json', ...(this.token && { Authorization: `Bearer ${this.token}` }) },
      body: body && JSON.stringify(body),
    });
    const text = await answer.text();
    // The server does only so many sign-ups at a time.
    if (answer.status === 503) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      return this.call(method, path, body);
    }
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text ? JSON.parse(text) : undefined;
  }

  /** The direct chat with somebody. */
  chatWith({ id }) {
    return this.call('POST', '/chats', { partner_id: id });
  }

  /** @param {string} chat @param {string} text @param {object} [more] */
  send(chat, text, more) {
    return this.call('POST', `/chats/${chat}/messages`, { text, ...more });
  }

  /** Sends messages one after the other, or `atOnce` at a time where their order does not matter. @param {string} chat @param {string[]} texts @param {number} [atOnce] */
  async sendAll(chat, texts, atOnce = 1) {
    for (let n = 0; n < texts.length; n += atOnce) await Promise.all(texts.slice(n, n + atOnce).map((text) => this.send(chat, text)));
  }

  /** The texts that the server has, in order. @param {string} chat */
  async history(chat) {
    const { messages } = await this.call('GET', `/chats/${chat}/messages?limit=100`);
    return messages.reverse().map(({ text }) => text);
  }
}

/** Somebody in front of a page. Everything is found by its role and name. */
export class Person {
  /** @param {World} world @param {any} api */
  constructor(world, api) {
    this.world = world;
    this.api = api;
    this.name = api.name;
    this.id = api.id;
    /** What must not happen. @type {string[]} */
    this.complaints = [];
  }

  /** @param {import('playwright-core').BrowserContextOptions & {hasWorker?: boolean}} [options] */
  async open({ hasWorker = false, ...options } = {}) {
    this.context = await this.world.browser.newContext({ locale: 'en-US', colorScheme: 'dark', viewport: { width: 1280, height: 800 }, ...options });
    this.context.setDefaultTimeout(40_000);
    await this.context.exposeFunction('complain', (text) => void this.complaints.push(text));
    await this.context.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI, sample }) => globalThis.complain(`CSP: ${violatedDirective} ${blockedURI} ${sample}`));
    });
    // A worker loads the whole client once more: only who goes offline needs one.
    if (!hasWorker) await this.context.addInitScript(() => Object.defineProperty(Navigator.prototype, 'serviceWorker', { value: undefined }));
    this.page = await this.tab();
  }

  async tab() {
    const page = await this.context.newPage();
    page.on('pageerror', (error) => this.complaints.push(String(error.stack)));
    page.on('console', (message) => {
      // That a request failed is no fault of the client where the test makes it fail.
      if (/error|warning/.test(message.type()) && !/Failed to load resource|WebSocket connection to/.test(message.text())) this.complaints.push(message.text());
    });
    const { host } = new URL(this.world.url);
    page.on('request', (request) => {
      const { hostname, protocol } = new URL(request.url());
      if (/^https?:$/.test(protocol) && hostname !== host.split(':')[0]) this.complaints.push(`request to ${request.url()}`);
    });
    return page;
  }

  goto(path) {
    return this.page.goto(this.world.url + path);
  }

  async signIn() {
    const { page } = this;
    const password = page.locator('#password');
    await page.locator('#username').fill(this.name);
    await password.fill(PASSWORD);
    const alert = page.getByRole('alert').first();
    // A server that is busy says so, and is asked again; a page that is busy may miss the key. The list of chats is not waited for: a
    // narrow page shows it or a chat.
    await until('the user is signed in', async () => {
      await password.press('Enter', { timeout: 1_000 }).catch(() => {});
      const ends = [password.waitFor({ state: 'detached', timeout: 5_000 }), alert.waitFor({ timeout: 5_000 })];
      await Promise.any(ends).catch(() => {});
      return (await password.count()) === 0;
    });
  }

  get log() {
    return this.page.getByRole('log', { name: 'Messages' });
  }
  get articles() {
    return this.log.getByRole('article');
  }
  get composer() {
    return this.page.getByRole('textbox', { name: 'Message' });
  }
  /** @param {string} text */
  article(text) {
    return this.articles.filter({ hasText: text });
  }
  /** @param {string} title */
  chatLink(title) {
    return this.page.getByRole('list', { name: 'Chats' }).getByRole('link', { name: new RegExp(`^${title}`) });
  }
  /** The state of an own message. @param {string} text @param {string} name */
  state(text, name) {
    return this.article(text).getByRole('img', { name, exact: true });
  }

  /** @param {string} title */
  async openChat(title) {
    await this.chatLink(title).click();
    await this.page.getByRole('heading', { name: title, level: 1 }).waitFor();
  }

  /** Opens the menu of a chat in the list, and takes what is named. @param {string} title @param {string[]} names */
  async act(title, ...names) {
    await this.chatLink(title).click({ button: 'right' });
    for (const name of names) await this.page.getByRole('menuitem', { name, exact: true }).or(this.page.getByRole('menuitemradio', { name, exact: true })).click();
  }

  /** What the element with the focus says. */
  focused() {
    return this.page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent);
  }

  /** @param {string} text */
  async write(text) {
    await this.composer.fill(text);
    await this.composer.press('Enter');
  }

  /** The texts of the messages in the document, in order. */
  async texts() {
    return this.articles.evaluateAll((articles) => articles.map((article) => article.querySelector('[dir=auto]')?.textContent));
  }

  /** Waits for a condition in the page. @param {(argument: any) => any} check @param {any} [argument] */
  until(check, argument) {
    return this.page.waitForFunction(check, argument, { polling: 50, timeout: 40_000 });
  }

  /** Waits until the page starts without a network. */
  workerReady() {
    return this.until(async () => (await navigator.serviceWorker.ready).active?.state === 'activated' && navigator.serviceWorker.controller);
  }

  /** Fails if something is not accessible in one of the themes. @param {string} view */
  async checkThemes(view) {
    for (const colorScheme of /** @type {const} */ (['dark', 'light'])) {
      await this.page.emulateMedia({ colorScheme });
      await this.checkAccess(`${view}, ${colorScheme}`);
    }
  }

  /** Fails if something is not accessible. @param {string} view */
  async checkAccess(view) {
    // The CSP does not allow scripts to be added to the page; those of the debugger are.
    if (!(await this.page.evaluate(() => 'axe' in globalThis))) await this.page.evaluate(axe);
    const problems = await this.page.evaluate(async () => {
      const { violations } = await globalThis.axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] });
      return violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 200)} ${failureSummary}`));
    });
    assert.deepEqual(problems, [], view);
  }

  async close() {
    await this.context.close();
    assert.deepEqual(this.complaints, [], `what the page of ${this.name} complained about`);
  }
}

/** Repeats a check until it is true. @param {string} what @param {() => any} check */
export const until = (what, check, timeout = 40_000) => repeated(what, check, timeout);
