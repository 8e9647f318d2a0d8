import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { World, it, more, until } from './support.mjs';

/** @type {World} */
let world;
before(async () => {
  world = await World.start();
});
after(() => world?.stop());

describe('messages', { concurrency: 1 }, () => {
  more('keeps what is written offline through a reload, and sends it once', async () => {
    const { alice, bob, chat } = await world.host({ hasWorker: true });
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
    assert.deepEqual(await bob.history(chat), ['online', 'one', 'two', 'three']);
    await alice.close();
  });

  more('keeps drafts through other chats, a reload and the end of the tab', async () => {
    const { alice, bob } = await world.host();
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
    await alice.close();
  });

  it('replies, edits, deletes, reacts, pins and forwards', async () => {
    const { alice, bob, chat } = await world.pair();
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

  more('mentions, sends silently and later, and says who has read', async () => {
    const { alice, bob } = await world.pair();
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

  more('formats by keys, marks and buttons, and keeps it in an edit', async () => {
    const { alice, bob, chat } = await world.pair();
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
    await page.emulateMedia({ reducedMotion: 'reduce' });
    await alice.checkThemes('formatting');
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

  more('mentions all where the role allows it, also in a formatted message', async () => {
    const { alice, bob } = await world.pair();
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
    const { alice, bob, chat } = await world.host();
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
    assert.deepEqual(await bob.history(chat), []);
    await alice.close();
  });

  more('shows what is sent though the messages before it could not be loaded', async () => {
    const { alice, bob, chat } = await world.host();
    const path = `**/api/v1/chats/${chat}/messages?*`;
    await alice.page.route(path, (route) => route.fulfill({ status: 503, contentType: 'application/problem+json', json: { status: 503, code: 'unavailable' } }));
    await alice.openChat(bob.name);
    await alice.page.getByRole('button', { name: 'Try again' }).waitFor();
    await alice.page.unroute(path);
    await alice.write('Hello');
    await alice.state('Hello', 'Sent').waitFor();
    await alice.close();
  });
});
