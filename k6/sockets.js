// The connection peak of the specification: 5,000 open sockets, one per user, with few messages.

import { pairs } from './lib/api.js';
import * as conversations from './lib/conversations.js';
import { common, duration, number } from './lib/settings.js';

const load = {
  users: number('SOCKETS', 5000, 40),
  rate: number('MESSAGES_PER_SECOND', 100, 20),
  seconds: duration('60s', '3s'),
};

export const options = {
  ...common,
  scenarios: { sockets: conversations.scenario(load, 'sockets') },
  thresholds: conversations.thresholds(load),
};

export function setup() {
  return conversations.deal(pairs('sockets', load.users));
}

export function sockets(shares) {
  conversations.converse(shares, load);
}
