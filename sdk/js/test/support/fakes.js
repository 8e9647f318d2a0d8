// A clock, a network and tabs that only do what a test says.

/** Resolves when everything that can happen now has happened. */
export async function settled() {
  for (let n = 0; n < 3; n++) await new Promise((resolve) => setImmediate(resolve));
}

export class FakeClock {
  #wall;
  #elapsed = 0;
  #next = 1;
  /** @type {Map<number, {due: number, fn: () => void}>} */
  #timers = new Map();

  constructor(start) {
    this.#wall = start;
  }

  now = () => this.#wall + this.#elapsed;

  setTimeout = (fn, ms) => {
    this.#timers.set(this.#next, { due: this.#elapsed + Math.max(0, ms), fn });
    return this.#next++;
  };

  clearTimeout = (id) => {
    this.#timers.delete(id);
  };

  /** How many timers wait. */
  get pending() {
    return this.#timers.size;
  }

  /** Lets time pass, and timers fire in order. */
  async advance(ms) {
    const end = this.#elapsed + ms;
    for (;;) {
      const [id, timer] = [...this.#timers].filter(([, { due }]) => due <= end).sort(([a, x], [b, y]) => x.due - y.due || a - b)[0] ?? [];
      if (!timer) break;
      this.#timers.delete(id);
      this.#elapsed = Math.max(this.#elapsed, timer.due);
      timer.fn();
      await settled();
    }
    this.#elapsed = end;
  }

  /** The computer sleeps: the time of day goes on, timers stand still. */
  sleep(ms) {
    this.#wall += ms;
  }
}

/** The server as a test sees it: sockets, and requests that wait for an answer. */
export class FakeNetwork {
  /** Outputs since the last `take`. */
  #out = { opened: [], closed: [], sent: [], requests: [] };
  /** @type {FakeSocket[]} */
  sockets = [];
  /** @type {{method: string, path: string, resolve: (response: Response) => void, reject: (error: Error) => void}[]} */
  waiting = [];
  /** Answers a request by itself, if it returns something. */
  auto = (_request) => undefined;

  constructor() {
    const network = this;
    this.WebSocket = class FakeSocket {
      constructor(url, protocols) {
        this.url = url;
        network.sockets.push(this);
        network.#out.opened.push({ url, token: protocols[1].replace('bearer.', ''), protocol: protocols[0] });
      }
      send(text) {
        network.#out.sent.push(JSON.parse(text));
      }
      close(code) {
        network.#out.closed.push(code);
        network.sockets = network.sockets.filter((socket) => socket !== this);
      }
    };
  }

  get socket() {
    return this.sockets.at(-1);
  }

  fetch = (url, { method, body, headers, credentials }) => {
    const { pathname, searchParams } = new URL(url);
    const request = {
      method,
      path: pathname.replace('/api/v1', ''),
      ...(searchParams.size && { query: Object.fromEntries(searchParams) }),
      ...(body && { body: JSON.parse(body) }),
      token: headers.Authorization?.replace('Bearer ', ''),
      cookie: credentials === 'include',
    };
    const answer = this.auto(request);
    if (answer) return Promise.resolve(response(answer));
    this.#out.requests.push(request);
    return new Promise((resolve, reject) => this.waiting.push({ ...request, resolve, reject }));
  };

  /** Answers the oldest request that waits. */
  answer(answer) {
    const request = this.waiting.shift();
    if (!request) throw new Error('no request waits for an answer');
    if (answer === 'network_error') request.reject(new TypeError('fetch failed'));
    else request.resolve(response(answer));
  }

  take() {
    const out = this.#out;
    this.#out = { opened: [], closed: [], sent: [], requests: [] };
    return out;
  }
}

function response({ status = 200, body, headers = {} }) {
  return new Response(body === undefined ? null : JSON.stringify(body), { status, headers });
}

/** Whether the network is there and a tab is visible, as a test says. */
export class FakeEnvironment {
  #online = true;
  #hidden = false;
  #listeners = new Set();

  online = () => this.#online;
  hidden = () => this.#hidden;
  listen = (fn) => {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  };

  change(change) {
    if (change === 'online' || change === 'offline') this.#online = change === 'online';
    else this.#hidden = change === 'hidden';
    for (const fn of this.#listeners) fn(change);
  }
}

/** Web Locks within one test. */
export class FakeLocks {
  /** @type {Map<string, (() => Promise<void>)[]>} */
  #queues = new Map();

  request(name, options, fn = options) {
    const { signal } = options;
    return new Promise((resolve, reject) => {
      let gone = false;
      const queue = this.#queues.get(name);
      const run = async () => {
        if (!gone) await Promise.resolve(fn({ name })).then(resolve, reject);
        const rest = this.#queues.get(name);
        const next = rest.shift();
        if (next) next();
        else this.#queues.delete(name);
      };
      signal?.addEventListener('abort', () => {
        gone = true;
        reject(signal.reason);
      });
      if (queue) queue.push(run);
      else {
        this.#queues.set(name, []);
        run();
      }
    });
  }

  /** The tab that holds the lock ends without a word. */
  steal(name) {
    const next = this.#queues.get(name)?.shift();
    if (next) next();
  }
}

/** BroadcastChannels within one test. */
export function fakeChannel() {
  const all = new Set();
  return class FakeChannel {
    constructor(name) {
      this.name = name;
      all.add(this);
    }
    postMessage(data) {
      const text = JSON.stringify(data);
      for (const other of all) {
        if (other !== this && other.name === this.name) queueMicrotask(() => all.has(other) && other.onmessage?.({ data: JSON.parse(text) }));
      }
    }
    close() {
      all.delete(this);
    }
  };
}
