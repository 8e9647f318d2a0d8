import { calls } from './calls.js';
import { ApiError, NetworkError } from './errors.js';

/** How long an answer may take. */
const TIMEOUT = 30_000;

/**
 * @typedef {object} RequestOptions
 * @property {Record<string, any>} [query]
 * @property {any} [body]
 * @property {AbortSignal} [signal]
 * @property {string | null} [token] instead of the session's; `null`: none
 * @property {boolean} [cookie] whether the refresh token is a cookie, which this request needs
 */

/** The REST API. A 401 refreshes the session and repeats the request once. */
export class Rest {
  #base;
  #fetch;
  #clock;
  /** @type {import('./session.js').Session | undefined} */
  session;

  /**
   * @param {string} base such as `http://localhost:8080`
   * @param {typeof globalThis.fetch} fetch
   * @param {import('./types.js').Clock} clock
   */
  constructor(base, fetch, clock) {
    this.#base = base;
    this.#fetch = fetch;
    this.#clock = clock;
  }

  /** @param {string} path @param {Record<string, any>} [query] */
  get(path, query) {
    return this.request('GET', path, { query });
  }

  /** @param {string} path @param {any} [body] */
  post(path, body) {
    return this.request('POST', path, { body });
  }

  /** @param {string} path @param {any} [body] */
  put(path, body) {
    return this.request('PUT', path, { body });
  }

  /** @param {string} path @param {any} [body] */
  patch(path, body) {
    return this.request('PATCH', path, { body });
  }

  /** @param {string} path @param {Record<string, any>} [query] */
  delete(path, query) {
    return this.request('DELETE', path, { query });
  }

  /**
   * Makes a request with the token of the session. Returns the body.
   * @param {string} method
   * @param {string} path below `/api/v1`
   * @param {RequestOptions} [options]
   * @returns {Promise<any>}
   */
  async request(method, path, options = {}) {
    const session = this.session;
    const token = options.token !== undefined || !session?.data ? options.token : await session.token();
    try {
      return await this.#once(method, path, { ...options, token });
    } catch (error) {
      const mine = options.token === undefined && session && token;
      if (!mine || !(error instanceof ApiError) || error.status !== 401) throw error;
      // Another tab or request may have refreshed meanwhile: then this does not do it again.
      await session.refresh(token);
      return this.#once(method, path, { ...options, token: await session.token() });
    }
  }

  /** @param {string} method @param {string} path @param {RequestOptions} options */
  async #once(method, path, { query, body, signal, token, cookie }) {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query ?? {})) if (value !== undefined && value !== null) search.set(name, String(value));
    const url = `${this.#base}/api/v1${path}${search.size ? `?${search}` : ''}`;
    /** @type {Record<string, string>} */
    const headers = {};
    if (token) headers.Authorization = `Bearer ${token}`;
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    const abort = new AbortController();
    const timer = this.#clock.setTimeout(() => abort.abort(new Error('timeout')), TIMEOUT);
    const cancel = () => abort.abort(signal?.reason);
    signal?.addEventListener('abort', cancel);
    if (signal?.aborted) cancel();
    /** @type {any} */
    let answer;
    try {
      const response = await this.#fetch(url, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        credentials: cookie ? 'include' : 'omit',
        signal: abort.signal,
      });
      const text = await response.text();
      try {
        answer = text && JSON.parse(text);
      } catch {
        // The page of a proxy.
      }
      if (response.ok) return answer;
      const seconds = Number(response.headers.get('Retry-After'));
      throw new ApiError(response.status, answer, seconds ? seconds * 1000 : undefined);
    } catch (error) {
      if (error instanceof ApiError) throw error;
      if (signal?.aborted) throw signal.reason;
      throw new NetworkError(error);
    } finally {
      this.#clock.clearTimeout(timer);
      signal?.removeEventListener('abort', cancel);
    }
  }
}

/**
 * The operations of the API by their names in the OpenAPI document: `api.list_members({ id, role: 'admin' })`. Members of the
 * argument that are not in the path are the body, or the query of calls without a body.
 * @typedef {{[Name in keyof typeof calls]: (...args: ArgsOf<Name>) => Promise<AnswerOf<Name>>}} Api
 */

/**
 * @template {keyof typeof calls} Name
 * @typedef {import('./types.js').Operations[Name]} Operation
 */

/**
 * @template {keyof typeof calls} Name
 * @typedef {(Operation<Name>['parameters'] extends {path: infer P} ? P : {}) &
 *   (Operation<Name>['parameters'] extends {query?: infer Q} ? (Q extends undefined ? {} : NonNullable<Q>) : {}) &
 *   (Operation<Name> extends {requestBody: {content: {'application/json': infer B}}} ? B : {})} InputOf
 */

/**
 * @template {keyof typeof calls} Name
 * @typedef {{} extends InputOf<Name> ? [input?: InputOf<Name>] : [input: InputOf<Name>]} ArgsOf
 */

/**
 * @template {keyof typeof calls} Name
 * @typedef {{[Status in keyof Operation<Name>['responses']]: Status extends 200 | 201 | 202
 *   ? (Operation<Name>['responses'][Status] extends {content: {'application/json': infer A}} ? A : never)
 *   : Status extends 204 ? '' : never}[keyof Operation<Name>['responses']]} AnswerOf
 */

/**
 * @param {Rest} rest
 * @returns {Api}
 */
export function makeApi(rest) {
  return /** @type {any} */ (
    Object.fromEntries(
      Object.entries(calls).map(([name, call]) => {
        const [method, pattern, hasBody] = call.split(' ');
        return [
          name,
          (/** @type {Record<string, any>} */ input = {}) => {
            const rest_ = { ...input };
            const path = pattern.replace(/\{(\w+)\}/g, (_, key) => {
              delete rest_[key];
              return encodeURIComponent(input[key]);
            });
            return rest.request(method, path, hasBody ? { body: rest_ } : { query: rest_ });
          },
        ];
      })
    )
  );
}
