import { waited } from './connection.js';
import { NeonChatError, noAnswer } from './errors.js';

/** How long an answer may take. */
const TIMEOUT = 30_000;

/**
 * A request with an expired token refreshes the session, and is repeated once.
 * @param {import('./types.js').Context} context
 * @returns {import('./types.js').Rest}
 */
export function createRest(context) {
  /** @param {string} method @param {string} path @param {import('./types.js').RequestOptions} options */
  async function once(method, path, { params, body, token, cookie }) {
    const query = new URLSearchParams();
    const rest = { ...params };
    const filled = path.replace(/\{(\w+)\}/g, (_, name) => {
      delete rest[name];
      return encodeURIComponent(params?.[name]);
    });
    for (const name in rest) if (rest[name] != null) query.set(name, rest[name]);
    /** @type {Response} */
    let response;
    /** @type {any} */
    let answer;
    try {
      response = await context.fetch(`${context.url}/api/v1${filled}${query.size ? `?${query}` : ''}`, {
        method,
        headers: { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) },
        body: JSON.stringify(body),
        credentials: cookie ? 'include' : 'omit',
        signal: AbortSignal.timeout(TIMEOUT),
      });
      answer = await response.text();
    } catch (cause) {
      throw noAnswer(cause);
    }
    try {
      answer = answer && JSON.parse(answer);
    } catch (cause) {
      // The page of a proxy.
      if (response.ok) throw noAnswer(cause);
    }
    const { status } = response;
    if (response.ok) return answer;
    const retryable = status === 429 || status > 499;
    const retryAfter = Number(response.headers.get('Retry-After'));
    const { code = retryable ? 'unavailable' : 'unknown', reason, detail } = answer ?? {};
    throw new NeonChatError(code, {
      ...{ status, retryable, reason, detail, problem: answer },
      retryAfterMs: retryAfter ? waited(retryAfter * 1000) : undefined,
    });
  }

  /** @param {string} method @param {string} path @param {import('./types.js').RequestOptions} [options] */
  async function request(method, path, options = {}) {
    const { session } = context;
    const own = options.token === undefined && session.data;
    const token = own ? await session.token() : options.token;
    try {
      return await once(method, path, { ...options, token });
    } catch (error) {
      if (!own || /** @type {NeonChatError} */ (error).status !== 401) throw error;
      // Another request or tab may have refreshed meanwhile: then this does not do it again.
      await session.refresh(/** @type {string} */ (token));
      return once(method, path, { ...options, token: await session.token() });
    }
  }

  /** @param {string} method */
  const without = (method) => (/** @type {string} */ path, /** @type {any} */ params) => request(method, path, { params });
  /** @param {string} method */
  const withBody = (method) => (/** @type {string} */ path, /** @type {any} */ body, /** @type {any} */ params) =>
    request(method, path, { body, params });
  return { request, get: without('GET'), post: withBody('POST'), put: withBody('PUT'), patch: withBody('PATCH'), delete: without('DELETE') };
}
