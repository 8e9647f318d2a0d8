/**
 * Ranges of `seq`, ascending and apart. The last one ends at the cursor, and may be empty.
 * @typedef {[number, number][]} Segments
 */

/**
 * Returns the segments together with a further range.
 * @param {Segments} segments
 * @param {number} from
 * @param {number} to
 * @returns {Segments}
 */
export function covering(segments, from, to) {
  if (to < from) return segments;
  /** @type {Segments} */
  const out = [];
  for (const [a, b] of [...segments, /** @type {[number, number]} */ ([from, to])].sort((x, y) => x[0] - y[0])) {
    const last = out.at(-1);
    // Adjacent ranges are one: there is nothing between them.
    if (last && a <= last[1] + 1) last[1] = Math.max(last[1], b);
    else out.push([a, b]);
  }
  return out;
}

/**
 * Returns the segments without what is below a `seq`.
 * @param {Segments} segments
 * @param {number} below
 * @returns {Segments}
 */
export function clipped(segments, below) {
  /** @type {Segments} */
  const rest = segments.map(([from, to]) => [Math.max(from, below), Math.max(to, below - 1)]);
  return rest.filter(([from, to], n) => from <= to || n === rest.length - 1);
}
