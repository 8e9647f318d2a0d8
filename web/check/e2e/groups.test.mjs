import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { World, it, more, until } from './support.mjs';

describe('groups', { concurrency: 1 }, () => {
  /** @type {World} */
  let world;
  before(async () => {
    world = await World.start();
  });
  after(() => world?.stop());

  /** A group that the first of some users owns. */
  const found = (owner, members, more) => owner.call('POST', '/chats', { type: 'group', title: 'Team', member_ids: members.map(({ id }) => id), history: 'all', ...more });
  const panel = ({ page }, name = 'Group info') => page.getByRole('region', { name });
  const openInfo = async (person) => {
    await person.page.getByRole('button', { name: 'Members', exact: true }).click();
    await panel(person).waitFor();
  };
  const row = (person, name) => panel(person).getByRole('list', { name: 'Members' }).getByRole('listitem').filter({ hasText: name });
  /** Chooses something from the menu of a member. */
  const act = async (person, name, action) => {
    await panel(person).getByRole('button', { name: `Actions for ${name}` }).click();
    await person.page.getByRole('menuitem', { name: action, exact: true }).click();
  };
  const notice = (person, text) => person.log.getByText(text, { exact: true });
  /** @param {import('playwright-core').Locator} locator */
  const isFocused = (locator) => locator.evaluate((element) => element === document.activeElement);

  it('makes a group by keyboard alone, and everybody sees it', async () => {
    const [alice, bob] = await Promise.all([world.person(), world.person()]);
    const carol = await world.register();
    const { page } = alice;
    const opener = page.getByRole('button', { name: 'New group', exact: true });
    await opener.focus();
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog', { name: 'New group' });
    await dialog.waitFor();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    assert.ok(await isFocused(opener), 'the focus is back');

    await page.keyboard.press('Enter');
    await dialog.waitFor();
    const title = dialog.getByRole('textbox', { name: 'Title' });
    await until('the title has the focus', () => isFocused(title));
    await page.keyboard.press('Enter');
    await dialog.getByRole('alert').filter({ hasText: 'needs a title' }).waitFor();
    assert.equal(await title.getAttribute('aria-invalid'), 'true');
    await page.keyboard.type('Night owls');
    const people = dialog.getByRole('combobox', { name: 'Find people' });
    for (let n = 0; n < 6 && !(await isFocused(people)); n++) await page.keyboard.press('Tab');
    for (const { name } of [bob, carol]) {
      await page.keyboard.type(name);
      await dialog.getByRole('listbox', { name: 'People' }).getByRole('option', { name }).waitFor();
      await page.keyboard.press('Enter');
      await dialog.getByRole('list', { name: 'Chosen people' }).getByText(name).waitFor();
    }
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Night owls', level: 1 }).waitFor();
    await bob.openChat('Night owls');
    await alice.write('Anybody awake?');
    await bob.article('Anybody awake?').waitFor();
    await bob.write('Always');
    await alice.article('Always').waitFor();

    const members = page.getByRole('button', { name: 'Members', exact: true });
    await members.focus();
    await page.keyboard.press('Enter');
    await row(alice, carol.name).waitFor();
    await panel(alice).getByText('3 members').waitFor();
    await until('the panel has the focus', () => isFocused(panel(alice).getByRole('button', { name: 'Close' })));
    await page.keyboard.press('Escape');
    await panel(alice).waitFor({ state: 'detached' });
    await until('the focus is back', () => isFocused(members));
    await Promise.all([alice.close(), bob.close()]);
  });

  more('shows everybody what their role allows, and changes of it at once', async () => {
    const [owner, bob, carol] = await Promise.all([world.register(), world.register(), world.register()]);
    const { id } = await found(owner, [bob, carol]);
    const [alice, admin, member] = await Promise.all([owner, bob, carol].map((api) => world.seat(api, `/c/${id}`)));
    await Promise.all([alice, admin, member].map(openInfo));
    const has = async (person, name) => (await panel(person).getByRole('button', { name, exact: true }).count()) > 0;
    await row(admin, carol.name).waitFor();
    assert.deepEqual([await has(admin, 'Add members'), await has(admin, 'Leave'), await has(admin, 'Banned people'), await has(admin, 'Delete group')], [true, true, false, false]);
    assert.deepEqual([await has(alice, 'Audit log'), await has(admin, 'Audit log')], [true, false]);
    assert.deepEqual([await has(alice, 'Leave'), await has(alice, 'Delete group'), await has(alice, 'Group settings')], [false, true, true]);
    await panel(admin).getByRole('button', { name: `Actions for ${carol.name}` }).click();
    assert.deepEqual(await admin.page.getByRole('menuitem').allTextContents(), ['Write a message']);
    await admin.page.keyboard.press('Escape');

    await act(alice, bob.name, 'Make admin');
    await notice(alice, `You made ${bob.name} an admin`).waitFor();
    await notice(member, `${owner.name} made ${bob.name} an admin`).waitFor();
    await panel(admin).getByRole('button', { name: 'Banned people' }).waitFor();
    await panel(admin).getByRole('button', { name: 'Audit log' }).waitFor();
    await row(member, bob.name).getByText('admin', { exact: true }).waitFor();
    await panel(admin).getByRole('button', { name: `Actions for ${carol.name}` }).click();
    assert.deepEqual(await admin.page.getByRole('menuitem').allTextContents(), ['Write a message', 'Restrict', 'Remove', 'Ban']);
    await admin.page.keyboard.press('Escape');

    await panel(admin).getByRole('button', { name: 'Group settings' }).click();
    const settings = panel(admin, 'Group settings');
    assert.equal(await settings.getByLabel('Public name').count(), 0, 'only the owner makes it public');
    await settings.getByRole('textbox', { name: 'Title' }).fill('Team of 2026');
    await settings.getByRole('button', { name: 'Save' }).click();
    await member.page.getByRole('heading', { name: 'Team of 2026', level: 1 }).waitFor();
    await alice.chatLink('Team of 2026').waitFor();
    await notice(member, `${bob.name} changed the title to “Team of 2026”`).waitFor();

    await act(alice, bob.name, 'Make owner');
    const dialog = alice.page.getByRole('dialog', { name: `Make ${bob.name} the owner?` });
    await dialog.getByLabel('Password').fill('not the password');
    await dialog.getByRole('button', { name: 'Make owner' }).click();
    await dialog.getByRole('alert').filter({ hasText: 'The password is wrong' }).waitFor();
    await dialog.getByLabel('Password').fill('securepass123');
    await dialog.getByRole('button', { name: 'Make owner' }).click();
    await panel(alice).getByRole('button', { name: 'Leave', exact: true }).waitFor();
    await notice(member, `${owner.name} made ${bob.name} the owner`).waitFor();
    // What happened is there after a reload too.
    await member.page.reload();
    await notice(member, `${owner.name} made ${bob.name} an admin`).waitFor();
    await Promise.all([alice.close(), admin.close(), member.close()]);
  });

  more('lets people join by a link, and by one with approval', async () => {
    const [owner, bob, carol] = await Promise.all([world.register(), world.register(), world.register()]);
    const { id } = await found(owner, []);
    const alice = await world.seat(owner, `/c/${id}`, { permissions: ['clipboard-read', 'clipboard-write'] });
    await openInfo(alice);
    await panel(alice).getByRole('button', { name: 'Invite links' }).click();
    const invites = panel(alice, 'Invite links');
    await invites.getByText('No invite links yet').waitFor();
    await invites.getByLabel('Number of uses').fill('1');
    await invites.getByRole('button', { name: 'Create link' }).click();
    const item = invites.getByRole('list', { name: 'Invite links' }).getByRole('listitem');
    await item.filter({ hasText: '0 of 1 uses' }).waitFor();
    await until('the link is copied', () => alice.page.evaluate(() => navigator.clipboard.readText()).then((text) => /\/invite\/\S+$/.test(text)));
    const path = new URL(await alice.page.evaluate(() => navigator.clipboard.readText())).pathname;

    // Nobody is signed in: the link is there afterwards.
    const guest = await world.seat(bob, path);
    await guest.page.getByRole('heading', { name: 'Team', level: 1 }).waitFor();
    await guest.page.getByRole('button', { name: 'Join', exact: true }).click();
    await guest.composer.waitFor();
    await notice(alice, `${bob.name} joined by invite link`).waitFor();
    const late = await world.seat(carol, path);
    await late.page.getByText('This link is not valid').waitFor();

    await invites.getByRole('checkbox', { name: /has to accept/ }).check();
    await invites.getByLabel('Number of uses').fill('');
    await invites.getByRole('button', { name: 'Create link' }).click();
    await item.filter({ hasText: 'with approval' }).waitFor();
    const { invites: list } = await owner.call('GET', `/chats/${id}/invites`);
    await late.goto(`/join/${list.find(({ approve }) => approve).code}`);
    await late.page.getByRole('button', { name: 'Ask to join' }).click();
    await late.page.getByRole('status').filter({ hasText: 'Your request is sent' }).waitFor();
    await alice.page.keyboard.press('Escape');
    await panel(alice).getByRole('button', { name: /^Join requests.*1 request/ }).click();
    await panel(alice, 'Join requests').getByRole('button', { name: `Accept ${carol.name}` }).click();
    await panel(alice, 'Join requests').getByText('Nobody is waiting').waitFor();
    await late.page.getByRole('button', { name: 'Open', exact: true }).click();
    await late.page.getByRole('heading', { name: 'Team', level: 1 }).waitFor();
    await notice(late, `${owner.name} accepted you`).waitFor();

    await alice.page.keyboard.press('Escape');
    await panel(alice).getByRole('button', { name: 'Invite links' }).click();
    await item.filter({ hasText: 'with approval' }).getByRole('button', { name: 'Revoke' }).click();
    await alice.page.getByRole('alertdialog').getByRole('button', { name: 'Revoke' }).click();
    await item.filter({ hasText: 'with approval' }).waitFor({ state: 'detached' });
    await Promise.all([alice.close(), guest.close(), late.close()]);
  });

  it('restricts, bans and removes people, who see why', async () => {
    const [owner, bob, carol] = await Promise.all([world.register(), world.register(), world.register()]);
    const { id } = await found(owner, [bob, carol]);
    const [alice, guest, other] = await Promise.all([owner, bob, carol].map((api) => world.seat(api, `/c/${id}`)));
    await openInfo(alice);
    await row(alice, bob.name).waitFor();
    await act(alice, bob.name, 'Restrict');
    await alice.page.getByRole('dialog').getByRole('combobox', { name: 'For how long' }).selectOption({ label: '1 hour' });
    await alice.page.getByRole('dialog').getByRole('button', { name: 'Restrict' }).click();
    await guest.page.getByText(/^You can only read here until/).waitFor();
    assert.equal(await guest.composer.count(), 0);
    // It is known after a reload too.
    await guest.page.reload();
    await guest.page.getByText(/^You can only read here until/).waitFor();
    await act(alice, bob.name, 'End restriction');
    await guest.composer.waitFor();
    await notice(guest, `${owner.name} lets you write again`).waitFor();

    await act(alice, bob.name, 'Ban');
    const dialog = alice.page.getByRole('dialog', { name: `Ban ${bob.name}?` });
    await dialog.getByRole('textbox', { name: 'Reason' }).fill('Too loud');
    await dialog.getByRole('button', { name: 'Ban' }).click();
    await guest.page.getByRole('status').filter({ hasText: 'You were banned from “Team”.' }).waitFor();
    await guest.chatLink('Team').waitFor({ state: 'detached' });
    assert.equal(new URL(guest.page.url()).pathname, '/');
    await notice(other, `${owner.name} banned ${bob.name}`).waitFor();
    await row(alice, bob.name).waitFor({ state: 'detached' });
    await act(alice, carol.name, 'Remove');
    await alice.page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
    await other.page.getByRole('status').filter({ hasText: 'You were removed from “Team”.' }).waitFor();

    // Who is banned cannot be added: the owner is told, and has a link to send.
    await panel(alice).getByRole('button', { name: 'Add members' }).click();
    const add = alice.page.getByRole('dialog', { name: 'Add members' });
    await add.getByRole('combobox', { name: 'Find people' }).fill(bob.name);
    await add.getByRole('option', { name: bob.name }).click();
    await add.getByRole('button', { name: 'Add', exact: true }).click();
    const told = alice.page.getByRole('dialog', { name: 'Not everybody was added' });
    await told.getByText('is banned here').waitFor();
    assert.match(await told.getByRole('textbox').inputValue(), /\/invite\/\S+$/);
    await alice.page.keyboard.press('Escape');
    await panel(alice).getByRole('button', { name: 'Banned people' }).click();
    const bans = panel(alice, 'Banned people');
    await bans.getByText(/Too loud/).waitFor();
    await bans.getByRole('button', { name: `Lift ban of ${bob.name}` }).click();
    await bans.getByText('Nobody is banned').waitFor();
    await Promise.all([alice.close(), guest.close(), other.close()]);
  });

  more('tells those who may know who did what, page by page', async () => {
    const [owner, bob, carol, dave] = await Promise.all([world.register(), world.register(), world.register(), world.register()]);
    const { id } = await found(owner, [bob, carol]);
    const call = (method, path, body) => owner.call(method, `/chats/${id}${path}`, body);
    await call('PATCH', `/members/${bob.id}`, { role: 'admin' });
    for (let n = 0; n < 50; n++) await call('PATCH', '', { description: `version ${n}` });
    await call('PATCH', '', { title: 'Crew', settings: { pin: 'member' } });
    await call('POST', '/bans', { user_id: carol.id, reason: 'Too loud' });
    await call('DELETE', `/bans/${carol.id}`);
    const { code } = await call('POST', '/invites', { approve: true, max_uses: 5 });
    await dave.call('POST', `/invites/${code}`);
    await bob.call('PUT', `/chats/${id}/requests/${dave.id}`, { accept: true });
    await call('DELETE', `/invites/${code}`);

    const alice = await world.seat(owner, `/c/${id}/info`, { reducedMotion: 'reduce' });
    const { page } = alice;
    const path = `**/api/v1/chats/${id}/audit*`;
    await page.route(path, (route) => route.fulfill({ status: 403, contentType: 'application/problem+json', json: { status: 403, code: 'forbidden', reason: 'role' } }));
    const opener = panel(alice).getByRole('button', { name: 'Audit log' });
    await opener.focus();
    await page.keyboard.press('Enter');
    const audit = panel(alice, 'Audit log');
    await audit.getByRole('alert').filter({ hasText: 'The list could not be loaded.' }).waitFor();
    await page.unroute(path);
    await page.keyboard.press('Tab');
    assert.ok(await isFocused(audit.getByRole('button', { name: 'Try again' })));
    await page.keyboard.press('Enter');
    const entries = audit.getByRole('list', { name: 'Audit log' }).getByRole('listitem');
    await entries.first().waitFor();
    await until('the focus is not lost', () => isFocused(audit.getByRole('button', { name: 'Back' })));
    const said = await entries.evaluateAll((items) => items.map((item) => item.querySelector('[dir=auto]').textContent));
    assert.equal(said.length, 50);
    assert.deepEqual(said.slice(0, 9), [
      'You revoked an invite link',
      `${bob.name} added ${dave.name}`,
      `${bob.name} accepted the join request of ${dave.name}`,
      'You made an invite link',
      `You lifted the ban of ${carol.name}`,
      `You removed ${carol.name}`,
      `You banned ${carol.name}`,
      'You changed the title to “Crew”',
      'You changed the description',
    ]);
    await entries.filter({ hasText: 'Crew' }).filter({ hasText: 'Who may pin messages: Everybody' }).waitFor();
    await entries.filter({ hasText: 'Too loud' }).getByRole('time').waitFor();
    await entries.filter({ hasText: 'Number of uses: 5 · with approval' }).waitFor();
    await alice.checkThemes('audit log');

    const first = entries.filter({ hasText: `You made ${bob.name} an admin` });
    assert.equal(await first.count(), 0);
    await audit.getByRole('button', { name: 'Show more' }).press('Enter');
    await first.waitFor();
    assert.equal(await entries.count(), 59);
    await until('the focus is not lost', () => isFocused(audit.getByRole('button', { name: 'Back' })));
    // What happens now comes by itself.
    await bob.call('POST', `/chats/${id}/members/remove`, { user_ids: [dave.id] });
    await entries.first().filter({ hasText: `${bob.name} removed ${dave.name}` }).waitFor();
    assert.equal(await entries.count(), 60);
    await page.keyboard.press('Escape');
    await until('the focus is back', () => isFocused(opener));
    await alice.close();
  });

  it('asks before somebody leaves', async () => {
    const [owner, bob] = await Promise.all([world.register(), world.register()]);
    const { id } = await found(owner, [bob]);
    const [alice, guest] = await Promise.all([owner, bob].map((api) => world.seat(api, `/c/${id}`, api === bob ? { viewport: { width: 390, height: 844 } } : undefined)));
    const { page } = guest;
    await openInfo(guest);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nothing is wider than the view');
    const leave = panel(guest).getByRole('button', { name: 'Leave', exact: true });
    await leave.click();
    await page.getByRole('alertdialog', { name: 'Leave “Team”?' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('alertdialog').waitFor({ state: 'detached' });
    assert.ok(await isFocused(leave), 'the focus is back');
    await page.goBack();
    await panel(guest).waitFor({ state: 'detached' });
    await guest.composer.waitFor();
    await openInfo(guest);
    await leave.click();
    await page.getByRole('alertdialog').getByRole('button', { name: 'Leave' }).click();
    await page.getByText('No chats yet').waitFor();
    await notice(alice, `${bob.name} left`).waitFor();
    await alice.page.getByText('1 member', { exact: true }).waitFor();

    // The last member deletes it by leaving.
    await openInfo(alice);
    await panel(alice).getByRole('button', { name: 'Leave', exact: true }).click();
    await alice.page.getByRole('alertdialog').filter({ hasText: 'You are the last member' }).getByRole('button', { name: 'Leave' }).click();
    await alice.page.getByText('No chats yet').waitFor();
    await Promise.all([alice.close(), guest.close()]);
  });

  more('finds and joins public rooms; readers of a channel cannot write', async () => {
    const [owner, bob] = await Promise.all([world.register(), world.register()]);
    const handle = `r${owner.name.slice(1).replace(/\W/g, '')}`;
    const { id: channel } = await owner.call('POST', '/chats', { type: 'channel', title: `News ${handle}`, handle: `${handle}_n`, description: 'What is new' });
    const { id: room } = await owner.call('POST', '/chats', { type: 'group', title: `Talk ${handle}`, handle: `${handle}_t` });
    await owner.send(channel, 'First news');
    await owner.call('PATCH', `/chats/${room}`, { settings: { slow_s: 2 } });
    const guest = await world.seat(bob);
    const { page } = guest;
    await page.getByRole('button', { name: 'New chat' }).click();
    await page.getByRole('dialog', { name: 'New chat' }).getByRole('button', { name: 'Public rooms' }).click();
    await page.getByRole('heading', { name: 'Public rooms', level: 1 }).waitFor();
    await page.getByRole('searchbox', { name: 'Find public rooms' }).fill(handle);
    const rooms = page.getByRole('list', { name: 'Public rooms' });
    await rooms.getByRole('link', { name: `News ${handle}` }).click();
    await page.getByText('What is new').waitFor();
    await page.getByRole('button', { name: 'Join', exact: true }).click();
    await guest.article('First news').waitFor();
    await page.getByText('Only admins can write here').waitFor();
    assert.equal(await guest.composer.count(), 0);
    assert.equal(await page.getByRole('button', { name: 'Members', exact: true }).count(), 0, 'readers do not see who reads');
    await page.getByRole('button', { name: 'Channel info' }).click();
    await panel(guest, 'Channel info').getByText('2 subscribers').waitFor();

    await guest.goto('/rooms');
    await page.getByRole('searchbox', { name: 'Find public rooms' }).fill(handle);
    await rooms.getByRole('button', { name: `Open News ${handle}` }).waitFor();
    await rooms.getByRole('button', { name: `Join Talk ${handle}` }).click();
    await guest.composer.waitFor();
    await notice(guest, 'You joined').waitFor();
    await guest.write('Hello');
    await guest.state('Hello', 'Sent').waitFor();
    await page.getByRole('timer').filter({ hasText: /Slow mode: the next message in \d second/ }).waitFor();
    await guest.write('Too soon');
    assert.equal(await guest.articles.count(), 1, 'it waits in the field');
    await page.getByRole('timer').waitFor({ state: 'detached' });
    await guest.composer.press('Enter');
    await guest.state('Too soon', 'Sent').waitFor();
    await guest.close();
  });

  more('is accessible in both themes', async () => {
    const [owner, bob, carol, dave] = await Promise.all([world.register(), world.register(), world.register(), world.register()]);
    const handle = `x${owner.name.slice(1).replace(/\W/g, '')}`;
    const { id } = await found(owner, [bob, carol], { description: 'About us', handle });
    await bob.send(id, 'Hello');
    await owner.call('PATCH', `/chats/${id}/members/${bob.id}`, { restricted_until: '2099-01-01T00:00:00Z' });
    await owner.call('POST', `/chats/${id}/bans`, { user_id: carol.id, reason: 'Too loud' });
    const { code } = await owner.call('POST', `/chats/${id}/invites`, { approve: true, expires_in: 3600 });
    await dave.call('POST', `/invites/${code}`);
    const [alice, guest] = await Promise.all([world.seat(owner, '/', { reducedMotion: 'reduce' }), world.seat(dave, '/', { reducedMotion: 'reduce' })]);
    /** Goes to a view, and looks at it in both themes. */
    const check = async (person, path, view, wait) => {
      if (path) await person.goto(path);
      await wait.first().waitFor();
      await person.checkThemes(view);
    };
    const { page } = alice;
    const visit = async (name, wait) => {
      await panel(alice).getByRole('button', { name }).click();
      await check(alice, '', name, wait);
      await page.keyboard.press('Escape');
    };
    const asOwner = async () => {
      await check(alice, `/c/${id}/info`, 'info', row(alice, bob.name).getByText(/only reads until/));
      await visit('Invite links', page.getByText(/with approval/));
      await visit(/^Join requests/, page.getByRole('button', { name: /^Accept/ }));
      await visit('Banned people', page.getByText(/Too loud/));
      await visit('Group settings', page.getByRole('button', { name: 'Save' }));
      await page.getByRole('button', { name: 'New group', exact: true }).click();
      await page.getByRole('combobox', { name: 'Find people' }).fill(bob.name);
      await check(alice, '', 'new group', page.getByRole('option'));
    };
    const asGuest = async () => {
      await check(guest, '/rooms', 'rooms', guest.page.getByRole('button', { name: /^Join/ }));
      await check(guest, `/c/${id}`, 'room', guest.page.getByRole('button', { name: 'Join', exact: true }));
      await check(guest, `/invite/${code}`, 'invite', guest.page.getByRole('button', { name: 'Ask to join' }));
      await check(guest, '/invite/wrong', 'wrong invite', guest.page.getByText('This link is not valid'));
    };
    await Promise.all([asOwner(), asGuest()]);
    await Promise.all([alice.close(), guest.close()]);
  });

  it('speaks Russian', async () => {
    const [owner, bob] = await Promise.all([world.register(), world.register()]);
    const { id } = await found(owner, [], { title: 'Команда' });
    await owner.call('POST', `/chats/${id}/members`, { user_ids: [bob.id] });
    const guest = await world.seat(bob, `/c/${id}`, { locale: 'ru-RU', viewport: { width: 320, height: 640 } });
    const { page } = guest;
    await page.getByRole('log', { name: 'Сообщения' }).getByText(`${owner.name} добавил(а) вас`).waitFor();
    await page.getByRole('button', { name: 'Участники', exact: true }).click();
    const info = page.getByRole('region', { name: 'О группе' });
    await info.getByText('2 участника').waitFor();
    await info.getByRole('button', { name: 'Добавить участников' }).waitFor();
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nothing is wider than the view');
    await info.getByRole('button', { name: 'Выйти из группы' }).click();
    await page.getByRole('alertdialog', { name: 'Выйти из «Команда»?' }).getByRole('button', { name: 'Выйти из группы' }).click();
    await page.getByRole('button', { name: 'Новая группа' }).waitFor();
    await guest.close();
  });
});
