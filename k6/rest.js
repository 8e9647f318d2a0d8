// The REST load of the specification: 100 requests a second to the chat endpoints.

import { pairs } from './lib/api.js';
import * as chatEndpoints from './lib/chat_endpoints.js';
import { common, duration, number } from './lib/settings.js';

const load = { users: number('USERS', 100, 4), rate: number('REQUESTS_PER_SECOND', 100, 20), seconds: duration('60s', '3s') };

export const options = {
  ...common,
  scenarios: { rest: chatEndpoints.scenario(load, 'rest') },
  thresholds: chatEndpoints.thresholds(load, 'rest'),
};

export function setup() {
  return pairs('rest', load.users);
}

export function rest(users) {
  chatEndpoints.ask(users);
}
