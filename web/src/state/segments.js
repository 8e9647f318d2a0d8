/**
 * @typedef {import('./client.js').Message} Message
 *
 * @typedef {object} Row one message of a chat
 * @property {string} key the same before and after the message is stored: no second bubble appears for it
 * @property {Message} message
 * @property {'sending' | 'failed' | 'stored'} state
 * @property {string} [code] why it failed
 * @property {string} [reason]
 * @property {'edit' | 'delete'} [change] a change that is on its way, and shown already
 *
 * @typedef {object} Segment a part of the history without holes
 * @property {number} from the `seq`s that it covers
 * @property {number} to
 * @property {Row[]} rows ascending
 * @property {boolean} older whether there is more before it
 * @property {boolean} newer whether there is more after it; otherwise it ends with the chat
 */

/** When a message disappears. @param {Message} message */
export const expiryOf = ({ expires_at, deleted }) => (expires_at && !deleted ? Date.parse(expires_at) : Infinity);

/** Runs something then, or within a day. @param {number} at @param {() => void} run */
export const runAt = (at, run) => (at < Infinity ? setTimeout(run, Math.min(at - Date.now(), 86_400_000)) : undefined);

/** @param {Message} message @param {string} me */
export const keyOf = (message, me) => (message.sender_id === me && message.request_id ? message.request_id : message.id);

/**
 * Returns the index of the first row from a `seq` on.
 * @param {Row[]} rows
 * @param {number} seq
 */
export function indexOf(rows, seq) {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle].message.seq < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The rows of both, each `seq` once; those of `b` count. @param {Row[]} a @param {Row[]} b @returns {Row[]} */
function union(a, b) {
  const rows = [];
  let i = 0;
  for (const row of b) {
    while (i < a.length && a[i].message.seq < row.message.seq) rows.push(a[i++]);
    if (a[i]?.message.seq === row.message.seq) i++;
    rows.push(row);
  }
  for (; i < a.length; i++) rows.push(a[i]);
  return rows;
}

/**
 * Returns the segments with a further one. Segments that touch become one; what is between others stays unknown.
 * @param {Segment[]} segments ascending and apart
 * @param {Segment} added
 * @returns {{segments: Segment[], merged: Segment}}
 */
export function withSegment(segments, added) {
  let merged = added;
  const apart = [];
  for (const other of segments) {
    if (other.to + 1 < merged.from || merged.to + 1 < other.from) {
      apart.push(other);
      continue;
    }
    merged = {
      from: Math.min(other.from, merged.from),
      to: Math.max(other.to, merged.to),
      rows: union(other.rows, merged.rows),
      older: other.from < merged.from ? other.older : merged.from < other.from ? merged.older : other.older && merged.older,
      newer: other.to > merged.to ? other.newer : merged.to > other.to ? merged.newer : other.newer && merged.newer,
    };
  }
  return { segments: [...apart, merged].sort((a, b) => a.from - b.from), merged };
}

/**
 * Returns a segment that is short enough: without rows at the end that was not extended.
 * @param {Segment} segment
 * @param {number} most
 * @param {'older' | 'newer'} extended
 * @returns {Segment}
 */
export function shortened(segment, most, extended) {
  const { rows } = segment;
  if (rows.length <= most) return segment;
  if (extended === 'older') {
    const kept = rows.slice(0, most);
    return { ...segment, rows: kept, to: kept[most - 1].message.seq, newer: true };
  }
  const kept = rows.slice(-most);
  return { ...segment, rows: kept, from: kept[0].message.seq, older: true };
}
