// Requests to the chat endpoints of the REST API, at an even rate, however long the answers take.

import { check } from 'k6';
import exec from 'k6/execution';
import { request, send } from './api.js';
import { restP95 } from './settings.js';

// Of ten requests in a row, which: clients read more than they write.
const MIX = [list, history, list, history, list, write, list, history, open, history];

/** The scenario of `rate` requests a second for `seconds`. */
export function scenario({ rate, seconds }, exec) {
  return {
    executor: 'constant-arrival-rate',
    rate,
    duration: `${seconds}s`,
    // As many as are busy where an answer takes half a second. Made before: k6 is late while it makes one.
    preAllocatedVUs: Math.ceil(rate / 2),
    exec,
  };
}

/** Every request made and answered well, in time: all of them, and of each kind. */
export function thresholds({ rate, seconds }, scenario) {
  const inTime = [`p(95)<${restP95}`];
  const each = MIX.map(({ name }) => [`http_req_duration{name:${name}}`, inTime]);
  return {
    ...Object.fromEntries(each),
    [`http_req_duration{scenario:${scenario}}`]: inTime,
    [`http_reqs{scenario:${scenario}}`]: [`count>=${Math.floor(rate * seconds * 0.99)}`], // k6 drops one where all its users wait
    checks: ['rate==1'],
  };
}

/** One iteration: one request. */
export function ask(pairs) {
  const number = exec.scenario.iterationInTest;
  const pair = pairs[Math.floor(number / MIX.length) % pairs.length];
  MIX[number % MIX.length](pair, number);
}

function list({ chat, tokens }) {
  const response = send(request('list', 'GET', '/chats', { token: tokens[0] }));
  check(response, { 'list: 200, with the chat': (it) => it.status === 200 && it.json('chats.0.id') === chat });
}

function history({ chat, tokens }) {
  const response = send(request('history', 'GET', `/chats/${chat}/messages`, { token: tokens[1] }));
  check(response, { 'history: 200, messages': (it) => it.status === 200 && Array.isArray(it.json('messages')) });
}

function open({ chat, partner, tokens }) {
  const response = send(request('open', 'POST', '/chats', { token: tokens[0], body: { partner_id: partner } }));
  check(response, { 'open: 200, the same chat': (it) => it.status === 200 && it.json('id') === chat });
}

function write({ chat, tokens }, number) {
  const body = { text: `Message ${number}`, request_id: crypto.randomUUID() };
  const response = send(request('write', 'POST', `/chats/${chat}/messages`, { token: tokens[number % 2], body }));
  check(response, { 'write: 201': (it) => it.status === 201 });
}
