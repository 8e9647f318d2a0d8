/**
 * @typedef {import('./types.js').Op} Op
 * @typedef {import('./types.js').Table} Table
 */

/** Whether two values are the same as JSON. @param {any} a @param {any} b */
export const isSame = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** @param {Table} table @param {any} row @returns {Op} */
export const put = (table, row) => ({ op: 'put', table, row });

/** @param {Table} table @param {string} key @returns {Op} */
export const remove = (table, key) => ({ op: 'delete', table, key });

/** @param {string} key @param {any} value @returns {Op} */
export const keep = (key, value) => put('kv', { key, value });
