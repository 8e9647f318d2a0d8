// A page in a real Chromium that uses the sources as they are.
import { createServer } from 'node:http';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { chromium } from 'playwright-core';
import { chromiumOptions } from '../../../../testbed/chromium.mjs';

const sources = new URL('../../src/', import.meta.url);
const html = '<!doctype html><meta charset="utf-8"><title>client</title>';

/** Serves an empty page and the sources. */
export async function serve() {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://page');
    if (!pathname.startsWith('/src/')) return response.writeHead(200, { 'Content-Type': 'text/html' }).end(html);
    try {
      const text = await readFile(new URL(pathname.slice(5), sources));
      response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(text);
    } catch {
      response.writeHead(404).end();
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { origin: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

export const launch = () => chromium.launch(chromiumOptions());

/**
 * Opens a tab with a client as `client`, and `seen`: the events that it has emitted.
 * @param {import('playwright-core').BrowserContext} context
 * @param {{origin: string, services: import('./services.js').Services, session?: any, start?: boolean, script?: () => void}} options
 */
export async function openTab(context, { origin, services, session, start = true, script }) {
  const page = await context.newPage();
  page.on('pageerror', (error) => console.error('page:', error));
  if (script) await page.addInitScript(script);
  await page.goto(origin);
  await page.evaluate(
    async ({ url, webSocketUrl, session, start }) => {
      const { NeonChat, indexedDbStore } = await import('/src/index.js');
      const client = new NeonChat({ url, webSocketUrl, session, store: indexedDbStore('neonchat') });
      const seen = { message: [], event: [], gap: [], error: [], outbox: [], state: [], chat: [] };
      for (const name of Object.keys(seen)) client.on(name, (data) => seen[name].push(data));
      Object.assign(globalThis, { client, seen });
      if (start) client.start();
    },
    { url: services.url, webSocketUrl: services.webSocketUrl, session, start }
  );
  if (start) await inState(page, 'live');
  return page;
}

/** @param {import('playwright-core').Page} page @param {string} state */
export async function inState(page, state, timeout = 30_000) {
  await page.waitForFunction((state) => globalThis.client.state === state, state, { timeout, polling: 50 });
}
