/**
 * @typedef {{seq: number, created_at: string}} Stamped
 * @typedef {(query: {after: number, limit: number}) => Promise<{messages: Stamped[]}>} Page messages after a `seq`, in ascending order
 */

const PAGE = 50;

/**
 * Finds the first message that is not older than a time. Messages have ascending times, so that a page of them says on which side it is;
 * where to look next follows from how far the times of both ends are away. Ten thousand messages take about four pages.
 * @param {number} at milliseconds since 1970
 * @param {{first: number, last: number, page: Page}} chat its first and last `seq`
 * @returns {Promise<number | undefined>} its `seq`
 */
export async function findFirst(at, { first, last, page }) {
  // It is after `low`, and at or before `high`.
  let low = first - 1;
  let high = last;
  /** @type {number | undefined} */
  let found;
  let lowAt = NaN;
  let highAt = NaN;
  for (let round = 0; low < high; round++) {
    const guess = round && round % 3 ? share(at, lowAt, highAt) : 0.5;
    const start = Math.min(Math.max(low, Math.floor(low + (high - low) * guess) - PAGE / 2), high - 1);
    const { messages } = await page({ after: start, limit: PAGE });
    const hit = messages.find(({ created_at }) => Date.parse(created_at) >= at);
    if (hit && (hit !== messages[0] || start === low)) return hit.seq;
    const end = messages.at(-1);
    if (hit) {
      found = hit.seq;
      high = start;
      highAt = Date.parse(hit.created_at);
    } else if (end) {
      low = end.seq;
      lowAt = Date.parse(end.created_at);
    } else high = start;
  }
  return found;
}

/** How far a time is between two others. @param {number} at @param {number} from @param {number} to */
function share(at, from, to) {
  const part = (at - from) / (to - from);
  return part >= 0 && part <= 1 ? part : 0.5;
}

/** The local day of a time, as the field of the browser wants it. @param {number} at */
export function dayField(at) {
  const date = new Date(at);
  return `${String(date.getFullYear()).padStart(4, '0')}-${String(date.getMonth() + 1).padStart(2, '0')}-${String(date.getDate()).padStart(2, '0')}`;
}

/** When a local day begins. @param {string} day such as 2026-01-31 */
export const dayStart = (day) => Date.parse(`${day}T00:00`);
