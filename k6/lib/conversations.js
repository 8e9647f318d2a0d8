// Pairs of users who send each other messages over WebSocket.

import exec from 'k6/execution';
import { Counter, Trend } from 'k6/metrics';
import { at, now, scenarioStart } from './clock.js';
import { deliveryP95, number, wsUrl } from './settings.js';
import { WebSocket } from './websocket.js';

const PAIRS_PER_VU = 25;
const OPENED_PER_SECOND = number('OPENED_PER_SECOND', 250);
// Seconds for the last socket to open, and for the last message to arrive.
const SETTLE = number('SETTLE', 5, 2);
const DRAIN = 10;

// From the scheduled time of a message to its arrival at the partner, or to its ack at the sender. Delays of k6 and of the
// socket count.
const deliveryTime = new Trend('delivery_time', true);
const ackTime = new Trend('ack_time', true);
const delivered = new Counter('messages_delivered');
const acknowledged = new Counter('messages_acknowledged');
// Sockets that were open from the first message to the end.
const held = new Counter('sockets_held');
const problems = new Counter('problems');

/** Returns the seconds until all sockets are open and the first message is sent. */
export function opening({ users }) {
  return Math.ceil(users / OPENED_PER_SECOND) + SETTLE;
}

/** Returns the scenario: `users` sockets, and `rate` messages a second for `seconds`. */
export function scenario({ users, seconds }, exec) {
  if (users % 2 !== 0) throw new Error('SOCKETS has to be even: users write to each other in pairs');
  const longest = opening({ users }) + seconds + DRAIN + 30;
  return { executor: 'per-vu-iterations', vus: vus(users), iterations: 1, maxDuration: `${longest}s`, exec };
}

/** Returns thresholds: all sockets stay open, and every message arrives once and in time. */
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
 * Distributes the pairs over the virtual users, as JSON: each gets a copy of the result of `setup`, and k6 copies thousands of
 * objects slowly.
 */
export function deal(pairs) {
  const shares = Array.from({ length: vus(pairs.length * 2) }, () => []);
  pairs.forEach((pair, place) => shares[place % shares.length].push({ ...pair, place }));
  return shares.map((share) => JSON.stringify(share));
}

/** Runs the pairs of one virtual user. */
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
  // Only the first problem of each virtual user is printed.
  if (!complained) console.error(text);
  complained = true;
}

/** Two users with a socket each. The messages of the plan go round-robin to the conversations, and in each to its users. */
class Conversation {
  constructor({ chat, tokens, place }, plan) {
    Object.assign(this, { chat, place, plan });
    this.sides = tokens.map((token) => ({ token, socket: null, open: false, seq: 0 }));
    // Undelivered messages by number, and the scheduled times of unacknowledged ones by request_id.
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
      // k6 may answer a ping after its own close, and reports that as an error.
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
        if (!this.travelling.delete(number)) return problem('a message arrived twice, or is from another run');
        if (frame.seq <= side.seq) problem('a message arrived out of order');
        side.seq = frame.seq;
        deliveryTime.add(now() - due);
        return delivered.add(1);
      }
      case 'message_sent': {
        const due = this.unacknowledged.get(frame.request_id);
        if (!this.unacknowledged.delete(frame.request_id)) return problem('an ack arrived twice');
        ackTime.add(now() - due);
        return acknowledged.add(1);
      }
      case 'presence':
        return undefined;
      default:
        return problem(`unexpected: ${JSON.stringify(frame)}`);
    }
  }

  /** Closes both sockets when the last messages have arrived, or after DRAIN. */
  end() {
    const missing = this.travelling.size + this.unacknowledged.size;
    if (missing > 0 && now() < this.plan.end + DRAIN * 1000) return at(now() + 50, () => this.end());
    if (missing > 0) problem(`${this.travelling.size} messages and ${this.unacknowledged.size} acks are missing`);
    this.closing = true;
    for (const side of this.sides.filter(({ open }) => open)) {
      held.add(1);
      side.open = false;
      side.socket.close();
    }
    return undefined;
  }
}
