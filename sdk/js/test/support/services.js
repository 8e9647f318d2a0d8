// Both services as processes, on the Postgres and Redis of `testbed exec`.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
/** Where the binaries are. */
const binaries = process.env.NEONCHAT_BINARIES ?? `${root}target/debug`;

/** Returns a port that nothing takes until its process listens: Linux uses those from 32768 for outgoing connections. */
async function freePort() {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const reservation = createServer().unref();
    const server = createServer();
    try {
      // The socket keeps other processes of these tests away from the port, until this one ends.
      await once(reservation.listen(`\0neonchat-js-port-${port}`), 'listening');
      await once(server.listen(port, '127.0.0.1'), 'listening');
    } catch {
      reservation.close();
      continue;
    }
    server.close();
    await once(server, 'close');
    return port;
  }
}

/** Repeats a check until it is true. */
export async function until(what, check, timeout = 30_000) {
  const end = Date.now() + timeout;
  while (!(await check())) {
    if (Date.now() > end) throw new Error(`not within ${timeout} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export class Services {
  #processes = new Map();
  #environment;

  /** @param {Record<string, string>} [settings] */
  static async start(settings = {}) {
    const services = new Services();
    const { NEONCHAT_TEST_DATABASE_URL: database, NEONCHAT_TEST_REDIS_URL: redis } = process.env;
    if (!database || !redis) throw new Error('run the tests with `make sdk-js-e2e`');
    const [rest, chatGrpc, notificationGrpc, webSocket] = [await freePort(), await freePort(), await freePort(), await freePort()];
    services.url = `http://127.0.0.1:${rest}`;
    services.notificationUrl = `http://127.0.0.1:${webSocket}`;
    services.webSocketUrl = `ws://127.0.0.1:${webSocket}/ws`;
    const hosts = ['CHAT_SERVICE_HOST', 'CHAT_GRPC_HOST', 'NOTIFICATION_SERVICE_HOST', 'NOTIFICATION_GRPC_HOST'];
    services.#environment = {
      ...process.env,
      ...Object.fromEntries(hosts.map((name) => [name, '127.0.0.1'])),
      CHAT_SERVICE_PORT: `${rest}`,
      CHAT_GRPC_PORT: `${chatGrpc}`,
      NOTIFICATION_GRPC_PORT: `${notificationGrpc}`,
      NOTIFICATION_WS_PORT: `${webSocket}`,
      CHAT_SERVICE_ADDR: `127.0.0.1:${chatGrpc}`,
      NOTIFICATION_SERVICE_ADDR: `127.0.0.1:${notificationGrpc}`,
      DATABASE_URL: database,
      REDIS_URL: redis,
      REDIS_NAMESPACE: randomUUID().replaceAll('-', ''),
      // The tests make more requests from one address than people do.
      RATE_LIMIT_PER_MINUTE: '0',
      LOG_FORMAT: 'text',
      ...settings,
    };
    await Promise.all([services.startChat(), services.startNotification()]);
    return services;
  }

  async #spawn(name, url) {
    const logs = `${root}target/sdk-js`;
    mkdirSync(logs, { recursive: true });
    const log = openSync(`${logs}/${name}.log`, 'a');
    // The kernel ends it if this process dies.
    const child = spawn('setpriv', ['--pdeathsig', 'TERM', '--', `${binaries}/${name}`], { env: this.#environment, stdio: ['ignore', log, log] });
    closeSync(log);
    this.#processes.set(name, child);
    await until(`${name} is ready`, async () => {
      if (child.exitCode !== null) throw new Error(`${name} ended: see target/sdk-js/${name}.log`);
      return fetch(`${url}/ready`).then((answer) => answer.ok, () => false);
    });
  }

  startChat() {
    return this.#spawn('chat-service', this.url);
  }

  startNotification() {
    return this.#spawn('notification-service', this.notificationUrl);
  }

  /** @param {string} name @param {NodeJS.Signals} signal */
  signal(name, signal) {
    this.#processes.get(name).kill(signal);
  }

  /** Ends a service and waits for that. @param {string} name @param {NodeJS.Signals} signal */
  async end(name, signal) {
    const child = this.#processes.get(name);
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }

  /** How many WebSockets are open. */
  async sockets() {
    const text = await (await fetch(`${this.notificationUrl}/metrics`)).text();
    return Number(/^websocket_connections_current(?:\{[^}]*\})? (\d+)/m.exec(text)?.[1]);
  }

  async stop() {
    for (const name of ['notification-service', 'chat-service']) {
      const child = this.#processes.get(name);
      if (child && child.exitCode === null && child.signalCode === null) await this.end(name, 'SIGTERM');
    }
  }
}

/** Registers a user with a name that no other test has. */
export async function register(services) {
  const username = `u${randomUUID().slice(0, 12)}`;
  const password = 'securepass123';
  const answer = await fetch(`${services.url}/api/v1/auth/register`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ username, password }),
  });
  if (answer.status !== 201) throw new Error(`register: ${answer.status} ${await answer.text()}`);
  return { username, password, id: (await answer.json()).id };
}

/** Resolves with the first event for which `check` holds. */
export function event(client, name, check = () => true, timeout = 30_000) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${name} within ${timeout} ms: ${check}`)), timeout);
    const off = client.on(name, (data) => {
      if (!check(data)) return;
      clearTimeout(timer);
      off();
      resolve(data);
    });
  });
}

/** Resolves when the client is in a state. */
export async function state(client, wanted, timeout) {
  if (client.state !== wanted) await event(client, 'state', ({ state }) => state === wanted, timeout);
}
