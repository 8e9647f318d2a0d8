import { waited } from './connection.js';
import { NeonChatError, noAnswer } from './errors.js';

/** How long an answer may take. */
const TIMEOUT = 30_000;

/**
 * @typedef {import('./openapi.js').paths} Paths
 * @typedef {'get' | 'post' | 'put' | 'patch' | 'delete'} Method
 */

/**
 * @template {Method} M
 * @typedef {{[K in keyof Paths]: K extends `/api/v1${infer P}` ? (Paths[K] extends {[Name in M]: {responses: any}} ? P : never) : never}[keyof Paths]} PathOf
 */

/**
 * @template {string} P
 * @template {Method} M
 * @typedef {`/api/v1${P}` extends keyof Paths ? (M extends keyof Paths[`/api/v1${P}`] ? Paths[`/api/v1${P}`][M] : never) : never} OperationOf
 */

/**
 * What replaces `{name}` in the path, and the query.
 * @template O
 * @typedef {O extends {parameters: infer A}
 *   ? (A extends {path: infer P} ? P : {}) & (A extends {query?: infer Q} ? (Q extends undefined ? {} : Q) : {}) : {}} ParamsOf
 */

/**
 * @template O
 * @typedef {O extends {requestBody: {content: {'application/json': infer B}}} ? B : undefined} BodyOf
 */

/**
 * @template O
 * @typedef {O extends {responses: infer R}
 *   ? {[S in keyof R]: S extends 200 | 201 | 202 ? (R[S] extends {content: {'application/json': infer A}} ? A : never) : never}[keyof R]
 *   : never} AnswerOf
 */

/**
 * Requests below `/api/v1`. What `{name}` in the path stands for is taken from `params`; the other `params` are the query.
 * @typedef {object} Rest
 * @property {<P extends PathOf<'get'>>(path: P, params?: ParamsOf<OperationOf<P, 'get'>>) => Promise<AnswerOf<OperationOf<P, 'get'>>>} get
 * @property {<P extends PathOf<'post'>>(path: P, body?: BodyOf<OperationOf<P, 'post'>>, params?: ParamsOf<OperationOf<P, 'post'>>) => Promise<AnswerOf<OperationOf<P, 'post'>>>} post
 * @property {<P extends PathOf<'put'>>(path: P, body?: BodyOf<OperationOf<P, 'put'>>, params?: ParamsOf<OperationOf<P, 'put'>>) => Promise<AnswerOf<OperationOf<P, 'put'>>>} put
 * @property {<P extends PathOf<'patch'>>(path: P, body?: BodyOf<OperationOf<P, 'patch'>>, params?: ParamsOf<OperationOf<P, 'patch'>>) => Promise<AnswerOf<OperationOf<P, 'patch'>>>} patch
 * @property {<P extends PathOf<'delete'>>(path: P, params?: ParamsOf<OperationOf<P, 'delete'>>) => Promise<AnswerOf<OperationOf<P, 'delete'>>>} delete
 * @property {(method: string, path: string, options?: Options) => Promise<any>} request any request, without types
 *
 * @typedef {object} Options
 * @property {Record<string, any>} [params]
 * @property {any} [body]
 * @property {string | null} [token] instead of the session's; `null`: none
 * @property {boolean} [cookie] whether the refresh token is a cookie, which this request needs
 */

/**
 * A request with an expired token refreshes the session, and is repeated once.
 * @param {import('./types.js').Context} context
 * @returns {Rest}
 */
export function createRest(context) {
  /** @param {string} method @param {string} path @param {Options} options */
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

  /** @param {string} method @param {string} path @param {Options} [options] */
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
