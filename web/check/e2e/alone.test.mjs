import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { World, it, more } from './support.mjs';

// What would disturb the others, or is disturbed by them.
describe('alone', { concurrency: false }, () => {
  /** @type {World} */
  let world;
  before(async () => {
    world = await World.start();
  });
  after(() => world?.stop());

  more('has few rows of many messages in the document, and no long tasks', async () => {
    const { person, chat } = await world.crowd(500);
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
    const { alice, bob, chat } = await world.host({ hasWorker: true });
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
    assert.deepEqual(await bob.history(chat), texts, 'stored');
    await alice.close();
  });
});
