// What the environment says of a run. With SMOKE=true each load is a small one, of seconds.

const smoke = __ENV.SMOKE === 'true';

/** Where chat-service is. */
export const baseUrl = __ENV.BASE_URL || 'http://localhost:8080';
/** Where notification-service is. */
export const wsUrl = __ENV.WS_URL || 'ws://localhost:8082';

/** The specification's limits (section 4.1), in milliseconds. */
export const deliveryP95 = number('DELIVERY_P95', 50);
export const restP95 = number('REST_P95', 100);

/** A number above 0: the one of the environment, or the usual one. */
export function number(name, usual, small = usual) {
  const given = __ENV[name];
  const value = given ? Number(given) : smoke ? small : usual;
  if (!(value > 0)) throw new Error(`${name} should be a number above 0, not "${given}"`);
  return value;
}

/** DURATION, such as 90s, 30m or 1h, in seconds. */
export function duration(usual, small) {
  const given = __ENV.DURATION || (smoke ? small : usual);
  const [, value, unit] = /^([1-9]\d*)([smh])$/.exec(given) || [];
  if (!value) throw new Error(`DURATION should be like 90s, 30m or 1h, not "${given}"`);
  return value * { s: 1, m: 60, h: 3600 }[unit];
}

/** The same for all scripts. */
export const common = {
  batch: 20,
  batchPerHost: 20,
  setupTimeout: '20m', // 5,000 passwords are hashed twice: minutes where BCRYPT_COST is as in production
  summaryTrendStats: ['med', 'p(95)', 'p(99)', 'max'],
};
