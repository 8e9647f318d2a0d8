import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Person, World, until } from './support.mjs';

describe('settings and actions', { concurrency: 3 }, () => {
  /** @type {World} */
  let world;
  before(async () => {
    world = await World.start();
  });
  after(() => world?.stop());

  /** Another device of somebody, signed in. */
  async function device({ api }, path = '/', options) {
    const person = new Person(world, api);
    await person.open(options);
    await person.goto(path);
    await person.signIn();
    return person;
  }
  /** Somebody with a chat with each of some users, who have written so many messages. */
  async function withChats(counts, options) {
    const [me, ...others] = await Promise.all([world.person(options), ...counts.map(() => world.register())]);
    const chats = [];
    for (const [n, other] of others.entries()) {
      const { id } = await other.chatWith(me);
      await other.sendAll(id, Array.from({ length: counts[n] }, (_, k) => `message ${k + 1}.`));
      chats.push({ id, other });
    }
    for (const { other } of chats) await me.chatLink(other.name).waitFor();
    return { me, chats };
  }
  /** Opens the menu of a chat in the list, and takes what is named. */
  async function act(person, title, ...names) {
    await person.chatLink(title).click({ button: 'right' });
    for (const name of names) await person.page.getByRole('menuitem', { name, exact: true }).or(person.page.getByRole('menuitemradio', { name, exact: true })).click();
  }
  const focused = (page) => page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent);

  it('changes theme and language at once, with the frame of the browser', async () => {
    const me = await world.person({ path: '/settings' });
    const { page } = me;
    const frame = () => page.evaluate(() => [...document.querySelectorAll('meta[name=theme-color]')].map(({ content }) => content));
    const [dark, light] = await frame();
    await page.getByRole('radio', { name: 'Light' }).check();
    assert.deepEqual(await frame(), [light, light]);
    await page.getByRole('radio', { name: 'Dark' }).check();
    assert.deepEqual(await frame(), [dark, dark]);
    await page.getByRole('combobox', { name: 'Language' }).selectOption('Русский');
    await page.getByRole('heading', { name: 'Устройства' }).waitFor();
    await page.getByRole('button', { name: 'Сочетания клавиш' }).click();
    await page.getByRole('dialog', { name: 'Сочетания клавиш' }).waitFor();
    await page.keyboard.press('Escape');
    await until('the focus is back', async () => (await focused(page)) === 'Сочетания клавиш');
    await page.getByRole('button', { name: 'Выйти', exact: true }).waitFor();
    await me.close();
  });

  it('ends the session of another device, which signs out within 2 s', async () => {
    const me = await world.person({ path: '/settings' });
    const phone = await device(me, '/', { userAgent: 'Mozilla/5.0 (Linux; Android 15) Chrome/156.0 Mobile Safari/537.36' });
    await me.page.reload();
    const list = me.page.getByRole('list', { name: 'Devices' });
    assert.match(await list.getByRole('listitem').first().innerText(), /This device/);
    await list.getByRole('button', { name: 'End session: Chrome, Android' }).click();
    await me.page.getByRole('alertdialog').getByRole('button', { name: 'End session' }).click();
    const start = Date.now();
    await phone.page.getByRole('form', { name: 'Sign in' }).waitFor({ timeout: 2_000 });
    assert.ok(Date.now() - start < 2_000, `${Date.now() - start} ms`);
    await list.getByRole('button', { name: 'End session: Chrome, Android' }).waitFor({ state: 'detached' });
    await Promise.all([me.close(), phone.close()]);
  });

  it('ends all sessions, and leaves nothing behind', async () => {
    const { me, chats } = await withChats([2]);
    const other = await device(me, `/c/${chats[0].id}`);
    await me.openChat(chats[0].other.name);
    await me.write('a secret');
    await me.state('a secret', 'Sent').waitFor();
    await me.page.getByRole('link', { name: 'Settings' }).click();
    await me.page.getByRole('button', { name: 'End all sessions' }).click();
    await me.page.getByRole('alertdialog').getByRole('button', { name: 'End all sessions' }).click();
    await Promise.all([me, other].map(({ page }) => page.getByRole('form', { name: 'Sign in' }).waitFor()));
    const stored = () => me.page.evaluate(async () => {
      const request = indexedDB.open('neonchat');
      const db = await new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
      const count = (name) => new Promise((resolve) => (db.transaction(name).objectStore(name).count().onsuccess = ({ target }) => resolve(target.result)));
      return { rows: await Promise.all([...db.objectStoreNames].map(count)), keys: Object.keys(localStorage).sort() };
    });
    await until('nothing is stored', async () => JSON.stringify(await stored()) === '{"rows":[0,0,0,0],"keys":["neonchat.config"]}');
    await me.signIn();
    await me.chatLink(chats[0].other.name).waitFor();
    await Promise.all([me.close(), other.close()]);
  });

  it('changes the password', async () => {
    const me = await world.person({ path: '/settings' });
    const other = await device(me);
    const { page } = me;
    await page.getByRole('button', { name: 'Change password' }).click();
    const dialog = page.getByRole('dialog', { name: 'Change password' });
    const attempt = async (old, fresh) => {
      await dialog.getByLabel('Current password').fill(old);
      await dialog.getByLabel('New password').fill(fresh);
      await page.keyboard.press('Enter');
    };
    await attempt('not the password', 'a new secret 456');
    await dialog.getByRole('alert').filter({ hasText: 'not your current password' }).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('name')), 'old');
    await attempt('securepass123', '123456');
    await dialog.getByRole('alert').filter({ hasText: 'most common' }).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('name')), 'new');
    await attempt('securepass123', 'a new secret 456');
    await page.getByRole('status').filter({ hasText: 'The password is changed' }).waitFor();
    await other.page.getByRole('form', { name: 'Sign in' }).waitFor();
    await me.api.call('POST', '/auth/login', { username: me.name, password: 'a new secret 456' });
    await Promise.all([me.close(), other.close()]);
  });

  it('pins, mutes, archives and marks chats, seen on another device', async () => {
    const { me, chats } = await withChats([1, 1]);
    const [{ other: first, id }, { other: second }] = chats;
    const other = await device(me);
    const order = () => other.page.getByRole('list', { name: 'Chats' }).getByRole('link').allInnerTexts();
    const link = (pattern) => other.page.getByRole('link', { name: new RegExp(`^${first.name}.*${pattern}`) });
    await until('the list', async () => (await order()).length === 2);
    assert.match((await order())[0], new RegExp(`^${second.name[0]}`, 'i'));
    await act(me, first.name, 'Pin');
    await link('pinned').waitFor();
    assert.match(await other.page.getByRole('list', { name: 'Chats' }).getByRole('link').first().getAttribute('href'), new RegExp(id));
    await act(me, first.name, 'Mute', 'For 8 hours');
    await link('muted').waitFor();
    await other.until(() => document.title.startsWith('(1) '));
    await act(me, first.name, 'Unmute');
    await other.until(() => document.title.startsWith('(2) '));
    await act(me, first.name, 'Mark as read');
    await other.until(() => document.title.startsWith('(1) '));
    await act(me, first.name, 'Mark as unread');
    await link('marked as unread').waitFor();
    await act(me, first.name, 'Notify about', 'Mentions only');
    await until('the level', async () => (await first.chatWith(me), await me.api.call('GET', `/chats/${id}`)).level === 'mentions');
    await act(me, first.name, 'Archive');
    await link('').waitFor({ state: 'detached' });
    await other.page.getByRole('button', { name: 'Archived' }).click();
    await act(other, first.name, 'Unarchive');
    await me.chatLink(first.name).waitFor();
    await act(me, first.name, 'Clear history');
    await me.page.getByRole('alertdialog').getByRole('button', { name: 'Clear history' }).click();
    await link('No messages yet').waitFor();
    await Promise.all([me.close(), other.close()]);
  });

  it('puts chats into folders, by keyboard', async () => {
    const { me, chats } = await withChats([1, 1]);
    const { page } = me;
    const [{ other: first }, { other: second }] = chats;
    await me.chatLink(first.name).focus();
    // The key itself is handled by the system; this is what it causes.
    await me.chatLink(first.name).dispatchEvent('contextmenu', { clientX: 0, clientY: 0 });
    const menu = page.getByRole('menu', { name: 'Chat actions' });
    await menu.waitFor();
    await page.keyboard.press('Escape');
    await menu.waitFor({ state: 'detached' });
    assert.match(await focused(page), new RegExp(first.name));
    await page.keyboard.press('Tab');
    assert.equal(await focused(page), 'Chat actions');
    await page.keyboard.press('Enter');
    await menu.getByRole('menuitem', { name: 'Folder' }).press('Enter');
    const dialog = page.getByRole('dialog', { name: 'Folder' });
    await dialog.getByRole('textbox', { name: 'Name of the folder' }).fill('Work');
    await page.keyboard.press('Enter');
    await page.getByRole('tab', { name: /^Work.*1.unread message$/ }).waitFor();
    await dialog.waitFor({ state: 'detached' });
    assert.equal(await focused(page), 'Chat actions');
    await page.getByRole('tab', { name: 'All chats' }).focus();
    await page.keyboard.press('ArrowRight');
    await me.chatLink(second.name).waitFor({ state: 'detached' });
    await me.chatLink(first.name).waitFor();
    await act(me, first.name, 'Folder');
    await dialog.getByRole('radio', { name: 'No folder' }).check();
    await dialog.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('tablist').waitFor({ state: 'detached' });
    await me.chatLink(second.name).waitFor();
    await me.close();
  });

  it('puts emoji into messages and reactions by keyboard', async () => {
    const { me, chats } = await withChats([1]);
    const { page } = me;
    await me.openChat(chats[0].other.name);
    await me.composer.pressSequentially('to the moon');
    await page.keyboard.press('Home');
    await page.keyboard.press('Tab');
    assert.equal(await focused(page), 'Emoji');
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog', { name: 'Emoji' });
    await dialog.waitFor();
    await page.keyboard.type('rocket');
    await dialog.getByRole('grid', { name: 'Found emoji' }).waitFor();
    await page.keyboard.press('Enter');
    await until('it is at the caret', async () => (await me.composer.inputValue()) === '🚀to the moon');
    await until('the composer has the focus', () => me.composer.evaluate((box) => box === document.activeElement));

    await me.article('message 1.').getByRole('button', { name: 'Message actions' }).press('Enter');
    await page.getByRole('menuitem', { name: 'React', exact: true }).press('Enter');
    await dialog.getByRole('tab', { name: 'Recent' }).waitFor();
    await page.keyboard.type('сердце');
    await dialog.getByRole('grid', { name: 'Found emoji' }).waitFor();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowLeft');
    const emoji = await page.evaluate(() => document.activeElement?.textContent);
    await page.keyboard.press('Enter');
    await me.article('message 1.').getByRole('button', { name: `${emoji} 1 reaction` }).waitFor();
    await until('the focus is back', async () => (await focused(page)) === 'Message actions');
    await me.close();
  });

  it('jumps to a day with few requests', async () => {
    const { me, chats } = await withChats([0], { timezoneId: 'UTC' });
    const [{ id, other }] = chats;
    await me.close();
    await other.sendAll(id, Array.from({ length: 130 }, (_, n) => `message ${n + 1}.`));
    const person = new Person(world, me.api);
    await person.open({ timezoneId: 'UTC', reducedMotion: 'reduce' });
    const { page } = person;
    let requests = 0;
    // Two messages a day since the first of January: the server cannot be told when a message was sent.
    await page.route(`**/api/v1/chats/${id}/messages?*`, async (route) => {
      requests++;
      const response = await route.fetch();
      const json = await response.json();
      for (const message of json.messages) message.created_at = new Date(Date.UTC(2026, 0, 1) + (message.seq - 1) * 12 * 3600_000).toISOString();
      await route.fulfill({ response, json });
    });
    await person.goto(`/c/${id}/130`);
    await person.signIn();
    await person.article('message 130.').waitFor();
    requests = 0;
    await page.getByRole('button', { name: /^(Friday, March 6|Friday, 6 March).*Jump to date$/ }).last().click();
    const dialog = page.getByRole('dialog', { name: 'Jump to date' });
    assert.equal(await dialog.getByLabel('Date').inputValue(), '2026-03-06');
    await dialog.getByLabel('Date').fill('2026-01-20');
    await page.keyboard.press('Enter');
    await person.article('message 39.').waitFor();
    assert.equal(new URL(page.url()).pathname, `/c/${id}/39`);
    assert.ok(requests <= 5, `${requests} requests`);

    // While one scrolls, the day is at the top, unless its heading is.
    const pill = page.locator('div[aria-hidden=true]').filter({ hasText: /^\w+day, / });
    assert.equal(await pill.count(), 0, 'nothing before');
    await person.log.hover();
    const seen = [];
    for (let n = 0; n < 12; n++) {
      await page.mouse.wheel(0, -20);
      seen.push(await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => {
        const pill = [...document.querySelectorAll('div[aria-hidden=true]')].find(({ textContent }) => /^\w+day, /.test(textContent));
        const { top } = document.querySelector('[role=log]').getBoundingClientRect();
        const rows = [8, 40].map((y) => [...document.querySelectorAll('[role=log] > div')].find((row) => row.getBoundingClientRect().bottom > top + y));
        const time = rows[0].querySelector('article time')?.dateTime;
        resolve({ day: pill?.checkVisibility({ visibilityProperty: true }) && pill.textContent, isHeading: rows.some((row) => row.querySelector('[aria-haspopup=dialog]') && !row.querySelector('article')), time });
      })))));
    }
    const dayOf = (time) => new Date(time).toLocaleDateString('en-US', { weekday: 'long', day: 'numeric', month: 'long', timeZone: 'UTC' });
    for (const { day, isHeading, time } of seen) if (day) assert.deepEqual({ day, isHeading }, { day: dayOf(time), isHeading: false });
    assert.ok(seen.some(({ day }) => day) && seen.some(({ day, isHeading }) => !day && isHeading), JSON.stringify(seen));
    await pill.waitFor({ state: 'hidden' });
    await page.getByRole('main').getByRole('button', { name: 'Chat actions' }).click();
    await page.getByRole('menuitem', { name: 'Jump to date' }).click();
    await dialog.getByRole('button', { name: 'First message' }).click();
    await person.article('message 1.').waitFor();
    await person.close();
  });

  it('notifies of messages in a hidden page, as the chats are set', async () => {
    const { me, chats } = await withChats([0, 0]);
    await me.context.grantPermissions(['notifications']);
    await me.page.addInitScript(() => {
      globalThis.told = [];
      globalThis.Notification = class extends Notification {
        constructor(title, options) {
          super(title, options);
          globalThis.told.push({ title, ...options, notification: this });
        }
      };
      for (const [name, value] of [['visibilityState', 'hidden'], ['hidden', true]]) {
        const { get } = Object.getOwnPropertyDescriptor(Document.prototype, name);
        Object.defineProperty(document, name, { get: () => (globalThis.isAway ? value : get.call(document)) });
      }
    });
    const { page } = me;
    await me.goto('/settings');
    await page.getByRole('switch', { name: 'Notify about new messages' }).check();
    const [{ id, other }, muted] = chats;
    await act(me, muted.other.name, 'Mute', 'For ever');
    await page.getByRole('link', { name: new RegExp(`^${muted.other.name}.*muted`) }).waitFor();
    await other.send(id, 'seen at once');
    await page.getByRole('link', { name: /1.unread message/ }).waitFor();
    await page.evaluate(() => {
      globalThis.isAway = true;
      document.dispatchEvent(new Event('visibilitychange'));
    });
    await muted.other.send(muted.id, 'not told');
    await other.send(id, 'look here', { entities: [{ type: 'spoiler', offset: 5, length: 4 }] });
    await me.until(() => globalThis.told.length);
    const told = () => page.evaluate(() => globalThis.told.map(({ title, body, silent }) => ({ title, body, silent })));
    assert.deepEqual(await told(), [{ title: other.name, body: 'look ▒▒▒▒', silent: true }]);
    await page.getByRole('switch', { name: 'Show the text of messages' }).uncheck();
    await other.send(id, 'a secret');
    await me.until(() => globalThis.told.length === 2);
    assert.equal((await told())[1].body, 'New message');
    await page.evaluate(() => {
      globalThis.isAway = false;
      document.dispatchEvent(new Event('visibilitychange'));
      globalThis.told.at(-1).notification.onclick();
    });
    await page.getByRole('heading', { name: other.name, level: 1 }).waitFor();
    await me.close();
  });

  it('shows who somebody is, shortcuts, and scheduled messages', async () => {
    const { me, chats } = await withChats([1]);
    const { page } = me;
    const [{ id, other }] = chats;
    await me.openChat(other.name);
    await page.getByRole('heading', { level: 1 }).getByRole('button', { name: other.name }).click();
    const profile = page.getByRole('dialog', { name: 'Profile' });
    await profile.getByText('Here since').waitFor();
    await profile.getByRole('button', { name: 'Write a message' }).click();
    await until('the composer has the focus', () => me.composer.evaluate((box) => box === document.activeElement));
    await page.keyboard.type('?');
    assert.equal(await me.composer.inputValue(), '?');
    await page.keyboard.press('Control+/');
    await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor();
    await page.keyboard.press('Escape');
    await me.log.focus();
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor();
    await page.keyboard.press('Escape');
    await me.composer.fill('');

    for (const text of ['to be moved', 'to be sent', 'to be deleted']) await me.api.send(id, text, { send_at: new Date(Date.now() + 3600_000).toISOString() });
    await page.getByRole('main').getByRole('button', { name: 'Chat actions' }).click();
    await page.getByRole('menuitem', { name: 'Scheduled messages' }).click();
    const dialog = page.getByRole('dialog', { name: 'Scheduled messages' });
    const item = (text) => dialog.getByRole('listitem').filter({ hasText: text });
    await item('to be sent').getByRole('button', { name: 'Send now' }).click();
    await item('to be sent').waitFor({ state: 'detached' });
    await item('to be deleted').getByRole('button', { name: 'Delete' }).click();
    await item('to be deleted').waitFor({ state: 'detached' });
    await item('to be moved').getByRole('button', { name: 'Change time' }).click();
    await item('to be moved').getByLabel('Send at').fill('2027-05-01T12:00');
    await page.keyboard.press('Enter');
    await item('to be moved').filter({ hasText: 'May 1, 2027' }).waitFor();
    assert.deepEqual(await me.api.history(id), ['message 1.', 'to be sent']);
    await me.close();
  });

  it('offers to be installed, and opens by a shortcut of the application', async () => {
    const me = await world.person({ path: '/?new' });
    const { page } = me;
    await page.getByRole('dialog', { name: 'New chat' }).waitFor();
    assert.equal(new URL(page.url()).search, '');
    await page.keyboard.press('Escape');
    await page.getByRole('link', { name: 'Settings' }).click();
    await page.getByRole('button', { name: 'Keyboard shortcuts' }).waitFor();
    assert.equal(await page.getByRole('button', { name: 'Install application' }).count(), 0);
    await page.evaluate(() => dispatchEvent(Object.assign(new Event('beforeinstallprompt', { cancelable: true }), { prompt: async () => (globalThis.isAsked = true) })));
    await page.getByRole('button', { name: 'Install application' }).click();
    await me.until(() => globalThis.isAsked);
    await page.getByRole('button', { name: 'Install application' }).waitFor({ state: 'detached' });
    const manifest = await page.evaluate(async () => (await fetch('/manifest.webmanifest')).json());
    for (const { url } of manifest.shortcuts) assert.equal((await fetch(world.url + url, { headers: { Accept: 'text/html' } })).status, 200);
    await me.close();
  });

  it('is accessible in both themes, and fits 320 px', async () => {
    const { me, chats } = await withChats([1, 0]);
    const { page } = me;
    await me.context.grantPermissions(['notifications']);
    const [{ id, other }] = chats;
    await me.api.call('PATCH', `/chats/${id}/me`, { folder: 'Work', pin_place: 1 });
    await me.api.send(id, 'later', { send_at: new Date(Date.now() + 3600_000).toISOString() });
    const header = page.getByRole('main').getByRole('button', { name: 'Chat actions' });
    const shut = async () => {
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
    };
    for (const colorScheme of ['dark', 'light']) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await me.goto(`/c/${id}`);
      await me.articles.first().waitFor();
      await header.click();
      await page.getByRole('menu').waitFor();
      await me.checkAccess(`folders and menu, ${colorScheme}`);
      await page.getByRole('menuitem', { name: 'Notify about' }).click();
      await page.getByRole('menuitemradio').first().waitFor();
      await me.checkAccess(`levels, ${colorScheme}`);
      await page.keyboard.press('Escape');
      for (const name of ['Profile', 'Jump to date', 'Scheduled messages', 'Folder']) {
        await header.click();
        await page.getByRole('menuitem', { name, exact: true }).click();
        await page.getByRole('dialog').waitFor();
        await me.checkAccess(`${name}, ${colorScheme}`);
        await shut();
      }
      await page.getByRole('button', { name: 'Emoji' }).click();
      await page.getByRole('grid').waitFor();
      await me.checkAccess(`emoji, ${colorScheme}`);
      await shut();
      await page.getByRole('link', { name: 'Settings' }).click();
      await page.getByRole('list', { name: 'Devices' }).waitFor();
      await page.getByRole('switch', { name: 'Notify about new messages' }).check();
      await me.checkAccess(`settings, ${colorScheme}`);
      for (const name of ['Change password', 'Keyboard shortcuts']) {
        await page.getByRole('button', { name }).click();
        await page.getByRole('dialog').waitFor();
        await me.checkAccess(`${name}, ${colorScheme}`);
        await shut();
      }
    }
    await page.setViewportSize({ width: 320, height: 640 });
    const wide = () => page.evaluate(() => [...document.querySelectorAll('main *, dialog, dialog *')].filter((element) => element.getBoundingClientRect().right > innerWidth + 1 && !element.closest('.hidden, .tabs')).map(({ outerHTML }) => outerHTML.slice(0, 100)));
    await page.getByRole('combobox', { name: 'Language' }).selectOption('Русский');
    assert.deepEqual(await wide(), []);
    await page.getByRole('button', { name: 'Сочетания клавиш' }).click();
    await page.getByRole('dialog').waitFor();
    assert.deepEqual(await wide(), []);
    await me.close();
    void other;
  });
});
