import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { Person, World, it, more, until } from './support.mjs';

/** @type {World} */
let world;
before(async () => {
  world = await World.start();
});
after(() => world?.stop());

describe('chats', { concurrency: 1 }, () => {
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
    const { alice, bob, chat } = await world.host();
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
    const { person, bob, chat } = await world.reader(40);
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
    const { person, bob, chat } = await world.reader(3);
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
    const { person, bob, chat } = await world.crowd(300);
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

  more('goes to the message of a link, and back to the end', async () => {
    const { person, bob, chat } = await world.reader(150);
    await person.goto(`/c/${chat}/40`);
    await person.signIn();
    await person.article('message 40.').waitFor();
    assert.ok(!(await person.texts()).some((text) => text.startsWith('message 150.')));
    await bob.send(chat, 'the newest');
    await person.page.getByRole('button', { name: /^Latest messages/ }).click();
    await person.article('the newest').waitFor();
    await person.close();
  });

  more('works in two tabs', async () => {
    const { alice, bob, chat } = await world.host();
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
    assert.deepEqual(await bob.history(chat), ['from the second tab', 'from the tab that is left']);
    assert.equal(await alice.articles.count(), 2);
    await alice.close();
  });

  more('speaks Russian and English, and changes at once', async () => {
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
    const { alice, bob } = await world.host({ viewport: { width: 390, height: 780 } });
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
    await alice.close();
  });

  it('works by keyboard alone', async () => {
    const { alice, bob } = await world.host();
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
    await alice.close();
  });

  it('is accessible in both themes', async () => {
    const { alice, bob, chat } = await world.host();
    const { page } = alice;
    await bob.sendAll(chat, ['Hello', 'How are you? https://example.org', `@${alice.name}`]);
    await alice.api.send(chat, 'formatted code', { entities: [{ type: 'bold', offset: 0, length: 9 }, { type: 'code', offset: 10, length: 4 }] });
    await page.emulateMedia({ reducedMotion: 'reduce' });
    await alice.goto('/');
    await alice.chatLink(bob.name).waitFor();
    await alice.checkThemes('list');
    await alice.openChat(bob.name);
    await alice.articles.nth(3).waitFor();
    await alice.checkThemes('chat');
    await page.getByRole('button', { name: 'New chat' }).click();
    await page.getByRole('combobox', { name: 'Find people' }).fill('u');
    await page.getByRole('option').first().waitFor();
    await alice.checkThemes('new chat');
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await alice.articles.first().getByRole('button', { name: 'Message actions' }).click();
    await page.getByRole('menu').waitFor();
    await alice.checkThemes('message actions');
    await page.keyboard.press('Escape');
    await page.getByRole('link', { name: 'Settings' }).click();
    await page.getByRole('combobox', { name: 'Language' }).waitFor();
    await alice.checkThemes('settings');
    const visitor = await world.browser.newContext({ colorScheme: 'light' });
    alice.page = await visitor.newPage();
    for (const path of ['/login', '/register']) {
      await alice.goto(path);
      await alice.page.getByRole('form').waitFor();
      await alice.checkThemes(path);
    }
    await visitor.close();
    await alice.close();
  });
});

/** Repeats a question until the answer is wanted. */
async function until2(ask, isWanted) {
  let answer;
  await until('the answer', async () => isWanted((answer = await ask())));
  return answer;
}
