/** A message has to be in view this long before it counts as read, and the server is told this long after that. */
const DWELL = 400;
const DEBOUNCE = 500;

/**
 * Tells up to where a chat is read: to the last message that was in view for a while, with the page visible and focused. Opening a chat
 * reads nothing.
 * @param {(seq: number) => void} read
 * @param {() => boolean} isAttentive
 */
export function createReading(read, isAttentive = () => document.visibilityState === 'visible' && document.hasFocus()) {
  // The last message in view now, the smallest such since the dwell began, and what is read.
  let inView = 0;
  let dwelling = 0;
  let done = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let dwell;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let telling;

  function begin() {
    clearTimeout(dwell);
    dwell = undefined;
    if (inView <= done || !isAttentive()) return;
    dwelling = inView;
    dwell = setTimeout(end, DWELL);
  }

  function end() {
    dwell = undefined;
    if (!isAttentive()) return;
    if (dwelling > done) {
      done = dwelling;
      telling ??= setTimeout(tell, DEBOUNCE);
    }
    // More has come into view meanwhile.
    begin();
  }

  function tell() {
    telling = undefined;
    read(done);
  }

  return {
    /** The last message in view. @param {number} seq */
    see(seq) {
      inView = seq;
      if (dwell === undefined) begin();
      else if (seq < dwelling) dwelling = seq;
    },
    /** The page has got or lost the attention of the user. */
    attend: begin,
    /** The chat is closed. What was read is told. */
    stop() {
      clearTimeout(dwell);
      if (telling === undefined) return;
      clearTimeout(telling);
      tell();
    },
  };
}
