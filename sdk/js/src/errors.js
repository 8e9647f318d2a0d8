/**
 * @typedef {object} More
 * @property {number} [status] of an answer of the API
 * @property {string} [reason] more than the code says, for instance why it is forbidden
 * @property {string} [detail] what is wrong, for people
 * @property {boolean} [retryable] whether the same request may succeed later
 * @property {number} [retryAfterMs] when, if the server says it
 * @property {any} [problem] the body of the answer (RFC 9457)
 * @property {unknown} [cause]
 */

/** An error with a stable `code`: one of the API, `network` (no answer), `signed_out`, `cancelled` or `closed`. */
export class NeonChatError extends /** @type {new (message: string) => Error & More} */ (Error) {
  /** @override */
  name = 'NeonChatError';
  /**
   * @param {string} code
   * @param {More} [more]
   */
  constructor(code, more = {}) {
    const text = more.detail ?? more.reason;
    super(text ? `${code}: ${text}` : code);
    this.code = code;
    Object.assign(this, more);
  }
}

/** @param {unknown} cause */
export const noAnswer = (cause) => new NeonChatError('network', { retryable: true, cause });

/** @param {string} reason */
export const signedOut = (reason) => new NeonChatError('signed_out', { reason });
