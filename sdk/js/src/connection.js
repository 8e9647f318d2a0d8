/** The n-th wait is random between 0 and BACKOFF × 2^n, at most BACKOFF_MAX. */
const BACKOFF = 500;
const BACKOFF_MAX = 30_000;
/** The shortest and the longest wait that the server can ask for. */
const SHORTEST_WAIT = 100;
const LONGEST_WAIT = 86_400_000;
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

/** Why a session has ended whose token was refused, by close code. @type {Record<number, string>} */
const REFUSED = { 4001: 'unauthorized', 4002: 'token_expired', 4004: 'revoked' };

/**
 * @typedef {import('./types.js').Frame} Frame
 * @typedef {ReturnType<typeof createConnection>} Connection
 */

/**
 * The state machine of the connection. README.md has its table.
 * @param {import('./types.js').Context} context
 * @param {() => void} opened the socket is open: send the first frame
 * @param {(frame: Frame) => void} received
 * @param {() => void} lost
 * @param {() => void} stopped nothing happens any more until `start`
 */
export function createConnection({ webSocketUrl, webSocket, now, timer, random, environment: { online, hidden }, rest, session, emit }, opened, received, lost, stopped) {
  /** @type {import('./types.js').Status} */
  let status = { state: 'stopped' };
  /** @type {any} */
  let socket;
  // The token of this attempt.
  let used = '';
  // The number of the attempt: what belongs to a former one is ignored.
  let attempt = 0;
  // The number of waits since the last stable connection.
  let failures = 0;
  let running = false;
  let isHidden = false;
  // When the first and the last frame of this connection came.
  let since = 0;
  let heard = 0;
  // The end of the wait that the server asked for.
  let serverWait = 0;
  // Whether a token was refused since a connection was accepted.
  let refused = false;
  // When the handshake or an answer is overdue, or a pause is over; when a `ping` is due; when the clock is compared.
  const due = timer();
  const ping = timer();
  const beat = timer();

  /** @param {import('./types.js').Status} next */
  function set(next) {
    emit('state', (status = next));
  }

  /** Forgets the present attempt. @param {number} [code] */
  function drop(code) {
    attempt++;
    due.clear();
    ping.clear();
    const former = socket;
    if (!former) return;
    socket = undefined;
    if (since && now() - since >= STABLE) failures = 0;
    since = 0;
    if (code) former.close(code);
    lost();
  }

  /** @param {import('./types.js').Status | null} [next] `null`: no state, because another one follows */
  function stop(next = { state: 'stopped' }) {
    running = false;
    drop(1000);
    beat.clear();
    session.schedule(false);
    stopped();
    if (next) set(next);
  }

  /** Calls `fn` unless there is another attempt by now. @param {(...args: any[]) => void} fn */
  function whileMine(fn) {
    const mine = attempt;
    return (/** @type {any[]} */ ...args) => {
      if (mine === attempt && running) fn(...args);
    };
  }

  function connect() {
    drop();
    serverWait = 0;
    if (!online()) return set({ state: 'offline' });
    set({ state: 'connecting' });
    session.token().then(whileMine(open), whileMine(failed));
  }

  /** @param {string} token */
  function open(token) {
    used = token;
    socket = new webSocket(webSocketUrl, ['neonchat.v1', `bearer.${token}`]);
    due.set(HANDSHAKE, () => fail('handshake'));
    socket.onopen = whileMine(() => {
      listen();
      set({ state: 'syncing' });
      opened();
    });
    socket.onmessage = whileMine(({ data }) => {
      listen();
      since ||= heard;
      refused = false;
      let frame;
      try {
        frame = JSON.parse(data);
      } catch {
        return emit('error', { code: 'bad_json' });
      }
      if (frame.type === 'reconnect') serverWait = heard + waited(frame.after_ms);
      received(frame);
    });
    socket.onclose = whileMine(({ code, reason }) => {
      drop();
      if (status.state !== 'connecting') closed(code, reason);
      // Browsers do not tell why a handshake fails. The API does.
      else rest.request('GET', '/users/me', { token }).then(whileMine(() => again('handshake')), whileMine((error) => (error.status === 401 ? tokenRefused(error.code) : failed(error))));
    });
    // `onclose` follows. Without a listener `ws` would throw.
    socket.onerror = () => {};
  }

  /** There is no token, or no server. @param {any} error */
  function failed({ code, reason, retryAfterMs }) {
    if (code === 'signed_out') stop({ state: 'signed_out', reason });
    else again(code, retryAfterMs);
  }

  /** @param {number} code @param {string} reason */
  function closed(code, reason) {
    if (REFUSED[code]) tokenRefused(REFUSED[code]);
    else if (code >= 4000 && code < 4100) {
      stop({ state: 'stopped', reason: 'closed' });
      emit('error', { code: 'closed', close_code: code, message: reason });
    } else again('closed');
  }

  /** @param {string} why */
  function tokenRefused(why) {
    set({ state: 'connecting' });
    // If a fresh token is refused too, or there is nothing to refresh with, the session is over.
    const over = refused || !session.data?.refresh;
    refused = true;
    (over ? session.end(why) : session.refresh(used)).then(whileMine(connect), whileMine(failed));
  }

  /** Waits, then connects. @param {string} reason @param {number} [atLeast] */
  function again(reason, atLeast = 0) {
    if (!online()) return set({ state: 'offline' });
    let wait = Math.max(serverWait - now(), 0);
    if (!serverWait) {
      const backoff = random() * Math.min(BACKOFF_MAX, BACKOFF * 2 ** failures++);
      wait = Math.max(atLeast, isHidden ? backoff * HIDDEN_FACTOR : backoff);
    }
    set({ state: 'waiting', until: now() + wait, attempt: failures, reason });
    due.set(wait, connect);
  }

  /** Something was heard: the next `ping` is due PING later. */
  function listen() {
    heard = now();
    due.clear();
    ping.set(PING, probe);
  }

  function probe() {
    if (due.on) return;
    due.set(PONG, fail);
    send({ type: 'ping' });
  }

  /** Closes a connection that does not answer, and connects again. */
  function fail(reason = 'no_answer') {
    if (!socket) return;
    drop(4000);
    again(reason);
  }

  /** @param {Frame} frame */
  function send(frame) {
    socket?.send(JSON.stringify(frame));
  }

  /** Something happened after which the connection may be dead, or possible again. @param {import('./types.js').Change} change */
  function wake(change) {
    const { state } = status;
    // In one of several tabs: the last change counts.
    if (change === 'visible') isHidden = false;
    if (change === 'hidden') isHidden = true;
    else if (!running) return;
    else if (/syncing|live/.test(state)) probe();
    else if (state === 'offline' || (state === 'waiting' && !serverWait)) connect();
  }

  function watch() {
    const next = now() + BEAT;
    beat.set(BEAT, () => {
      if (now() - next > JUMP) wake('jump');
      watch();
    });
  }

  return {
    status: () => status,
    start() {
      if (running) return;
      running = true;
      isHidden = hidden();
      failures = 0;
      refused = false;
      session.schedule(true);
      watch();
      connect();
    },
    stop,
    send,
    wake,
    fail,
    /** The first `sync` is answered. */
    live() {
      if (status.state === 'syncing') set({ state: 'live' });
    },
  };
}

/** Returns how long to wait if the server asks for this, in milliseconds. @param {number} ms */
export function waited(ms) {
  return Math.min(Math.max(ms, SHORTEST_WAIT), LONGEST_WAIT);
}
