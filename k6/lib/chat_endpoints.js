// Requests to the chat endpoints of the REST API, at a constant rate that does not depend on response times.

import { check } from 'k6';
import exec from 'k6/execution';
import { request, send } from './api.js';
import { restP95 } from './settings.js';

// The sequence of ten requests: clients read more than they write.
const MIX = [list, history, list, history, list, write, list, history, open, history];

/** Returns the scenario of `rate` requests a second for `seconds`. */
export function scenario({ rate, seconds }, exec) {
  return {
    executor: 'constant-arrival-rate',
    rate,
    duration: `${seconds}s`,
    // Enough for responses of half a second. Allocated in advance, because allocation delays requests.
    preAllocatedVUs: Math.ceil(rate / 2),
    exec,
  };
}

/** Returns thresholds: every request is sent and succeeds, and each kind meets the p95. */
export function thresholds({ rate, seconds }, scenario) {
  const inTime = [`p(95)<${restP95}`];
  const each = MIX.map(({ name }) => [`http_req_duration{name:${name}}`, inTime]);
  return {
    ...Object.fromEntries(each),
    [`http_req_duration{scenario:${scenario}}`]: inTime,
    [`http_reqs{scenario:${scenario}}`]: [`count>=${Math.floor(rate * seconds * 0.99)}`], // k6 drops a request if all its virtual users wait
    checks: ['rate==1'],
  };
}

/** Sends the one request of an iteration. */
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
