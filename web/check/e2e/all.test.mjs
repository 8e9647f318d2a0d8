// All subjects in one process: they share the services and the browser, and run side by side.
import { after, before, describe } from 'node:test';
import { World } from './support.mjs';

/** @type {World} */
let world;
before(async () => {
  world = await World.start();
});
after(() => world?.stop());

// Three tests at a time keep two cores busy, and more would only wait for each other.
describe('the web client', { concurrency: 3 }, async () => {
  for (const subject of ['chats', 'messages', 'groups', 'settings', 'actions']) await import(`./${subject}.test.mjs`);
});
await import('./alone.test.mjs');
