import { ApiError, NetworkError, SignedOutError } from './errors.js';

/** How long before its end a token is refreshed, and the random part of that. */
const LEAD = 60_000;
const JITTER = 10_000;
/** The pause after a refresh without an answer. */
const RETRY = 5_000;
/** The longest timer of browsers is 2^31 - 1 ms. */
const LONGEST = 2_000_000_000;

/**
 * @typedef {import('./types.js').SessionData} SessionData
 *
 * @typedef {object} Host what the session needs of the client
 * @property {import('./rest.js').Rest} rest
 * @property {import('./types.js').Clock} clock
 * @property {() => number} random
 * @property {() => string} uuid
 * @property {() => Promise<SessionData | undefined>} load the stored session
 * @property {(data: SessionData | null) => Promise<void>} save
 * @property {<T>(work: () => Promise<T>) => Promise<T>} exclusively runs `work` while no other tab refreshes
 * @property {(data: SessionData | null) => void} changed
 * @property {(reason: string) => void} ended
 */

/** The tokens of the signed-in user. At most one refresh is in flight, in all tabs together. */
export class Session {
  /** @type {SessionData | null} */
  data = null;
  #host;
  /** Counts sign-ins and sign-outs: the result of a refresh that began before the last one is dropped. */
  #generation = 0;
  /** @type {Promise<void> | undefined} */
  #refreshing;
  /** @type {any} */
  #timer;

  /** @param {Host} host */
  constructor(host) {
    this.#host = host;
  }

  /** @param {{username: string, password: string, device_name?: string, cookie?: boolean, [member: string]: any}} credentials */
  async login(credentials) {
    const { rest } = this.#host;
    const answer = await rest.request('POST', '/auth/login', { body: credentials, token: null, cookie: credentials.cookie });
    return this.accept(answer, credentials.cookie);
  }

  /**
   * Takes the answer of a login, for instance of `POST /auth/login/second`.
   * @param {any} answer
   * @param {boolean} [cookie] whether the server has put the refresh token into a cookie
   */
  async accept(answer, cookie) {
    this.#generation++;
    const data = this.#read(answer, cookie ? true : undefined);
    await this.#host.save(data);
    this.adopt(data);
    return data;
  }

  /** @param {any} answer @param {string | true | undefined} refresh @returns {SessionData} */
  #read(answer, refresh) {
    const lifetime = answer.expires_in * 1000;
    return {
      access: answer.token,
      access_expires_at: this.#host.clock.now() + lifetime,
      lifetime,
      refresh: answer.refresh_token ?? refresh,
      user: { id: answer.user.id, username: answer.user.username },
      device_id: answer.session_id ?? this.data?.device_id ?? this.#host.uuid(),
    };
  }

  /**
   * Uses a session of another tab or of the store, or ends it.
   * @param {SessionData | null} data
   */
  adopt(data) {
    if (!data || data.user.id !== this.data?.user.id) this.#generation++;
    this.data = data;
    this.#host.changed(data);
    if (this.#timer) this.schedule();
  }

  /** Returns a token that has not expired. */
  async token() {
    const { data } = this;
    if (!data) throw new SignedOutError('no_session');
    if (!data.access || this.#host.clock.now() >= data.access_expires_at) await this.refresh(data.access);
    return /** @type {string} */ (this.data?.access);
  }

  /**
   * Gets a new token, unless the session has another one than `used` already.
   * @param {string} [used]
   * @returns {Promise<void>}
   */
  refresh(used) {
    if (this.data?.access && this.data.access !== used) return Promise.resolve();
    return (this.#refreshing ??= this.#refresh(used).finally(() => (this.#refreshing = undefined)));
  }

  /** @param {string} [used] */
  async #refresh(used) {
    const { exclusively, load, rest, save, clock } = this.#host;
    const generation = this.#generation;
    const check = () => {
      if (generation !== this.#generation) throw new SignedOutError('changed');
    };
    await exclusively(async () => {
      check();
      const stored = await load();
      check();
      const data = /** @type {SessionData} */ (this.data);
      if (stored?.access && stored.access !== used && stored.user.id === data.user.id && stored.access_expires_at > clock.now()) {
        return this.adopt(stored);
      }
      if (!data.refresh) return this.end(generation, 'token_expired');
      let answer;
      try {
        const cookie = data.refresh === true;
        const body = cookie ? {} : { refresh_token: data.refresh };
        answer = await rest.request('POST', '/auth/refresh', { body, token: null, cookie });
      } catch (error) {
        check();
        if (!(error instanceof ApiError) || error.retryable) throw error;
        return this.end(generation, error.code);
      }
      check();
      const fresh = this.#read(answer, data.refresh);
      // Stored before it is used: the server accepts the former refresh token for a minute only.
      await save(fresh);
      check();
      this.adopt(fresh);
    });
  }

  /**
   * Ends the session because the server does not accept it any more. The data stays for the next sign-in of this user.
   * @param {number} generation
   * @param {string} reason
   * @returns {Promise<never>}
   */
  async end(generation, reason) {
    if (generation === this.#generation) {
      await this.#host.save(null);
      if (generation === this.#generation) {
        this.adopt(null);
        this.#host.ended(reason);
      }
    }
    throw new SignedOutError(reason);
  }

  /** @param {string} reason */
  endNow(reason) {
    return this.end(this.#generation, reason).catch(() => {});
  }

  /** Refreshes in time from now on. */
  schedule() {
    const { clock, random } = this.#host;
    this.unschedule();
    const { data } = this;
    this.#timer = -1;
    if (!data) return;
    const lead = data.refresh ? Math.min(LEAD + random() * JITTER, data.lifetime / 4) : 0;
    const wait = Math.max(0, data.access_expires_at - lead - clock.now());
    this.#timer = clock.setTimeout(() => (wait > LONGEST ? this.schedule() : this.#renew(data)), Math.min(wait, LONGEST));
  }

  /** @param {SessionData} data */
  #renew(data) {
    const { clock } = this.#host;
    this.refresh(data.access).catch((error) => {
      if (!(error instanceof NetworkError || error instanceof ApiError) || !this.#timer) return;
      this.#timer = clock.setTimeout(() => this.#renew(data), error instanceof ApiError ? (error.retryAfterMs ?? RETRY) : RETRY);
    });
  }

  /** Does not refresh any more before a token is needed. */
  unschedule() {
    if (this.#timer && this.#timer !== -1) this.#host.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async logout() {
    const { rest, save } = this.#host;
    const { data } = this;
    if (!data) return;
    try {
      await rest.request('POST', '/auth/logout', { cookie: data.refresh === true });
    } catch (error) {
      // A session that the server does not know any more has ended as well.
      if (!(error instanceof SignedOutError) && !(error instanceof ApiError && error.status === 401)) throw error;
    }
    this.#generation++;
    await save(null);
    this.adopt(null);
    this.#host.ended('logout');
  }
}
