// Runs the programs of docs/CLIENTS.md as they are printed, against the real services and Chromium. testbed/tests/e2e/sdk/document.rs runs
// those in Rust.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import WebSocket from 'ws';
import { NeonChat } from '../../src/index.js';
import { Services, register, until } from '../support/services.js';
import { launch } from '../support/page.js';

const sdk = fileURLToPath(new URL('../..', import.meta.url));
const document = new URL('../../../../docs/CLIENTS.md', import.meta.url);

describe('docs/CLIENTS.md', { concurrency: false }, () => {
  let services, folder, site, browser;
  const files = new Map();
  const outputs = new Map();
  const running = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'neonchat-docs-'));
    site = createServer(async (request, response) => {
      const isSdk = request.url.startsWith('/sdk/');
      const path = isSdk ? join(sdk, 'src', request.url.slice(5)) : join(folder, 'index.html');
      response.writeHead(200, { 'Content-Type': isSdk ? 'text/javascript' : 'text/html' }).end(await readFile(path));
    }).listen(0, '127.0.0.1');
    await once(site, 'listening');
    services = await Services.start({ CORS_ALLOWED_ORIGINS: `http://127.0.0.1:${site.address().port}` });

    const text = await readFile(document, 'utf8');
    for (const [, info, code] of text.matchAll(/^```(.*)\n([^]*?)^```$/gm)) {
      const [, kind, name] = /^\w+ (file|output)=(\S+)$/.exec(info) ?? assert.fail(`a block without a name: ${info}`);
      if (name.endsWith('.rs')) continue;
      if (kind === 'output') outputs.set(name, code);
      else files.set(name, code);
    }
    for (const [name, code] of files) {
      // The services of a test have other ports.
      const own = code
        .replaceAll("url: 'http://localhost:8080'", `url: '${services.url}', webSocketUrl: '${services.webSocketUrl}'`)
        .replaceAll('http://localhost:8080', services.url)
        .replaceAll('ws://localhost:8082/ws', services.webSocketUrl);
      await writeFile(join(folder, name), own);
    }
    await mkdir(join(folder, 'node_modules/@neonchat'), { recursive: true });
    await symlink(sdk, join(folder, 'node_modules/@neonchat/client'));
    await symlink(join(sdk, 'node_modules/ws'), join(folder, 'node_modules/ws'));
    // Node.js 20 has no WebSocket.
    await writeFile(join(folder, 'websocket.mjs'), "import WebSocket from 'ws'; globalThis.WebSocket ??= WebSocket;");
  });
  after(async () => {
    for (const child of running) child.kill('SIGKILL');
    await browser?.close();
    await services?.stop();
    site?.close();
    await rm(folder, { recursive: true });
  });

  function start(name) {
    const [command, ...args] = name.endsWith('.sh') ? ['bash', '-euo', 'pipefail', name] : [process.execPath, '--import', './websocket.mjs', name];
    const child = spawn(command, args, { cwd: folder, stdio: ['pipe', 'pipe', 'inherit'] });
    running.push(child);
    const program = { child, text: '' };
    child.stdout.on('data', (data) => (program.text += data));
    return program;
  }

  async function run(name) {
    const program = start(name);
    const [code] = await once(program.child, 'close');
    assert.equal(code, 0, name);
    return program.text;
  }

  const lines = (count) => ({ text }) => text.split('\n').length > count;

  it('the requests by curl', async () => {
    assert.match(await run('accounts.sh'), /"partner": "bob"/);
    assert.equal(await run('error.sh'), outputs.get('error.sh'));
  });

  it('the bot answers the program that asks', async () => {
    const bot = start('bot.mjs');
    await until('the bot is live', () => bot.text === outputs.get('bot.mjs'));
    assert.equal(await run('ask.mjs'), outputs.get('ask.mjs'));
    const ended = once(bot.child, 'exit');
    bot.child.kill('SIGTERM');
    assert.deepEqual(await ended, [0, null], 'the process ends after `close`');
  });

  it('the bot answers each question once, also while it is killed again and again', async () => {
    const alice = new NeonChat({ url: services.url, webSocketUrl: services.webSocketUrl, webSocket: WebSocket });
    await alice.login(await register(services));
    const [{ id: partner_id }] = (await alice.rest.get('/users', { q: 'bob' })).users.filter(({ username }) => username === 'bob');
    const { id: chat } = await alice.rest.post('/chats', { partner_id });
    alice.start();
    const questions = [];
    const ask = async (text) => {
      const { message_id } = await alice.send(chat, { text }).done;
      questions.push(message_id);
    };
    const answers = async () => (await alice.rest.get('/chats/{id}/messages', { id: chat, limit: 100 })).messages.filter(({ reply_to }) => questions.includes(reply_to?.id));
    const answered = () => until('each question has an answer', async () => (await answers()).length >= questions.length, 60_000);
    const live = async () => {
      const bot = start('bot.mjs');
      await until('the bot is live', () => bot.text.includes('live'));
      return async () => {
        const ended = once(bot.child, 'exit');
        bot.child.kill('SIGKILL');
        await ended;
      };
    };
    const end = await live();
    await ask('Hello?');
    await answered();
    await end();
    for (let round = 0; round < 5; round++) {
      for (let n = 0; n < 3; n++) await ask(`off ${round}.${n}?`);
      const kill = await live();
      for (let n = 0; n < 3; n++) await ask(`on ${round}.${n}?`);
      await kill();
    }
    await live();
    await answered();
    assert.deepEqual((await answers()).map(({ reply_to }) => reply_to.id).sort(), questions.sort());
    await alice.close();
  });

  it('registers, and signs in again', async () => {
    for (let n = 0; n < 2; n++) assert.equal(await run('register.mjs'), outputs.get('register.mjs'));
  });

  it('the page', async () => {
    browser = await launch();
    const context = await browser.newContext();
    const page = await context.newPage();
    page.on('pageerror', (error) => console.error('page:', error));
    const url = `http://127.0.0.1:${site.address().port}/`;
    await page.goto(url);
    const shown = (page) => page.locator('li').allTextContents();
    async function has(page, wanted) {
      await until(`the page shows ${wanted}`, async () => (await shown(page)).join() === wanted.join()).catch(() => {});
      // Shows what is different.
      assert.deepEqual(await shown(page), wanted);
    }
    const all = ['Are you there?', 'Yes!'];
    await has(page, all);
    await page.fill('#text', 'Really?');
    await page.press('#text', 'Enter');
    all.push('Really?', 'Yes!');
    await has(page, all);
    const second = await context.newPage();
    await second.goto(url);
    await has(second, all);
    await second.fill('#text', 'In both tabs.');
    await second.press('#text', 'Enter');
    all.push('In both tabs.');
    for (const one of [page, second]) await has(one, all);
    await context.close();
  });

  it('the client without an SDK loses nothing while the services end and come back', async () => {
    const plain = start('plain.mjs');
    await until('the history is there', () => lines(5)(plain));
    plain.child.stdin.write('Plain?\n');
    await until('the answer is there', () => lines(7)(plain));
    await services.end('notification-service', 'SIGKILL');
    plain.child.stdin.write('While away?\n');
    await services.startNotification();
    await until('the second answer is there', () => lines(9)(plain), 60_000);
    await services.end('chat-service', 'SIGKILL');
    plain.child.stdin.write('Still there?\n');
    await services.startChat();
    await until('the third answer is there', () => lines(11)(plain), 60_000);
    const texts = ['Are you there?', 'Yes!', 'Really?', 'Yes!', 'In both tabs.', 'Plain?', 'Yes!', 'While away?', 'Yes!', 'Still there?', 'Yes!'];
    assert.equal(plain.text, texts.map((text, n) => `${n + 1} ${text}\n`).join(''));
  });

  it('every program was run', () => {
    assert.deepEqual([...files.keys()], ['accounts.sh', 'error.sh', 'bot.mjs', 'register.mjs', 'ask.mjs', 'index.html', 'plain.mjs']);
    assert.deepEqual([...outputs.keys()], ['error.sh', 'bot.mjs', 'register.mjs', 'ask.mjs']);
  });
});
