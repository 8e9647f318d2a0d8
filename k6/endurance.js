// The endurance load of the specification: sockets, messages and REST together, for 30 minutes.

import { pairs } from './lib/api.js';
import * as chatEndpoints from './lib/chat_endpoints.js';
import * as conversations from './lib/conversations.js';
import { common, duration, number } from './lib/settings.js';

const seconds = duration('30m', '3s');
const talk = { users: number('SOCKETS', 5000, 40), rate: number('MESSAGES_PER_SECOND', 500, 20), seconds };
const requests = { users: number('USERS', 100, 4), rate: number('REQUESTS_PER_SECOND', 100, 20), seconds };

export const options = {
  ...common,
  scenarios: {
    conversations: conversations.scenario(talk, 'converse'),
    rest: { ...chatEndpoints.scenario(requests, 'rest'), startTime: `${conversations.opening(talk)}s` },
  },
  thresholds: { ...conversations.thresholds(talk), ...chatEndpoints.thresholds(requests, 'rest') },
};

export function setup() {
  const talking = conversations.deal(pairs('endurance', talk.users));
  return { talking, asking: pairs('endurance-rest', requests.users) };
}

export function converse({ talking }) {
  conversations.converse(talking, talk);
}

export function rest({ asking }) {
  chatEndpoints.ask(asking);
}
