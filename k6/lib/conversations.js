// Pairs of users who write to one another over WebSocket, for as long as the load lasts.

import exec from 'k6/execution';
import { Counter, Trend } from 'k6/metrics';
import { at, now, scenarioStart } from './clock.js';
import { deliveryP95, number, wsUrl } from './settings.js';
import { WebSocket } from './websocket.js';

const PAIRS_PER_VU = 25;
const OPENED_PER_SECOND = number('OPENED_PER_SECOND', 250);
// What the last socket may take to open, and the last message to arrive. In seconds.
const SETTLE = number('SETTLE', 5, 2);
const DRAIN = 10;

// From when a message was to be sent until the partner has it, or the sender its ack: a generator or a socket that is late
// counts as time too.
const deliveryTime = new Trend('delivery_time', true);
const ackTime = new Trend('ack_time', true);
const delivered = new Counter('messages_delivered');
const acknowledged = new Counter('messages_acknowledged');
// Sockets that were open all together, from the first message until after the last.
const held = new Counter('sockets_held');
const problems = new Counter('problems');

/** After how many seconds all sockets are open and the first message is sent. */
export function opening({ users }) {
  return Math.ceil(users / OPENED_PER_SECOND) + SETTLE;
}

/** The scenario of `users` sockets, over which `rate` messages a second are sent for `seconds`. */
export function scenario({ users, seconds }, exec) {
  if (users % 2 !== 0) throw new Error('SOCKETS should be an even number: users write to one another in pairs');
  const longest = opening({ users }) + seconds + DRAIN + 30;
  return { executor: 'per-vu-iterations', vus: vus(users), iterations: 1, maxDuration: `${longest}s`, exec };
}

/** All sockets held, every message there, once, in time. */
export function thresholds({ users, rate, seconds }) {
  const messages = rate * seconds;
  return {
    sockets_held: [`count==${users}`],
    messages_delivered: [`count==${messages}`],
    messages_acknowledged: [`count==${messages}`],
    delivery_time: [`p(95)<${deliveryP95}`],
    problems: ['count==0'],
  };
}

/**
 * The pairs, dealt out to the virtual users, as JSON: k6 gives each of them a copy of all that `setup` returns, and thousands of
 * objects in hundreds of copies are what it is slow at.
 */
export function deal(pairs) {
  const shares = Array.from({ length: vus(pairs.length * 2) }, () => []);
  pairs.forEach((pair, place) => shares[place % shares.length].push({ ...pair, place }));
  return shares.map((share) => JSON.stringify(share));
}

/** What one virtual user does: its share of the pairs. */
export function converse(shares, { users, rate, seconds }) {
  const begun = scenarioStart();
  const start = begun + opening({ users }) * 1000;
  const plan = {
    pairs: users / 2,
    messages: rate * seconds,
    start,
    end: start + seconds * 1000,
    opens: (socket) => begun + (socket / OPENED_PER_SECOND) * 1000,
    due: (number) => start + (number / rate) * 1000,
  };
  for (const pair of JSON.parse(shares[exec.scenario.iterationInTest])) new Conversation(pair, plan).begin();
}

function vus(users) {
  return Math.ceil(users / 2 / PAIRS_PER_VU);
}

let complained = false;

function problem(text) {
  problems.add(1);
  // The first of each virtual user: what breaks breaks often.
  if (!complained) console.error(text);
  complained = true;
}

/** Two users, each with a socket; the messages of the plan fall to each conversation in turn, and in it to each user. */
class Conversation {
  constructor({ chat, tokens, place }, plan) {
    Object.assign(this, { chat, place, plan });
    this.sides = tokens.map((token) => ({ token, socket: null, open: false, seq: 0 }));
    // By number, what is not delivered yet; by request_id, when what is not acknowledged yet was due.
    this.travelling = new Set();
    this.unacknowledged = new Map();
    this.closing = false;
  }

  begin() {
    this.sides.forEach((side, n) => at(this.plan.opens(2 * this.place + n), () => this.open(side)));
    this.schedule(this.place);
    at(this.plan.end, () => this.end());
  }

  open(side) {
    const params = { headers: { Authorization: `Bearer ${side.token}` } };
    side.socket = new WebSocket(`${wsUrl}/ws`, null, params);
    side.socket.addEventListener('open', () => {
      side.open = true;
      if (now() > this.plan.start) problem('a socket was opened too late');
    });
    side.socket.addEventListener('message', ({ data }) => this.receive(side, JSON.parse(data)));
    side.socket.addEventListener('error', ({ error }) => {
      // k6 may answer a ping behind its own close, and calls that an error.
      if (!this.closing) problem(`a socket failed: ${error}`);
    });
    side.socket.addEventListener('close', ({ code }) => {
      if (side.open && !this.closing) problem(`a socket was closed: ${code}`);
      side.open = false;
    });
  }

  schedule(number) {
    if (number >= this.plan.messages) return;
    at(this.plan.due(number), () => {
      this.send(number);
      this.schedule(number + this.plan.pairs);
    });
  }

  send(number) {
    const side = this.sides[Math.floor(number / this.plan.pairs) % 2];
    if (!side.open) return problem('a message could not be sent: its socket is not open');
    const due = this.plan.due(number);
    const requestId = crypto.randomUUID();
    this.travelling.add(number);
    this.unacknowledged.set(requestId, due);
    const frame = { type: 'message', chat_id: this.chat, text: `${number} ${due}`, request_id: requestId };
    side.socket.send(JSON.stringify(frame));
  }

  receive(side, frame) {
    switch (frame.type) {
      case 'new_message': {
        const [number, due] = frame.message.text.split(' ').map(Number);
        if (!this.travelling.delete(number)) return problem('a message came twice, or from another run');
        if (frame.seq <= side.seq) problem('a message came out of order');
        side.seq = frame.seq;
        deliveryTime.add(now() - due);
        return delivered.add(1);
      }
      case 'message_sent': {
        const due = this.unacknowledged.get(frame.request_id);
        if (!this.unacknowledged.delete(frame.request_id)) return problem('an ack came twice');
        ackTime.add(now() - due);
        return acknowledged.add(1);
      }
      case 'presence':
        return undefined;
      default:
        return problem(`unexpected: ${JSON.stringify(frame)}`);
    }
  }

  /** Closes both sockets, once the last messages are there or have had their time. */
  end() {
    const missing = this.travelling.size + this.unacknowledged.size;
    if (missing > 0 && now() < this.plan.end + DRAIN * 1000) return at(now() + 50, () => this.end());
    if (missing > 0) problem(`${this.travelling.size} messages and ${this.unacknowledged.size} acks did not come`);
    this.closing = true;
    for (const side of this.sides.filter(({ open }) => open)) {
      held.add(1);
      side.open = false;
      side.socket.close();
    }
    return undefined;
  }
}
