/**
 * Where a key leads in a grid of rows of different lengths.
 * @param {string} key
 * @param {number[]} lengths of the rows
 * @param {{row: number, column: number}} from
 * @returns {{row: number, column: number} | null} `null`: the key leads nowhere
 */
export function moveInGrid(key, lengths, { row, column }) {
  const last = lengths.length - 1;
  const at = (/** @type {number} */ r, /** @type {number} */ c) => ({ row: r, column: Math.min(c, lengths[r] - 1) });
  switch (key) {
    case 'ArrowRight':
      return column + 1 < lengths[row] ? at(row, column + 1) : row < last ? at(row + 1, 0) : null;
    case 'ArrowLeft':
      return column > 0 ? at(row, column - 1) : row > 0 ? at(row - 1, Infinity) : null;
    case 'ArrowDown':
      return row < last ? at(row + 1, column) : null;
    case 'ArrowUp':
      return row > 0 ? at(row - 1, column) : null;
    case 'PageDown':
      return at(Math.min(row + 5, last), column);
    case 'PageUp':
      return at(Math.max(row - 5, 0), column);
    case 'Home':
      return at(row, 0);
    case 'End':
      return at(row, Infinity);
    default:
      return null;
  }
}
