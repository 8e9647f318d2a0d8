// The REST API, and the users that a load is made of.

import { sleep } from 'k6';
import exec from 'k6/execution';
import http from 'k6/http';
import { baseUrl } from './settings.js';

// How often a request of the setup is made at most, and the longest wait between two attempts, in seconds.
const ATTEMPTS = 8;
const LONGEST_WAIT = 30;

const PASSWORD = 'k6-load-secret';

/** What `http.batch` and `send` take. */
export function request(name, method, path, { token, body } = {}) {
  const headers = { 'Content-Type': 'application/json' };
  if (token) headers.Authorization = `Bearer ${token}`;
  return {
    method,
    url: `${baseUrl}/api/v1${path}`,
    body: body && JSON.stringify(body),
    params: { headers, tags: { name } },
  };
}

/** Asks, and returns the response, whatever its status. */
export function send({ method, url, body, params }) {
  return limited(http.request(method, url, body, params));
}

/**
 * Users in pairs, each pair with its chat: `{ chat, partner, tokens }`, where `partner` is the id of the second user.
 * Those of an earlier run are used again. To be called from `setup`.
 */
export function pairs(group, users) {
  const credentials = [];
  for (let n = 0; n < users; n++) credentials.push({ username: `k6-${group}-${n}`, password: PASSWORD });
  prepare(credentials.map((body) => request('setup', 'POST', '/auth/register', { body })), [201, 409]);
  const logins = prepare(credentials.map((body) => request('setup', 'POST', '/auth/login', { body })), [200]);

  const made = [];
  for (let n = 0; n + 1 < logins.length; n += 2) {
    made.push({ partner: logins[n + 1].user.id, tokens: [logins[n].token, logins[n + 1].token] });
  }
  const opening = made.map(({ partner, tokens }) =>
    request('setup', 'POST', '/chats', { token: tokens[0], body: { partner_id: partner } }));
  prepare(opening, [200, 201]).forEach((chat, n) => { made[n].chat = chat.id; });
  return made;
}

/** Asks for all of it, and ends the run where an answer is not one of those expected. Returns the bodies. */
function prepare(requests, expected) {
  const bodies = [];
  for (const { params } of requests) params.responseCallback = http.expectedStatuses(...expected, 429, 503);
  for (let n = 0; n < requests.length; n += 100) {
    for (const response of patiently(requests.slice(n, n + 100))) {
      if (response.status === 0) exec.test.abort(`nobody answers at ${baseUrl} (${response.error}): \`make run\`, or BASE_URL=…`);
      if (!expected.includes(response.status)) {
        exec.test.abort(`${response.request.method} ${response.url}: ${response.status} ${response.body}`);
      }
      bodies.push(response.json());
    }
  }
  return bodies;
}

/** Asks for all of it, and again for what the server was too busy for, as a client does. Returns the last answers. */
function patiently(requests) {
  const answers = new Array(requests.length);
  let waiting = requests.map((_, n) => n);
  for (let attempt = 1; waiting.length > 0; attempt++) {
    http.batch(waiting.map((n) => requests[n])).forEach((response, n) => { answers[waiting[n]] = limited(response); });
    waiting = waiting.filter((n) => [429, 503].includes(answers[n].status));
    if (waiting.length === 0 || attempt === ATTEMPTS) break;
    sleep(wait(waiting.map((n) => answers[n]), attempt));
  }
  return answers;
}

/** The seconds until the next attempt: as long as the server asks for, otherwise doubled each time; and up to a second more. */
function wait(answers, attempt) {
  const asked = answers.map(({ headers }) => Number(headers['Retry-After'])).filter((seconds) => seconds > 0);
  const seconds = asked.length > 0 ? Math.max(...asked) : 2 ** (attempt - 2);
  return Math.min(seconds, LONGEST_WAIT) + Math.random();
}

/** A load comes from one address and few users, so it says nothing of a system that limits their requests. */
function limited(response) {
  // Only such a system tells of its limit. A 429 without one is of a proxy in front.
  if (response.status === 429 && response.headers['Ratelimit-Limit']) {
    exec.test.abort('the system limits requests, and a load comes from one address. One that is fit for it: ' +
      'RATE_LIMIT_PER_MINUTE=0 BCRYPT_COST=4 make run');
  }
  return response;
}
