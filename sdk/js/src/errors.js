/** An answer of the API that is an error (RFC 9457). Act on `code`. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {any} problem the body
   * @param {number} [retryAfterMs]
   */
  constructor(status, problem, retryAfterMs) {
    super(problem?.detail ?? `status ${status}`);
    this.name = 'ApiError';
    this.status = status;
    /** @type {string} */
    this.code = problem?.code ?? (status < 500 ? 'unknown' : 'unavailable');
    /** @type {string | undefined} */
    this.reason = problem?.reason;
    this.retryAfterMs = retryAfterMs;
    /** The whole body. */
    this.problem = problem;
  }

  /** Whether the same request may succeed later. */
  get retryable() {
    return this.status === 429 || this.status >= 500;
  }
}

/** No answer: the network or the server is away. */
export class NetworkError extends Error {
  /** @param {unknown} [cause] */
  constructor(cause) {
    super('no answer from the server', { cause });
    this.name = 'NetworkError';
    this.code = 'network';
    this.retryable = true;
  }
}

/** Nobody is signed in (any more). */
export class SignedOutError extends Error {
  /** @param {string} reason */
  constructor(reason) {
    super(`signed out: ${reason}`);
    this.name = 'SignedOutError';
    this.code = 'signed_out';
    this.reason = reason;
    this.retryable = false;
  }
}

/** A message or change is not stored. It stays in the outbox until `retry` or `cancel`. */
export class SendError extends Error {
  /**
   * @param {string} code
   * @param {string} [reason]
   */
  constructor(code, reason) {
    super(reason ? `${code}: ${reason}` : code);
    this.name = 'SendError';
    this.code = code;
    this.reason = reason;
  }
}
