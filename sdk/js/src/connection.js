import { ApiError, NetworkError, SignedOutError } from './errors.js';

/** The n-th wait is random between 0 and BACKOFF × 2^n, at most BACKOFF_MAX. */
const BACKOFF = 500;
const BACKOFF_MAX = 30_000;
/** A connection that lived this long starts again at n = 0. */
const STABLE = 30_000;
/** A hidden tab waits this many times longer. */
const HIDDEN_FACTOR = 3;
/** A `ping` follows after this long without a frame, and its answer must come within PONG. */
const PING = 25_000;
const PONG = 8_000;
/** How long a handshake may take. */
const HANDSHAKE = 10_000;
/** The clock is compared at this interval. If it jumped by more than JUMP, the computer slept. */
const BEAT = 5_000;
const JUMP = 10_000;

/**
 * @typedef {'handshake' | 'ping' | 'pong' | 'wait' | 'beat'} TimerName
 *
 * @typedef {object} Host what the connection needs of the client
 * @property {string} url of the WebSocket
 * @property {new (url: string, protocols: string[]) => any} webSocket
 * @property {import('./types.js').Clock} clock
 * @property {() => number} random
 * @property {import('./session.js').Session} session
 * @property {import('./rest.js').Rest} rest
 * @property {() => boolean} online
 * @property {() => boolean} hidden
 * @property {(status: import('./types.js').Status) => void} changed
 * @property {() => void} opened the socket is open: send the first frame
 * @property {(frame: import('./types.js').Frame) => void} received
 * @property {() => void} lost
 * @property {(error: {code: string, message: string, [member: string]: any}) => void} failed
 */

/**
 * The state machine of the connection. README.md has its table.
 *
 * Every attempt has a number (`#attempt`): what belongs to a former one is ignored.
 */
export class Connection {
  /** @type {import('./types.js').Status} */
  status = { state: 'stopped' };
  #host;
  /** @type {any} */
  #socket;
  #attempt = 0;
  /** The number of waits since the last stable connection. */
  #failures = 0;
  #running = false;
  /** When the first frame of this connection came. @type {number | undefined} */
  #since;
  #heard = 0;
  /** The end of the wait that the server asked for. @type {number | undefined} */
  #serverWait;
  /** Whether a token was refused since a connection was accepted. */
  #refused = false;
  /** @type {Record<TimerName, any>} */
  #timers = { handshake: 0, ping: 0, pong: 0, wait: 0, beat: 0 };

  /** @param {Host} host */
  constructor(host) {
    this.#host = host;
  }

  start() {
    if (this.#running) return;
    this.#running = true;
    this.#failures = 0;
    this.#refused = false;
    this.#beat(this.#host.clock.now());
    this.#connect();
  }

  /** @param {import('./types.js').Status} [status] */
  stop(status = { state: 'stopped' }) {
    this.#running = false;
    this.#drop(1000);
    this.#clear('beat');
    this.#set(status);
  }

  /** @param {import('./types.js').Frame} frame */
  send(frame) {
    this.#socket?.send(JSON.stringify(frame));
  }

  /** The first `sync` is answered. */
  live() {
    if (this.status.state === 'syncing') this.#set({ state: 'live' });
  }

  /**
   * Something happened after which the connection may be dead, or possible again.
   * @param {'online' | 'offline' | 'visible' | 'hidden' | 'jump'} change
   */
  wake(change) {
    const { state } = this.status;
    if (!this.#running || change === 'hidden') return;
    if (state === 'syncing' || state === 'live') this.#probe();
    else if (change === 'offline') {
      if (state === 'waiting') this.#offline();
    } else if (state === 'offline' || (state === 'waiting' && !this.#serverWait)) this.#connect();
  }

  /** Closes a connection that does not answer, and connects again. */
  fail() {
    if (!this.#socket) return;
    this.#drop(4000);
    this.#again();
  }

  /** @param {import('./types.js').Status} status */
  #set(status) {
    this.status = status;
    this.#host.changed(status);
  }

  /** @param {TimerName} name */
  #clear(name) {
    this.#host.clock.clearTimeout(this.#timers[name]);
    this.#timers[name] = 0;
  }

  /** @param {TimerName} name @param {number} ms @param {() => void} fn */
  #arm(name, ms, fn) {
    this.#clear(name);
    this.#timers[name] = this.#host.clock.setTimeout(() => {
      this.#timers[name] = 0;
      fn();
    }, ms);
  }

  /** Forgets the present attempt. @param {number} [code] */
  #drop(code) {
    this.#attempt++;
    for (const name of /** @type {const} */ (['handshake', 'ping', 'pong', 'wait'])) this.#clear(name);
    const socket = this.#socket;
    if (!socket) return;
    this.#socket = undefined;
    if (this.#since !== undefined && this.#host.clock.now() - this.#since >= STABLE) this.#failures = 0;
    this.#since = undefined;
    if (code) socket.close(code);
    this.#host.lost();
  }

  #offline() {
    this.#drop();
    this.#set({ state: 'offline' });
  }

  async #connect() {
    const { session, webSocket, url } = this.#host;
    this.#drop();
    this.#serverWait = undefined;
    if (!this.#host.online()) return this.#offline();
    const attempt = this.#attempt;
    this.#set({ state: 'connecting' });
    let token;
    try {
      token = await session.token();
    } catch (error) {
      if (attempt === this.#attempt && this.#running) this.#failedToken(error);
      return;
    }
    if (attempt !== this.#attempt || !this.#running) return;
    const socket = new webSocket(url, ['neonchat.v1', `bearer.${token}`]);
    this.#socket = socket;
    let open = false;
    this.#arm('handshake', HANDSHAKE, () => this.fail());
    socket.onopen = () => {
      if (attempt !== this.#attempt) return;
      open = true;
      this.#clear('handshake');
      this.#listen();
      this.#set({ state: 'syncing' });
      this.#host.opened();
    };
    socket.onmessage = (/** @type {{data: unknown}} */ { data }) => {
      if (attempt !== this.#attempt) return;
      this.#listen();
      if (this.#since === undefined) this.#since = this.#heard;
      this.#refused = false;
      let frame;
      try {
        frame = JSON.parse(String(data));
      } catch {
        return this.#host.failed({ code: 'bad_frame', message: 'the server sent a frame that is not JSON' });
      }
      if (frame?.type === 'reconnect') this.#serverWait = this.#heard + frame.after_ms;
      this.#host.received(frame);
    };
    socket.onclose = (/** @type {{code: number, reason: string}} */ { code, reason }) => {
      if (attempt !== this.#attempt) return;
      this.#drop();
      if (open) this.#closed(code, String(reason ?? ''), token);
      else this.#unreachable(token);
    };
    // Only `ws` needs it: without a listener its errors would be thrown. `onclose` follows.
    socket.onerror = () => {};
  }

  /** @param {unknown} error */
  #failedToken(error) {
    if (error instanceof SignedOutError) this.stop({ state: 'signed_out', reason: error.reason });
    else this.#again(error instanceof ApiError ? error.retryAfterMs : undefined);
  }

  /** Something was heard: the next `ping` is due PING later. */
  #listen() {
    const { clock } = this.#host;
    this.#heard = clock.now();
    this.#clear('pong');
    if (!this.#timers.ping) this.#arm('ping', PING, () => this.#silent());
  }

  #silent() {
    // One timer for any number of frames: it looks how long ago the last one was.
    const rest = this.#heard + PING - this.#host.clock.now();
    if (rest > 0) this.#arm('ping', rest, () => this.#silent());
    else this.#probe();
  }

  #probe() {
    if (this.#timers.pong) return;
    this.#arm('pong', PONG, () => this.fail());
    this.send({ type: 'ping' });
  }

  /** @param {number} last */
  #beat(last) {
    this.#arm('beat', BEAT, () => {
      const now = this.#host.clock.now();
      this.#beat(now);
      if (now - last - BEAT > JUMP) this.wake('jump');
    });
  }

  /** @param {number} code @param {string} reason @param {string} token */
  #closed(code, reason, token) {
    if (code === 4001 || code === 4002 || code === 4004) return this.#tokenRefused(code, token);
    if (code >= 4000 && code < 4100) {
      this.stop({ state: 'stopped', reason: `closed_${code}` });
      return this.#host.failed({ code: 'closed', close_code: code, message: reason || `the server closed the connection (${code})` });
    }
    this.#again();
  }

  /** @param {number} code @param {string} token */
  async #tokenRefused(code, token) {
    const { session } = this.#host;
    const attempt = this.#attempt;
    this.#set({ state: 'connecting' });
    try {
      const second = this.#refused;
      this.#refused = true;
      // A fresh token is refused too, or there is nothing to refresh with.
      if (second || !session.data?.refresh) await session.endNow({ 4001: 'unauthorized', 4002: 'token_expired', 4004: 'revoked' }[code] ?? '');
      else await session.refresh(token);
      if (attempt === this.#attempt && this.#running) this.#connect();
    } catch (error) {
      if (attempt === this.#attempt && this.#running) this.#failedToken(error);
    }
  }

  /**
   * The handshake failed, and browsers do not tell why. The API does.
   * @param {string} token
   */
  async #unreachable(token) {
    const attempt = this.#attempt;
    let retryAfter;
    try {
      await this.#host.rest.request('GET', '/users/me', { token });
    } catch (error) {
      if (attempt !== this.#attempt || !this.#running) return;
      if (error instanceof ApiError && error.status === 401) return this.#tokenRefused(error.code === 'token_expired' ? 4002 : 4001, token);
      if (error instanceof ApiError) retryAfter = error.retryAfterMs;
      else if (!(error instanceof NetworkError)) throw error;
    }
    if (attempt === this.#attempt && this.#running) this.#again(retryAfter);
  }

  /**
   * Waits, then connects.
   * @param {number} [atLeast]
   */
  #again(atLeast = 0) {
    const { clock, random, online, hidden } = this.#host;
    if (!online()) return this.#offline();
    const now = clock.now();
    let wait;
    if (this.#serverWait !== undefined) wait = Math.max(0, this.#serverWait - now);
    else {
      wait = random() * Math.min(BACKOFF_MAX, BACKOFF * 2 ** this.#failures);
      wait = Math.max(atLeast, hidden() ? wait * HIDDEN_FACTOR : wait);
      this.#failures++;
    }
    this.#set({ state: 'waiting', until: now + wait, attempt: this.#failures });
    this.#arm('wait', wait, () => this.#connect());
  }
}
