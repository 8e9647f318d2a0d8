// Writes screenshots of every view into target/web: dark and light, wide and narrow. They are for people: nothing compares them.
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { World, until } from './e2e/support.mjs';

const folder = fileURLToPath(new URL('../../target/web/', import.meta.url));
mkdirSync(folder, { recursive: true });

const SIZES = { wide: { width: 1440, height: 900 }, narrow: { width: 390, height: 844 } };

const world = await World.start();
try {
  const people = Object.fromEntries(
    await Promise.all(['mira', 'jonas', 'aiko', 'nadia', 'tom.berger', 'elena', 'pavel', 'sofia'].map(async (name) => [name, await world.register(name)]))
  );
  const { mira, jonas, aiko, nadia, elena, pavel, sofia } = people;
  const tom = people['tom.berger'];
  const call = (who, ...rest) => who.call(...rest);
  const direct = async (who, text, count = 1) => {
    const { id } = await call(who, 'POST', '/chats', { partner_id: mira.id });
    for (let n = 0; n < count; n++) await who.send(id, text);
    return id;
  };

  // People write to mira, whose page is shown.
  await direct(sofia, 'The invoice is paid, thank you!');
  const withPavel = await direct(pavel, 'Созвонимся завтра в десять?', 2);
  const withElena = await direct(elena, 'Photos from the trip are up 🏔️', 3);
  await direct(tom, 'Can you review my branch when you have a minute?');
  const { id: group } = await call(jonas, 'POST', '/chats', { type: 'group', title: 'Release 4.2', member_ids: [mira.id, aiko.id, nadia.id, tom.id], history: 'all' });
  const say = async (who, text, more) => (await who.send(group, text, more)).id;
  await say(jonas, 'Good morning! The release candidate is on staging since 08:40.');
  await say(jonas, 'Two things are left: the migration dry run and the release notes.');
  const question = await say(aiko, 'Dry run is green: 41 s, no locks longer than 200 ms. Report: https://staging.example.org/runs/418');
  await say(mira, 'Nice. I take the release notes.', { reply_to: question });
  const plan = await say(nadia, 'Order for tonight: freeze 18:00, tag 18:15, deploy 18:30.', { entities: [{ type: 'bold', offset: 19, length: 12 }, { type: 'bold', offset: 33, length: 9 }, { type: 'bold', offset: 44, length: 12 }] });
  await say(tom, 'Works for me. Please run cargo test --workspace once more before the tag.', { entities: [{ type: 'code', offset: 25, length: 22 }] });
  await say(mira, 'Draft of the notes is ready:\n— reconnects are twice as fast\n— drafts follow you to every device\n— scheduled messages');
  const thanks = await say(aiko, `@${mira.name} looks great, ship it!`);
  for (const who of [jonas, nadia, tom]) await call(who, 'PUT', `/chats/${group}/messages/${thanks}/reactions/${encodeURIComponent('🚀')}`);
  await call(mira, 'PUT', `/chats/${group}/messages/${thanks}/reactions/${encodeURIComponent('❤️')}`);
  await call(jonas, 'PUT', `/chats/${group}/pins/${plan}`);
  const withJonas = await direct(jonas, 'Did you sleep at all? 😄');
  await mira.send(withJonas, 'Four hours, and a lot of tea');
  await jonas.send(withJonas, 'Then go home after the deploy. I keep an eye on the dashboards tonight.');
  await mira.send(withJonas, 'Deal. Call me if the error rate goes over 0.1 %.');
  await call(mira, 'PATCH', `/chats/${group}/me`, { pin_place: 1 });
  await call(mira, 'PATCH', `/chats/${withElena}/me`, { muted_until: '2099-01-01T00:00:00Z' });
  await call(mira, 'PUT', `/chats/${withPavel}/draft`, { text: 'Да, в десять удобно' });

  const { Person } = await import('./e2e/support.mjs');
  const friend = new Person(world, jonas);
  await friend.open();
  await friend.goto(`/c/${withJonas}`);
  await friend.signIn();

  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const colorScheme of /** @type {const} */ (['dark', 'light'])) {
      const person = new Person(world, mira);
      await person.open({ viewport, colorScheme, deviceScaleFactor: 1, hasTouch: size === 'narrow', isMobile: size === 'narrow' });
      const { page } = person;
      const shot = (view) => page.screenshot({ path: `${folder}${view}-${colorScheme}-${size}.png` });
      await person.goto('/login');
      await page.getByRole('form').waitFor();
      await shot('login');
      await page.getByRole('link', { name: 'Create account' }).click();
      await page.getByLabel('Password').fill('short');
      await shot('register');
      await person.goto('/');
      await person.signIn();
      await person.chatLink('Release 4.2').waitFor();
      await shot('list');
      await person.openChat('Release 4.2');
      await person.article('ship it').waitFor();
      await page.getByRole('button', { name: /Pinned message/ }).waitFor();
      await page.waitForTimeout(1_500);
      await shot('group');
      await person.goto(`/c/${withJonas}`);
      await person.article('Deal').waitFor();
      // The page may not be connected yet when the first key is pressed.
      await until('somebody types', async () => {
        await friend.composer.press('x');
        return page.getByRole('status').filter({ hasText: 'typing' }).isVisible();
      });
      await shot('chat');
      await person.article('Deal').click({ button: 'right' });
      await page.getByRole('menu').waitFor();
      await page.waitForTimeout(300);
      await shot('menu');
      await page.keyboard.press('Escape');
      await person.article('Then go home').getByRole('button', { name: 'Message actions' }).click();
      await page.getByRole('menuitem', { name: 'Reply' }).click();
      await person.composer.fill('I will.\nSee you tomorrow!');
      await shot('reply');
      await page.keyboard.press('Escape');
      await person.composer.fill('');
      await person.goto('/');
      await page.getByRole('button', { name: 'New chat' }).click();
      await page.getByRole('combobox').fill(jonas.name.slice(0, 3));
      await page.getByRole('option').first().waitFor();
      await shot('new-chat');
      await person.goto('/settings');
      await page.getByRole('heading', { name: 'Settings', level: 1 }).waitFor();
      await shot('settings');
      await person.context.close();
    }
  }
  const newcomer = await world.person({ viewport: SIZES.wide });
  await newcomer.page.getByRole('button', { name: 'Find people' }).waitFor();
  await newcomer.page.screenshot({ path: `${folder}empty-dark-wide.png` });
  console.log(`web: screenshots are in ${folder}`);
} finally {
  await world.stop();
}
