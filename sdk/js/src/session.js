import { noAnswer, signedOut } from './errors.js';

/** How long before its end a token is refreshed, and the random part of that. */
const LEAD = 60_000;
const JITTER = 10_000;
/** The pause after a refresh without an answer. */
const RETRY = 5_000;
/** A token is not refreshed more often, however short it is valid. */
const LEAST = 1_000;
/** The longest timer of browsers is 2^31 - 1 ms. */
const LONGEST = 2_000_000_000;

/**
 * @typedef {import('./types.js').SessionData} SessionData
 * @typedef {ReturnType<typeof createSession>} Session
 */

/**
 * The tokens of the signed-in user. At most one refresh is in flight, in all tabs together.
 * @param {Pick<import('./types.js').Context, 'now' | 'timer' | 'random' | 'uuid' | 'rest'>} context
 * @param {() => Promise<SessionData | undefined>} load the stored session
 * @param {(data: SessionData | null) => Promise<void>} save
 * @param {(work: () => Promise<void>) => Promise<void>} alone runs `work` while no other tab refreshes
 * @param {(token: string) => void} renewed
 * @param {(reason: string) => Promise<void>} ended
 */
export function createSession({ now, timer, random, uuid, rest }, load, save, alone, renewed, ended) {
  /** @type {SessionData | null} */
  let data = null;
  // Counts sign-ins and sign-outs: the result of a refresh that began before the last one is dropped.
  let generation = 0;
  /** @type {Promise<void> | undefined} */
  let refreshing;
  const renewal = timer();
  let scheduled = false;

  /** @param {any} answer of a login or a refresh @param {string | true} [refresh] @returns {SessionData} */
  function read({ token, expires_in, refresh_token, session_id, user }, refresh) {
    return {
      access: token,
      access_expires_at: now() + expires_in * 1000,
      lifetime: expires_in * 1000,
      refresh: refresh_token ?? refresh,
      user: { id: user.id, username: user.username },
      device_id: session_id ?? data?.device_id ?? uuid(),
    };
  }

  /** Uses a session, for instance of another tab or of a former run; `null` ends it. @param {SessionData | null} fresh */
  function adopt(fresh) {
    const former = data;
    data = fresh;
    if (data?.user.id !== former?.user.id) generation++;
    else if (data?.access && data.access !== former?.access) renewed(data.access);
    schedule(scheduled);
  }

  /** Takes the answer of a login. @param {any} answer @param {boolean} [cookie] whether the refresh token is in a cookie */
  async function accept(answer, cookie) {
    generation++;
    const fresh = read(answer, cookie || undefined);
    await save(fresh);
    adopt(fresh);
  }

  /** Returns a token that has not expired. */
  async function token() {
    if (!data) throw signedOut('no_session');
    if (!data.access || now() >= data.access_expires_at) await refresh(data.access);
    return /** @type {string} */ (data?.access);
  }

  /**
   * Gets a new token, unless the session has another one than `used` already.
   * @param {string} [used]
   * @returns {Promise<void>}
   */
  function refresh(used) {
    if (data?.access && data.access !== used) return Promise.resolve();
    return (refreshing ??= renew(used).finally(() => (refreshing = undefined)));
  }

  /** @param {string} [used] */
  async function renew(used) {
    const mine = generation;
    const check = () => {
      if (mine === generation && data) return data;
      throw signedOut('changed');
    };
    await alone(async () => {
      const stored = await load();
      const { refresh, user, access_expires_at } = check();
      if (stored?.access && stored.access !== used && stored.user.id === user.id && stored.access_expires_at > now()) return adopt(stored);
      if (!refresh) return end(now() < access_expires_at ? 'unauthorized' : 'token_expired');
      const cookie = refresh === true;
      let fresh;
      try {
        fresh = read(await rest.request('POST', '/auth/refresh', { body: cookie ? {} : { refresh_token: refresh }, token: null, cookie }), refresh);
      } catch (/** @type {any} */ error) {
        check();
        const { status, code, retryable, problem } = error;
        if (retryable) throw error;
        // The page of a proxy says nothing about the session.
        if (status !== 401 && typeof problem?.code !== 'string') throw noAnswer(error);
        return end(code);
      }
      check();
      // Stored before it is used: the server accepts the former refresh token for a minute only.
      await save(fresh);
      check();
      adopt(fresh);
    });
  }

  /**
   * The session is over. The data stays for the next sign-in of this user, except after `logout`.
   * @param {string} reason
   * @returns {Promise<never>}
   */
  async function end(reason) {
    adopt(null);
    await save(null);
    await ended(reason);
    throw signedOut(reason);
  }

  /** Refreshes in time, or not before a token is needed. @param {boolean} isOn */
  function schedule(isOn) {
    scheduled = isOn;
    renewal.clear();
    if (!data || !isOn) return;
    const lead = data.refresh ? Math.min(LEAD + random() * JITTER, data.lifetime / 4) : 0;
    const used = data.access;
    const attempt = () => {
      refresh(used).catch(({ retryable, retryAfterMs }) => retryable && scheduled && renewal.set(retryAfterMs ?? RETRY, attempt));
    };
    // The difference is not a number if the answer did not say how long the token is valid.
    renewal.set(Math.min(Math.max(data.access_expires_at - lead - now() || 0, LEAST), LONGEST), attempt);
  }

  return {
    get data() {
      return data;
    },
    /** The id of the user. */
    get me() {
      return data?.user.id;
    },
    adopt,
    accept,
    token,
    refresh,
    end,
    schedule,
    async logout() {
      try {
        await rest.request('POST', '/auth/logout', { cookie: data?.refresh === true });
      } catch (/** @type {any} */ error) {
        // A session that the server does not know any more has ended as well.
        if (error.code !== 'signed_out' && error.status !== 401) throw error;
      } finally {
        // Also without a network nothing stays here.
        await end('logout').catch(() => {});
      }
    },
  };
}
