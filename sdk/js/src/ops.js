/**
 * @typedef {import('./types.js').Op} Op
 * @typedef {import('./types.js').Table} Table
 */

/** @param {Table} table @param {any} row @returns {Op} */
export const put = (table, row) => ({ op: 'put', table, row });

/** @param {Table} table @param {string} key @returns {Op} */
export const remove = (table, key) => ({ op: 'delete', table, key });

/** @param {string} key @param {any} value @returns {Op} */
export const keep = (key, value) => put('kv', { key, value });
