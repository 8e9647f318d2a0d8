import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { Person, World, it, more, until } from './support.mjs';

describe('actions on chats', { concurrency: 1 }, () => {
  /** @type {World} */
  let world;
  before(async () => {
    world = await World.start();
  });
  after(() => world?.stop());

  it('pins, mutes, archives and marks chats, seen on another device', async () => {
    const { me, chats } = await world.withChats([1, 1]);
    const [{ other: first, id }, { other: second }] = chats;
    const other = await world.seat(me.api);
    const order = () => other.page.getByRole('list', { name: 'Chats' }).getByRole('link').allInnerTexts();
    const link = (pattern) => other.page.getByRole('link', { name: new RegExp(`^${first.name}.*${pattern}`) });
    await until('the list', async () => (await order()).length === 2);
    assert.match((await order())[0], new RegExp(`^${second.name[0]}`, 'i'));
    await me.act(first.name, 'Pin');
    await link('pinned').waitFor();
    assert.match(await other.page.getByRole('list', { name: 'Chats' }).getByRole('link').first().getAttribute('href'), new RegExp(id));
    await me.act(first.name, 'Mute', 'For 8 hours');
    await link('muted').waitFor();
    await other.until(() => document.title.startsWith('(1) '));
    await me.act(first.name, 'Unmute');
    await other.until(() => document.title.startsWith('(2) '));
    await me.act(first.name, 'Mark as read');
    await other.until(() => document.title.startsWith('(1) '));
    await me.act(first.name, 'Mark as unread');
    await link('marked as unread').waitFor();
    await me.act(first.name, 'Notify about', 'Mentions only');
    await until('the level', async () => (await first.chatWith(me), await me.api.call('GET', `/chats/${id}`)).level === 'mentions');
    await me.act(first.name, 'Archive');
    await link('').waitFor({ state: 'detached' });
    await other.page.getByRole('button', { name: 'Archived' }).click();
    await other.act(first.name, 'Unarchive');
    await me.chatLink(first.name).waitFor();
    await me.act(first.name, 'Clear history');
    await me.page.getByRole('alertdialog').getByRole('button', { name: 'Clear history' }).click();
    await link('No messages yet').waitFor();
    await Promise.all([me.close(), other.close()]);
  });

  it('puts chats into folders, by keyboard', async () => {
    const { me, chats } = await world.withChats([1, 1]);
    const { page } = me;
    const [{ other: first }, { other: second }] = chats;
    await me.chatLink(first.name).focus();
    // The key itself is handled by the system; this is what it causes.
    await me.chatLink(first.name).dispatchEvent('contextmenu', { clientX: 0, clientY: 0 });
    const menu = page.getByRole('menu', { name: 'Chat actions' });
    await menu.waitFor();
    await page.keyboard.press('Escape');
    await menu.waitFor({ state: 'detached' });
    assert.match(await me.focused(), new RegExp(first.name));
    await page.keyboard.press('Tab');
    assert.equal(await me.focused(), 'Chat actions');
    await page.keyboard.press('Enter');
    await menu.getByRole('menuitem', { name: 'Folder' }).press('Enter');
    const dialog = page.getByRole('dialog', { name: 'Folder' });
    await dialog.getByRole('textbox', { name: 'Name of the folder' }).fill('Work');
    await page.keyboard.press('Enter');
    await page.getByRole('tab', { name: /^Work.*1.unread message$/ }).waitFor();
    await dialog.waitFor({ state: 'detached' });
    assert.equal(await me.focused(), 'Chat actions');
    await page.getByRole('tab', { name: 'All chats' }).focus();
    await page.keyboard.press('ArrowRight');
    await me.chatLink(second.name).waitFor({ state: 'detached' });
    await me.chatLink(first.name).waitFor();
    await me.act(first.name, 'Folder');
    await dialog.getByRole('radio', { name: 'No folder' }).check();
    await dialog.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('tablist').waitFor({ state: 'detached' });
    await me.chatLink(second.name).waitFor();
    await me.close();
  });

  more('jumps to a day with few requests', async () => {
    const { me, chats } = await world.withChats([0], { timezoneId: 'UTC' });
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

  more('shows who somebody is, shortcuts, and scheduled messages', async () => {
    const { me, chats } = await world.withChats([1]);
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
});
