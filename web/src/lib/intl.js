/** @typedef {Partial<Record<Intl.LDMLPluralRule, string>> & {other: string}} Forms */

/**
 * Returns a function that puts a number into the form of a text that a language uses for it. `#` stands for the number.
 * @param {string} locale
 */
export function plurals(locale) {
  const rules = new Intl.PluralRules(locale);
  const format = new Intl.NumberFormat(locale);
  /** @param {number} n @param {Forms} forms */
  return (n, forms) => (forms[rules.select(n)] ?? forms.other).replace('#', format.format(n));
}

/** @type {Map<string, Intl.DateTimeFormat>} */
const formats = new Map();

/**
 * Formats a date. Formats are kept: making one takes longer than a row of a list may take.
 * @param {string} locale
 * @param {number} at milliseconds since 1970
 * @param {Intl.DateTimeFormatOptions} options
 */
export function formatDate(locale, at, options) {
  const key = locale + JSON.stringify(options);
  let format = formats.get(key);
  if (!format) formats.set(key, (format = new Intl.DateTimeFormat(locale, options)));
  return format.format(at);
}

/**
 * Returns the local calendar day of a time, as a number that differs between days.
 * @param {number} at milliseconds since 1970
 */
export function dayOf(at) {
  const date = new Date(at);
  return date.getFullYear() * 10_000 + date.getMonth() * 100 + date.getDate();
}
