// The REST API, and the users that a load is made of.

import exec from 'k6/execution';
import http from 'k6/http';
import { baseUrl } from './settings.js';

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

/** Asks for all of it, and ends the run where an answer is none of those expected. Returns the bodies. */
function prepare(requests, expected) {
  const bodies = [];
  for (const { params } of requests) params.responseCallback = http.expectedStatuses(...expected);
  for (let n = 0; n < requests.length; n += 100) {
    for (const response of http.batch(requests.slice(n, n + 100))) {
      if (response.status === 0) exec.test.abort(`nobody answers at ${baseUrl} (${response.error}): \`make run\`, or BASE_URL=…`);
      if (!expected.includes(limited(response).status)) {
        exec.test.abort(`${response.request.method} ${response.url}: ${response.status} ${response.body}`);
      }
      bodies.push(response.json());
    }
  }
  return bodies;
}

/** A load comes from one address and few users, so it says nothing of a system that limits their requests. */
function limited(response) {
  if (response.status === 429) {
    exec.test.abort('the system limits requests: start it with RATE_LIMIT_PER_MINUTE=0 in its environment');
  }
  return response;
}
