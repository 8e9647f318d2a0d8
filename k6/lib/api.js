// The REST API, and the users of a load.

import { sleep } from 'k6';
import exec from 'k6/execution';
import http from 'k6/http';
import { baseUrl } from './settings.js';

// The attempts per request of the setup, and the longest wait between two attempts, in seconds.
const ATTEMPTS = 8;
const LONGEST_WAIT = 30;

const PASSWORD = 'k6-load-secret';

/** A request for `http.batch` and `send`. */
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

/** Sends a request and returns the response of any status. */
export function send({ method, url, body, params }) {
  return limited(http.request(method, url, body, params));
}

/**
 * Creates pairs of users with a chat: `{ chat, partner, tokens }`, where `partner` is the id of the second user. Users of an
 * earlier run are reused. Call it from `setup`.
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

/** Sends all requests and returns the bodies. Aborts the run on a response with an unexpected status. */
function prepare(requests, expected) {
  const bodies = [];
  for (const { params } of requests) params.responseCallback = http.expectedStatuses(...expected, 429, 503);
  for (let n = 0; n < requests.length; n += 100) {
    for (const response of patiently(requests.slice(n, n + 100))) {
      if (response.status === 0) exec.test.abort(`no answer from ${baseUrl} (${response.error}): start \`make run\`, or set BASE_URL=…`);
      if (!expected.includes(response.status)) {
        exec.test.abort(`${response.request.method} ${response.url}: ${response.status} ${response.body}`);
      }
      bodies.push(response.json());
    }
  }
  return bodies;
}

/** Sends all requests, and retries those answered with 429 or 503 as a client does. Returns the last responses. */
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

/** Returns the seconds until the next attempt: Retry-After, or exponential backoff, and up to a second of jitter. */
function wait(answers, attempt) {
  const asked = answers.map(({ headers }) => Number(headers['Retry-After'])).filter((seconds) => seconds > 0);
  const seconds = asked.length > 0 ? Math.max(...asked) : 2 ** (attempt - 2);
  return Math.min(seconds, LONGEST_WAIT) + Math.random();
}

/** Aborts the run if the system limits requests: a load from one address and few users would measure only the limit. */
function limited(response) {
  // The services send this header. A 429 without it comes from a proxy.
  if (response.status === 429 && response.headers['Ratelimit-Limit']) {
    exec.test.abort('the system limits requests, and a load comes from one address. Start it with: ' +
      'RATE_LIMIT_PER_MINUTE=0 BCRYPT_COST=4 make run');
  }
  return response;
}
