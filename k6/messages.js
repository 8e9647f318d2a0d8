// The message load of the specification: 500 a second between 200 users.

import { pairs } from './lib/api.js';
import * as conversations from './lib/conversations.js';
import { common, duration, number } from './lib/settings.js';

const load = {
  users: number('SOCKETS', 200, 8),
  rate: number('MESSAGES_PER_SECOND', 500, 20),
  seconds: duration('60s', '3s'),
};

export const options = {
  ...common,
  scenarios: { messages: conversations.scenario(load, 'messages') },
  thresholds: conversations.thresholds(load),
};

export function setup() {
  return conversations.deal(pairs('messages', load.users));
}

export function messages(shares) {
  conversations.converse(shares, load);
}
