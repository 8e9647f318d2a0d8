import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Person, World, until } from './support.mjs';

/** @type {World} */
let world;
before(async () => {
  world = await World.start();
});
after(() => world?.stop());

/** Two people with a chat, which both see. */
async function pair(options) {
  const [alice, bob] = await Promise.all([world.person(options), world.person(options)]);
  const { id } = await alice.api.chatWith(bob);
  await Promise.all([alice.chatLink(bob.name).waitFor(), bob.chatLink(alice.name).waitFor()]);
  return { alice, bob, chat: id };
}

/** Somebody with a chat of some messages, which another one has written without a page. */
async function reader(count, options) {
  const [alice, bob] = await Promise.all([world.register(), world.register()]);
  const { id: chat } = await bob.chatWith(alice);
  await bob.sendAll(chat, Array.from({ length: count }, (_, n) => textOf(n + 1)));
  const person = new Person(world, alice);
  await person.open(options);
  return { person, bob, chat };
}

/** Somebody with a chat of many messages, whose order does not matter. */
async function crowd(count) {
  const { person, bob, chat } = await reader(0);
  await bob.sendAll(chat, Array.from({ length: count }, (_, n) => textOf(n + 1)), 20);
  return { person, bob, chat };
}

/** Texts of different heights. */
const textOf = (n) => `message ${n}. ${'Lorem ipsum dolor sit amet. '.repeat((n * 7) % 9)}`;

describe('the web client', { concurrency: 3 }, () => {
  it('registers, and two people talk', async () => {
    const bob = await world.person();
    const alice = new Person(world, { name: `a${bob.name}` });
    await alice.open();
    const { page } = alice;
    await alice.goto('/');
    await page.getByRole('form', { name: 'Sign in' }).waitFor();
    await page.getByRole('link', { name: 'Create account' }).click();
    const form = page.getByRole('form', { name: 'Create account' });
    await form.getByRole('textbox', { name: 'Username' }).fill(alice.name);
    await form.getByLabel('Password').fill('securepass123');
    await form.getByRole('button', { name: 'Create account' }).click();

    await page.getByRole('button', { name: 'New chat' }).click();
    const dialog = page.getByRole('dialog', { name: 'New chat' });
    await dialog.getByRole('combobox', { name: 'Find people' }).fill(bob.name);
    await dialog.getByRole('listbox', { name: 'People' }).getByRole('option', { name: bob.name }).waitFor();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: bob.name, level: 1 }).waitFor();
    await until('the composer has the focus', () => alice.composer.evaluate((box) => box === document.activeElement));

    await page.keyboard.type('Hello, Bob!');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.type('How are you?');
    await page.keyboard.press('Enter');
    await alice.state('Hello, Bob!', 'Sent').waitFor();
    assert.equal(await alice.article('Hello').getByRole('img').count(), 1);
    assert.match(await alice.article('Hello').getAttribute('aria-label'), /^You, /);

    const link = bob.chatLink(alice.name);
    await bob.page.getByRole('link', { name: new RegExp(`^${alice.name}.*online.*1.unread message`) }).waitFor();
    await bob.until(() => document.title.startsWith('(1) '));
    await link.click();
    await bob.article('Hello, Bob!').waitFor();
    assert.deepEqual(await bob.texts(), ['Hello, Bob!\nHow are you?']);
    await alice.state('Hello, Bob!', 'Read').waitFor();
    await bob.until(() => !document.title.startsWith('('));

    await bob.composer.pressSequentially('Fine');
    await page.getByRole('status').filter({ hasText: `${bob.name} is typing` }).waitFor();
    await bob.composer.press('Enter');
    await alice.article('Fine').waitFor();
    await page.getByRole('status').filter({ hasText: 'is typing' }).waitFor({ state: 'detached' });
    await Promise.all([alice.close(), bob.close()]);
  });

  it('signs in again where one wanted to go, and signs out without a trace, before the server answers', async () => {
    const { alice, bob, chat } = await pair();
    await bob.close();
    const { page } = alice;
    await alice.openChat(bob.name);
    await alice.write('a secret');
    await alice.state('a secret', 'Sent').waitFor();
    await page.getByRole('link', { name: 'Settings' }).click();
    await page.getByRole('heading', { name: 'Settings', level: 1 }).waitFor();
    // What is stored here is gone before the server answers, and the session of the server ends all the same.
    let held;
    await page.route('**/auth/logout', (route) => void (held = route));
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('alertdialog').getByRole('button', { name: 'Sign out' }).click();
    await alice.until(() => !localStorage.getItem('neonchat.user'));
    await held.continue();
    await page.getByRole('form', { name: 'Sign in' }).waitFor();
    const { sessions } = await alice.api.call('GET', '/auth/sessions');
    assert.deepEqual(sessions.map(({ current }) => current), [true], 'only that of the API');
    await page.unroute('**/auth/logout');
    const stored = await page.evaluate(async () => {
      const request = indexedDB.open('neonchat');
      const db = await new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
      const count = (name) => new Promise((resolve) => (db.transaction(name).objectStore(name).count().onsuccess = ({ target }) => resolve(target.result)));
      return { rows: await Promise.all(['chats', 'events', 'outbox'].map(count)), keys: Object.keys(localStorage) };
    });
    assert.deepEqual(stored.rows, [0, 0, 0]);
    assert.deepEqual(stored.keys.filter((key) => /draft|user/.test(key)), []);

    await alice.goto(`/c/${chat}`);
    await page.getByRole('textbox', { name: 'Username' }).fill(alice.name);
    await page.getByLabel('Password').fill('wrong password');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').waitFor();
    assert.equal(await page.getByRole('textbox', { name: 'Username' }).inputValue(), alice.name);
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('aria-invalid')), 'true');
    await alice.signIn();
    await page.getByRole('heading', { name: bob.name, level: 1 }).waitFor();
    await alice.article('a secret').waitFor();
    await alice.close();
  });

  it('opens a chat at what is unread, and reads only what was seen', async () => {
    const { person, bob, chat } = await reader(40);
    const { page } = person;
    await person.goto('/');
    await person.signIn();
    await page.getByRole('link', { name: /40.unread messages/ }).waitFor();
    await person.openChat(bob.name);
    const divider = page.getByRole('separator', { name: 'Unread messages' });
    await divider.waitFor();
    assert.match((await person.texts())[0], /^message 1\./);
    assert.ok(await divider.evaluate((element) => element.getBoundingClientRect().top < 400), 'the divider is in view');
    const { read_seq } = await until2(() => bob.call('GET', `/chats/${chat}`).then(({ partner_read_seq }) => ({ read_seq: partner_read_seq })), ({ read_seq }) => read_seq > 0);
    assert.ok(read_seq < 40, `not everything is read: ${read_seq}`);
    await page.getByRole('button', { name: /^Latest messages, \d+ new/ }).click();
    await person.article('message 40.').waitFor();
    await until('everything is read', async () => (await bob.call('GET', `/chats/${chat}`)).partner_read_seq === 40);
    await page.getByRole('button', { name: /^Latest messages/ }).waitFor({ state: 'detached' });
    await person.log.press('Home');
    await divider.waitFor();
    await person.close();
  });

  it('reads nothing while the page has not the focus', async () => {
    const { person, bob, chat } = await reader(3);
    await person.context.addInitScript(() => {
      Document.prototype.hasFocus = () => globalThis.focused === true;
    });
    await person.goto(`/c/${chat}`);
    await person.signIn();
    await person.article('message 3.').waitFor();
    await bob.send(chat, 'one more');
    await person.article('one more').waitFor();
    await person.page.waitForTimeout(1_500);
    assert.equal((await bob.call('GET', `/chats/${chat}`)).partner_read_seq, 0);
    await person.page.evaluate(() => {
      globalThis.focused = true;
      dispatchEvent(new Event('focus'));
    });
    await until('it is read', async () => (await bob.call('GET', `/chats/${chat}`)).partner_read_seq === 4);
    await person.close();
  });

  it('keeps the row under the eye where it is', async () => {
    const { person, bob, chat } = await crowd(300);
    const { page } = person;
    await person.goto(`/c/${chat}/300`);
    await person.signIn();
    await person.articles.first().waitFor();
    // Observes the row in the middle of the view, frame by frame, while something happens. Returns by how much it moved.
    const drift = async (action) => {
      await page.evaluate(() => {
        const log = document.querySelector('[role=log]');
        const { top, height } = log.getBoundingClientRect();
        const row = [...log.querySelectorAll('article')].find((article) => article.getBoundingClientRect().bottom > top + height / 2);
        const start = row.getBoundingClientRect().top;
        globalThis.watch = { worst: 0, isOn: true, row };
        const look = () => {
          if (!globalThis.watch.isOn) return;
          globalThis.watch.worst = Math.max(globalThis.watch.worst, row.isConnected ? Math.abs(row.getBoundingClientRect().top - start) : Infinity);
          requestAnimationFrame(look);
        };
        look();
      });
      await action();
      return page.evaluate(() => ((globalThis.watch.isOn = false), globalThis.watch.worst));
    };
    for (let n = 0; n < 4; n++) {
      // Near the top, where older messages are loaded.
      await person.log.evaluate((log) => (log.scrollTop = 500));
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
      const moved = await drift(() => person.until((top) => document.querySelector('[role=log]').scrollTop > top + 800, 500));
      assert.ok(moved <= 1, `older messages moved the view by ${moved} px`);
    }
    const arrival = await drift(async () => {
      await bob.send(chat, 'from below');
      await page.getByRole('link', { name: /from below/ }).waitFor();
    });
    assert.ok(arrival <= 1, `a new message moved the view by ${arrival} px`);
    const growth = await drift(() => person.composer.fill('a\nb\nc\nd\ne\nf'));
    assert.ok(growth <= 1, `the composer moved the view by ${growth} px`);
    await person.close();
  });

  it('goes to the message of a link, and back to the end', async () => {
    const { person, bob, chat } = await reader(150);
    await person.goto(`/c/${chat}/40`);
    await person.signIn();
    await person.article('message 40.').waitFor();
    assert.ok(!(await person.texts()).some((text) => text.startsWith('message 150.')));
    await bob.send(chat, 'the newest');
    await person.page.getByRole('button', { name: /^Latest messages/ }).click();
    await person.article('the newest').waitFor();
    await person.close();
  });

  it('keeps what is written offline through a reload, and sends it once', async () => {
    const { alice, bob, chat } = await pair({ hasWorker: true });
    const { page } = alice;
    await alice.openChat(bob.name);
    await alice.write('online');
    await alice.state('online', 'Sent').waitFor();
    await alice.workerReady();
    await alice.context.setOffline(true);
    for (const text of ['one', 'two', 'three']) {
      await alice.write(text);
      await alice.state(text, 'Sending').waitFor();
    }
    await page.getByRole('status').filter({ hasText: 'Waiting for network' }).waitFor();
    await page.reload();
    await alice.state('three', 'Sending').waitFor();
    assert.deepEqual(await alice.texts(), ['online', 'one', 'two', 'three']);
    await alice.context.setOffline(false);
    for (const text of ['one', 'two', 'three']) await alice.state(text, 'Sent').waitFor();
    await page.getByRole('status').filter({ hasText: 'Waiting for network' }).waitFor({ state: 'detached' });
    assert.deepEqual(await alice.texts(), ['online', 'one', 'two', 'three']);
    assert.deepEqual(await bob.api.history(chat), ['online', 'one', 'two', 'three']);
    await Promise.all([alice.close(), bob.close()]);
  });

  it('keeps drafts through other chats, a reload and the end of the tab', async () => {
    const { alice, bob } = await pair();
    const carol = await world.register();
    await alice.api.chatWith(carol);
    await alice.openChat(bob.name);
    await alice.composer.fill('for Bob');
    await alice.openChat(carol.name);
    assert.equal(await alice.composer.inputValue(), '');
    await alice.page.getByRole('link', { name: new RegExp(`^${bob.name}.*draft`) }).waitFor();
    await alice.composer.fill('for Carol');
    await alice.page.reload();
    await until('the draft is there', async () => (await alice.composer.inputValue()) === 'for Carol');
    await alice.composer.fill('for Carol, longer');
    await alice.page.waitForTimeout(1_000);
    // The tab ends without an event.
    const crash = alice.page.waitForEvent('crash');
    const session = await alice.context.newCDPSession(alice.page);
    session.send('Page.crash').catch(() => {});
    await crash;
    alice.page = await alice.tab();
    await alice.goto('/');
    await alice.openChat(carol.name);
    assert.equal(await alice.composer.inputValue(), 'for Carol, longer');
    await alice.openChat(bob.name);
    assert.equal(await alice.composer.inputValue(), 'for Bob');
    await Promise.all([alice.close(), bob.close()]);
  });

  it('works in two tabs', async () => {
    const { alice, bob, chat } = await pair();
    await alice.openChat(bob.name);
    const first = alice.page;
    alice.page = await alice.tab();
    await alice.goto(`/c/${chat}`);
    await alice.write('from the second tab');
    await alice.state('from the second tab', 'Sent').waitFor();
    await first.getByRole('article').filter({ hasText: 'from the second tab' }).waitFor();
    await first.close();
    await alice.write('from the tab that is left');
    await alice.state('from the tab that is left', 'Sent').waitFor();
    assert.deepEqual(await bob.api.history(chat), ['from the second tab', 'from the tab that is left']);
    assert.equal(await alice.articles.count(), 2);
    await Promise.all([alice.close(), bob.close()]);
  });

  it('speaks Russian and English, and changes at once', async () => {
    const alice = await world.person({ locale: 'ru-RU', path: '/settings' });
    const { page } = alice;
    await page.getByRole('heading', { name: 'Настройки', level: 1 }).waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.lang), 'ru');
    await page.getByRole('combobox', { name: 'Язык' }).selectOption('English');
    await page.getByRole('heading', { name: 'Settings', level: 1 }).waitFor();
    const back = () => page.evaluate(() => [document.documentElement.lang, getComputedStyle(document.body).backgroundColor]);
    const [, dark] = await back();
    await page.getByRole('radiogroup', { name: 'Theme' }).getByRole('radio', { name: 'Light' }).check();
    assert.notEqual((await back())[1], dark);
    await page.reload();
    await page.getByRole('radio', { name: 'Light' }).waitFor();
    assert.deepEqual(await page.getByRole('radio', { name: 'Light' }).isChecked(), true);
    assert.equal((await back())[0], 'en');
    await alice.close();
  });

  it('fits a narrow screen', async () => {
    const { alice, bob } = await pair({ viewport: { width: 390, height: 780 } });
    const { page } = alice;
    await alice.openChat(bob.name);
    assert.equal(await page.getByRole('list', { name: 'Chats' }).isVisible(), false);
    await alice.write(`https://example.org/${'a'.repeat(300)}`);
    await page.getByRole('button', { name: 'Back to chats' }).click();
    await page.getByRole('list', { name: 'Chats' }).waitFor();
    await alice.openChat(bob.name);
    await page.goBack();
    await page.getByRole('list', { name: 'Chats' }).waitFor();
    await alice.openChat(bob.name);
    for (const width of [390, 320]) {
      await page.setViewportSize({ width, height: 780 });
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth && document.querySelector('[role=log]').scrollWidth <= document.querySelector('[role=log]').clientWidth), `${width} px`);
    }
    const small = await page.evaluate(() => [...document.querySelectorAll('button, a, input, textarea, select')].filter((element) => {
      const { width, height } = element.getBoundingClientRect();
      return width && (width < 24 || height < 24) && !element.closest('[dir=auto]') && !element.matches('[href="#messages"]');
    }).map((element) => element.outerHTML.slice(0, 120)));
    assert.deepEqual(small, [], 'targets are at least 24 px');
    await Promise.all([alice.close(), bob.close()]);
  });

  it('works by keyboard alone', async () => {
    const { alice, bob } = await pair();
    const carol = await world.register();
    await alice.api.chatWith(carol);
    await alice.chatLink(carol.name).waitFor();
    const { page } = alice;
    const focused = () => page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent);
    await page.keyboard.press('Alt+ArrowDown');
    await page.getByRole('heading', { name: carol.name, level: 1 }).waitFor();
    await page.keyboard.press('Alt+ArrowDown');
    await page.getByRole('heading', { name: bob.name, level: 1 }).waitFor();
    await until('the composer has the focus', () => alice.composer.evaluate((box) => box === document.activeElement));
    await page.keyboard.type('by keyboard');
    await page.keyboard.press('Enter');
    await alice.state('by keyboard', 'Sent').waitFor();
    await page.keyboard.press('ArrowUp');
    assert.equal(await alice.composer.inputValue(), 'by keyboard');
    await page.keyboard.press('Escape');
    assert.equal(await alice.composer.inputValue(), '');
    await page.keyboard.press('Shift+Tab');
    assert.equal(await focused(), 'Message actions');
    await page.keyboard.press('Enter');
    const menu = page.getByRole('menu', { name: 'Message actions' });
    await menu.waitFor();
    await page.keyboard.press('Escape');
    await menu.waitFor({ state: 'detached' });
    assert.equal(await focused(), 'Message actions');
    await page.keyboard.press('Control+k');
    await until('the filter has the focus', () => page.evaluate(() => document.activeElement?.getAttribute('type') === 'search'));
    await page.keyboard.type(carol.name);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: carol.name, level: 1 }).waitFor();
    await page.reload();
    await page.getByRole('heading', { name: carol.name, level: 1 }).waitFor();
    await page.keyboard.press('Tab');
    assert.equal(await focused(), 'Skip to messages');
    await page.keyboard.press('Enter');
    assert.equal(await focused(), 'Messages');
    await Promise.all([alice.close(), bob.close()]);
  });

  it('replies, edits, deletes, reacts, pins and forwards', async () => {
    const { alice, bob, chat } = await pair();
    const { page } = alice;
    await bob.openChat(alice.name);
    await alice.openChat(bob.name);
    await bob.write('the question');
    const act = async (text, name) => {
      // A quote has the text too.
      await alice.article(text).first().hover();
      await alice.article(text).first().getByRole('button', { name: 'Message actions' }).click();
      await page.getByRole('menuitem', { name, exact: true }).click();
    };
    await act('the question', 'Reply');
    await alice.write('the answer');
    await bob.article('the answer').getByRole('button').filter({ hasText: 'the question' }).waitFor();
    await act('the question', '👍');
    await bob.article('the question').first().getByRole('button', { name: '👍 1 reaction' }).click();
    await alice.article('the question').first().getByRole('button', { name: '👍 2 reactions' }).waitFor();
    await alice.state('the answer', 'Read').waitFor();

    await alice.articles.last().hover();
    await alice.articles.last().getByRole('button', { name: 'Message actions' }).click();
    await page.getByRole('menuitem', { name: 'Edit' }).click();
    assert.equal(await alice.composer.inputValue(), 'the answer');
    await alice.write('a better answer');
    await bob.article('a better answer').filter({ hasText: 'edited' }).waitFor();

    await act('a better answer', 'Pin');
    await bob.page.getByRole('button', { name: /Pinned message/ }).waitFor();
    await act('a better answer', 'Delete');
    await page.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click();
    await bob.article('Message deleted').waitFor();
    await bob.page.getByRole('button', { name: /Pinned message/ }).waitFor({ state: 'detached' });

    const carol = await world.register();
    await alice.api.chatWith(carol);
    await act('the question', 'Forward');
    await page.getByRole('dialog', { name: 'Forward to' }).getByRole('button', { name: carol.name }).click();
    await page.getByRole('heading', { name: carol.name, level: 1 }).waitFor();
    await alice.article(`Forwarded from ${bob.name}`).waitFor();
    assert.deepEqual(await bob.api.history(chat), ['the question', '']);

    // What is hidden is in no list, quote or pinned message: neither as it comes, nor on a device that has nothing yet.
    const secret = await bob.api.send(chat, 'It is Carol', { entities: [{ type: 'spoiler', offset: 6, length: 5 }] });
    await alice.chatLink(bob.name).filter({ hasText: 'It is ▒▒▒▒▒' }).waitFor();
    const device = await world.seat(alice.api);
    await device.chatLink(bob.name).filter({ hasText: 'It is ▒▒▒▒▒' }).waitFor();
    await bob.api.call('PUT', `/chats/${chat}/pins/${secret.id}`);
    await bob.api.send(chat, 'Who?', { reply_to: secret.id });
    await device.openChat(bob.name);
    await device.page.getByRole('button', { name: /Pinned message.*It is ▒▒▒▒▒/ }).waitFor();
    await device.article('Who?').getByRole('button').filter({ hasText: 'It is ▒▒▒▒▒' }).waitFor();
    await device.close();
    await Promise.all([alice.close(), bob.close()]);
  });

  it('mentions, sends silently and later, and says who has read', async () => {
    const { alice, bob } = await pair();
    const { page } = alice;
    const { id: group } = await alice.api.call('POST', '/chats', { type: 'group', title: 'Team', member_ids: [bob.id] });
    await alice.openChat('Team');
    await page.keyboard.type(`Hi @${bob.name.slice(0, 4)}`);
    await page.getByRole('listbox', { name: 'Mention' }).getByRole('option', { name: bob.name }).waitFor();
    await page.keyboard.press('Enter');
    assert.equal(await alice.composer.inputValue(), `Hi @${bob.name} `);
    await page.keyboard.press('Enter');
    await alice.state('Hi @', 'Sent').waitFor();
    await bob.page.getByRole('link', { name: /^Team.*1.mention/ }).click();
    await bob.article(`Hi @${bob.name}`).waitFor();
    assert.match(await bob.articles.first().getAttribute('aria-label'), new RegExp(`^${alice.name}, `));
    await alice.state('Hi @', 'Read').waitFor();
    await alice.article('Hi @').hover();
    await alice.article('Hi @').getByRole('button', { name: 'Message actions' }).click();
    await page.getByRole('menuitem', { name: 'Seen by' }).click();
    await page.getByRole('dialog', { name: 'Seen by' }).getByText(bob.name).waitFor();
    await page.keyboard.press('Escape');

    await alice.composer.fill('quietly');
    await page.getByRole('button', { name: 'Send options' }).click();
    await page.getByRole('menuitem', { name: 'Send without sound' }).click();
    await bob.article('quietly').getByRole('img', { name: 'sent without sound' }).waitFor();
    await alice.composer.fill('tomorrow');
    await page.getByRole('button', { name: 'Send options' }).click();
    await page.getByRole('menuitem', { name: 'Schedule message' }).click();
    await page.getByRole('dialog', { name: 'Schedule message' }).getByRole('button', { name: 'Schedule' }).click();
    await page.getByRole('status').filter({ hasText: 'Will be sent' }).waitFor();
    assert.equal(await alice.composer.inputValue(), '');
    const { scheduled } = await alice.api.call('GET', `/chats/${group}/scheduled`);
    assert.deepEqual(scheduled.map(({ text }) => text), ['tomorrow']);
    await Promise.all([alice.close(), bob.close()]);
  });

  it('formats by keys, marks and buttons, and keeps it in an edit', async () => {
    const { alice, bob, chat } = await pair();
    const { page, composer } = alice;
    await bob.openChat(alice.name);
    await alice.openChat(bob.name);
    await composer.fill('make it bold');
    await composer.press('Control+Shift+ArrowLeft');
    await composer.press('Control+b');
    await until('the marks are there', async () => (await composer.inputValue()) === 'make it **bold**');
    await composer.press('Enter');
    await bob.article('make it bold').getByRole('strong').filter({ hasText: /^bold$/ }).waitFor();

    await alice.write('he ||dies|| in `x`, snake_case');
    await bob.article('in x, snake_case').getByRole('code').filter({ hasText: /^x$/ }).waitFor();
    const spoiler = bob.article('in x, snake_case').getByRole('button', { name: 'Show hidden text' });
    await spoiler.waitFor();
    await alice.state('snake_case', 'Read').waitFor();
    await composer.press('ArrowUp');
    assert.equal(await composer.inputValue(), 'he ||dies|| in `x`, snake_case');
    await composer.press('End');
    await composer.pressSequentially(', again');
    await composer.press('Enter');
    await bob.article('snake_case, again').getByRole('code').filter({ hasText: /^x$/ }).waitFor();
    await spoiler.click();
    await bob.article('snake_case, again').getByText('dies', { exact: true }).waitFor();
    assert.equal(await spoiler.count(), 0);
    const formats = ['bold', 'italic', 'strike', 'underline', 'bold', 'italic', 'strike', 'underline', 'spoiler'];
    await alice.api.send(chat, 'deep secret', { entities: formats.map((type) => ({ type, offset: 5, length: 6 })) });
    await bob.article('deep').getByRole('button', { name: 'Show hidden text' }).waitFor();

    await page.setViewportSize({ width: 320, height: 640 });
    const toolbar = page.getByRole('toolbar', { name: 'Formatting' });
    await composer.fill('by keyboard');
    await composer.press('Control+a');
    await toolbar.waitFor();
    for (const colorScheme of ['dark', 'light']) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await alice.checkAccess(`formatting, ${colorScheme}`);
    }
    assert.ok(await toolbar.evaluate((bar) => bar.getBoundingClientRect().right <= innerWidth && bar.scrollWidth <= bar.clientWidth), 'it fits');
    await composer.press('Shift+Tab');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Enter');
    assert.equal(await composer.inputValue(), '__by keyboard__');
    await until('the composer has the focus', () => composer.evaluate((box) => box === document.activeElement));
    await toolbar.getByRole('button', { name: 'Strikethrough' }).click();
    assert.equal(await composer.inputValue(), '__~~by keyboard~~__');
    await composer.press('Enter');
    assert.equal(await bob.article('by keyboard').getByRole('emphasis').innerHTML(), '<s>by keyboard</s>');
    await toolbar.waitFor({ state: 'detached' });
    await Promise.all([alice.close(), bob.close()]);
  });

  it('mentions all where the role allows it, also in a formatted message', async () => {
    const { alice, bob } = await pair();
    await alice.api.call('POST', '/chats', { type: 'group', title: 'Team', member_ids: [bob.id] });
    await alice.openChat('Team');
    await alice.page.keyboard.type('**Now** @al');
    await alice.page.getByRole('option', { name: 'all notify everybody' }).waitFor();
    await alice.page.keyboard.press('Enter');
    assert.equal(await alice.composer.inputValue(), '**Now** @all ');
    await alice.page.keyboard.press('Enter');
    await bob.page.getByRole('link', { name: /^Team.*1.mention/ }).click();
    await bob.article('Now @all').getByRole('strong').waitFor();

    // An admin, and not a member.
    const answer = bob.page.waitForResponse(/members\?.*q=al/);
    await bob.page.keyboard.type('@al');
    await answer;
    await bob.composer.press('Escape');
    assert.equal(await bob.page.getByRole('option').count(), 0);
    await bob.composer.fill(`__@${alice.name}__`);
    await bob.composer.press('Enter');
    await bob.state(alice.name, 'Sent').waitFor();
    const isMentioned = (api) => async () => (await api.call('GET', '/mentions')).mentions?.length === 1;
    await until('she is mentioned', isMentioned(alice.api));

    // Of a large group the page knows not everybody.
    const carol = await world.register();
    await alice.page.route(`**/users/${carol.id}`, (route) => route.abort());
    await alice.page.route(/members\?limit=100$/, (route) => route.fulfill({ json: { members: [], next: null } }));
    await alice.api.call('POST', '/chats', { type: 'group', title: 'Crowd', member_ids: [carol.id] });
    await alice.openChat('Crowd');
    const found = alice.page.waitForResponse(new RegExp(`members\\?.*q=${carol.name}`));
    await alice.composer.fill(`**Look** @${carol.name}: here`);
    await (await found).finished();
    await alice.composer.press('Enter');
    await alice.article('Look').getByRole('strong').waitFor();
    await alice.state('Look', 'Sent').waitFor();
    assert.equal(await isMentioned(carol)(), true);
    await Promise.all([alice.close(), bob.close()]);
  });

  it('shows what was not stored, and lets it be sent again or deleted', async () => {
    const { alice, bob, chat } = await pair();
    await alice.openChat(bob.name);
    await alice.composer.fill('x'.repeat(4097));
    await alice.page.getByRole('alert').filter({ hasText: 'Too long by 1 character' }).waitFor();
    await alice.composer.press('Enter');
    assert.equal(await alice.articles.count(), 0);
    // U+0000 is refused by the server.
    await alice.composer.evaluate((box) => {
      box.value = 'a\u0000b';
      box.dispatchEvent(new InputEvent('input', { bubbles: true }));
    });
    await alice.composer.press('Enter');
    await alice.articles.getByRole('img', { name: 'Not sent' }).waitFor();
    await alice.articles.getByRole('button', { name: 'Retry' }).click();
    await alice.articles.getByRole('img', { name: 'Not sent' }).waitFor();
    await alice.articles.getByRole('button', { name: 'Delete' }).click();
    await alice.articles.first().waitFor({ state: 'detached' });
    assert.deepEqual(await bob.api.history(chat), []);
    await Promise.all([alice.close(), bob.close()]);
  });

  it('is accessible in both themes', async () => {
    const { alice, bob, chat } = await pair();
    const { page } = alice;
    await bob.api.sendAll(chat, ['Hello', 'How are you? https://example.org', `@${alice.name}`]);
    await alice.api.send(chat, 'formatted code', { entities: [{ type: 'bold', offset: 0, length: 9 }, { type: 'code', offset: 10, length: 4 }] });
    for (const colorScheme of ['dark', 'light']) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await alice.goto('/');
      await alice.chatLink(bob.name).waitFor();
      await alice.checkAccess(`list, ${colorScheme}`);
      await alice.openChat(bob.name);
      await alice.articles.nth(3).waitFor();
      await alice.checkAccess(`chat, ${colorScheme}`);
      await page.getByRole('button', { name: 'New chat' }).click();
      await page.getByRole('combobox', { name: 'Find people' }).fill('u');
      await page.getByRole('option').first().waitFor();
      await alice.checkAccess(`new chat, ${colorScheme}`);
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      await alice.articles.first().getByRole('button', { name: 'Message actions' }).click();
      await page.getByRole('menu').waitFor();
      await alice.checkAccess(`message actions, ${colorScheme}`);
      await page.keyboard.press('Escape');
      await page.getByRole('link', { name: 'Settings' }).click();
      await page.getByRole('combobox', { name: 'Language' }).waitFor();
      await alice.checkAccess(`settings, ${colorScheme}`);
    }
    const visitor = await world.browser.newContext({ colorScheme: 'light' });
    alice.page = await visitor.newPage();
    for (const path of ['/login', '/register']) {
      for (const colorScheme of ['dark', 'light']) {
        await alice.page.emulateMedia({ colorScheme });
        await alice.goto(path);
        await alice.page.getByRole('form').waitFor();
        await alice.checkAccess(`${path}, ${colorScheme}`);
      }
    }
    await visitor.close();
    await Promise.all([alice.close(), bob.close()]);
  });
});

// What would disturb the others, or is disturbed by them.
describe('the web client, alone', { concurrency: false }, () => {
  it('has few rows of many messages in the document, and no long tasks', async () => {
    const { person, chat } = await crowd(500);
    const { page } = person;
    await person.goto(`/c/${chat}/500`);
    await person.signIn();
    await person.articles.first().waitFor();
    const debuggee = await person.context.newCDPSession(page);
    // The time of the processor, not of the clock: other processes of the machine do not count.
    await debuggee.send('Performance.enable', { timeDomain: 'threadTicks' });
    const spent = async () => (await debuggee.send('Performance.getMetrics')).metrics.find(({ name }) => name === 'TaskDuration').value * 1000;
    await person.log.hover();
    let before = await spent();
    for (let n = 0; n < 60; n++) {
      await page.mouse.wheel(0, -900);
      const { rows, isBlank } = await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => {
        const { left, top, width, height } = document.querySelector('[role=log]').getBoundingClientRect();
        const isBlank = ![0.1, 0.5, 0.9].some((part) => document.elementsFromPoint(left + width / 2, top + height * part).some((element) => element.closest('article, [role=separator]') || element.parentElement?.parentElement?.getAttribute('role') === 'log'));
        resolve({ rows: document.querySelectorAll('article').length, isBlank });
      }))));
      assert.ok(rows <= 60, `${rows} rows`);
      assert.ok(!isBlank, 'nothing is shown');
      const after = await spent();
      assert.ok(after - before <= 50, `scrolling by a view took ${after - before} ms`);
      before = after;
    }
    await person.close();
  });


  it('sends each message once, in order, while chat-service is killed', async (test) => {
    if (!world.services) return test.skip('the services are not started by the tests');
    const { alice, bob, chat } = await pair({ hasWorker: true });
    await alice.openChat(bob.name);
    await alice.workerReady();
    const texts = Array.from({ length: 12 }, (_, n) => `number ${n}.`);
    for (const [n, text] of texts.entries()) {
      if (n === 4) await world.services.end('chat-service', 'SIGKILL');
      await alice.write(text);
    }
    await alice.state('number 11.', 'Sending').waitFor();
    await alice.page.reload();
    await alice.state('number 11.', 'Sending').waitFor();
    await world.services.startChat();
    await alice.state('number 11.', 'Sent').waitFor({ timeout: 40_000 });
    assert.deepEqual(await alice.texts(), texts, 'shown');
    assert.deepEqual(await bob.api.history(chat), texts, 'stored');
    await Promise.all([alice.close(), bob.close()]);
  });
});

/** Repeats a question until the answer is wanted. */
async function until2(ask, isWanted) {
  let answer;
  await until('the answer', async () => isWanted((answer = await ask())));
  return answer;
}
