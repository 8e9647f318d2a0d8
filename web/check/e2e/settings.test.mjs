import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe } from 'node:test';
import { leftOut } from '../comments.mjs';
import { World, it, more, until } from './support.mjs';

describe('settings', { concurrency: 1 }, () => {
  /** @type {World} */
  let world;
  before(async () => {
    world = await World.start();
  });
  after(() => world?.stop());

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
    await until('the focus is back', async () => (await me.focused()) === 'Сочетания клавиш');
    await page.getByRole('button', { name: 'Выйти', exact: true }).waitFor();
    await me.close();
  });

  it('ends the session of another device, which signs out at once', async () => {
    const me = await world.person({ path: '/settings' });
    const phone = await world.seat(me.api, '/', { userAgent: 'Mozilla/5.0 (Linux; Android 15) Chrome/156.0 Mobile Safari/537.36' });
    await me.page.reload();
    const list = me.page.getByRole('list', { name: 'Devices' });
    assert.match(await list.getByRole('listitem').first().innerText(), /This device/);
    await list.getByRole('button', { name: 'End session: Chrome, Android' }).click();
    await me.page.getByRole('alertdialog').getByRole('button', { name: 'End session' }).click();
    // Long before its token ends.
    await phone.page.getByRole('form', { name: 'Sign in' }).waitFor();
    await list.getByRole('button', { name: 'End session: Chrome, Android' }).waitFor({ state: 'detached' });
    await Promise.all([me.close(), phone.close()]);
  });

  more('ends all sessions, and leaves nothing behind', async () => {
    const { me, chats } = await world.withChats([2]);
    const other = await world.seat(me.api, `/c/${chats[0].id}`);
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

  more('changes the password', async () => {
    const me = await world.person({ path: '/settings' });
    const other = await world.seat(me.api);
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

  more('puts emoji into messages and reactions by keyboard', async () => {
    const { me, chats } = await world.withChats([1]);
    const { page } = me;
    await me.openChat(chats[0].other.name);
    await me.composer.pressSequentially('to the moon');
    await page.keyboard.press('Home');
    await page.keyboard.press('Tab');
    assert.equal(await me.focused(), 'Emoji');
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
    await until('the focus is back', async () => (await me.focused()) === 'Message actions');
    await me.close();
  });

  it('notifies of messages in a hidden page, as the chats are set', async () => {
    const { me, chats } = await world.withChats([0, 0]);
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
    await me.act(muted.other.name, 'Mute', 'For ever');
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

  more('closes notifications of what is deleted, or read on another device', async () => {
    const { me, chats } = await world.withChats([0], { hasWorker: true });
    const [{ id, other }] = chats;
    const { page } = me;
    await me.context.grantPermissions(['notifications']);
    // As on mobile browsers, where only the worker shows them.
    await page.addInitScript(() => {
      globalThis.Notification = class extends Notification {
        constructor() {
          throw new TypeError('Illegal constructor');
        }
      };
      Object.defineProperty(document, 'visibilityState', { get: () => 'hidden' });
    });
    await me.workerReady();
    await me.goto('/settings');
    await page.getByRole('switch', { name: 'Notify about new messages' }).check();
    const told = (bodies) => me.until(async (wanted) => {
      const registration = await navigator.serviceWorker.getRegistration();
      return (await registration.getNotifications()).map(({ body }) => body).join() === wanted;
    }, bodies);
    const message = await other.send(id, 'too early');
    await told('too early');
    await page.reload();
    await me.chatLink(other.name).waitFor();
    await other.call('DELETE', `/chats/${id}/messages/${message.id}`);
    await told('');
    const { seq } = await other.send(id, 'read elsewhere');
    await told('read elsewhere');
    await me.api.call('PUT', `/chats/${id}/receipt`, { read: seq });
    await told('');
    await me.close();
  });

  more('offers to be installed, and opens by a shortcut of the application', async () => {
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

  more('is accessible in both themes, and fits 320 px', async () => {
    const { me, chats } = await world.withChats([1, 0]);
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
    await page.emulateMedia({ reducedMotion: 'reduce' });
    await me.goto(`/c/${id}`);
    await me.articles.first().waitFor();
    await header.click();
    await page.getByRole('menu').waitFor();
    await me.checkThemes('folders and menu');
    await page.getByRole('menuitem', { name: 'Notify about' }).click();
    await page.getByRole('menuitemradio').first().waitFor();
    await me.checkThemes('levels');
    await page.keyboard.press('Escape');
    for (const name of ['Profile', 'Jump to date', 'Scheduled messages', 'Folder']) {
      await header.click();
      await page.getByRole('menuitem', { name, exact: true }).click();
      await page.getByRole('dialog').waitFor();
      await me.checkThemes(name);
      await shut();
    }
    await page.getByRole('button', { name: 'Emoji' }).click();
    await page.getByRole('grid').waitFor();
    await me.checkThemes('emoji');
    await shut();
    await page.getByRole('link', { name: 'Settings' }).click();
    await page.getByRole('list', { name: 'Devices' }).waitFor();
    await page.getByRole('switch', { name: 'Notify about new messages' }).check();
    await me.checkThemes('settings');
    for (const name of ['Change password', 'Keyboard shortcuts']) {
      await page.getByRole('button', { name }).click();
      await page.getByRole('dialog').waitFor();
      await me.checkThemes(name);
      await shut();
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

  it('is served without comments', async () => {
    const worker = await (await fetch(`${world.url}/sw.js`)).text();
    const paths = [...worker.matchAll(/\['(\/(?:src|sdk)\/[^']+\.js)'/g)].map(([, path]) => path);
    assert.ok(paths.length > 100);
    for (const path of paths) {
      const file = new URL(path.startsWith('/sdk/') ? path.replace('/sdk/', '../../../sdk/js/src/') : `../..${path}`, import.meta.url);
      assert.equal(await (await fetch(world.url + path)).text(), leftOut(readFileSync(file, 'utf8')), path);
    }
  });
});
