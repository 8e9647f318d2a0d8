// Settings of a run, from the environment. SMOKE=true makes each load small and a few seconds long.

const smoke = __ENV.SMOKE === 'true';

/** The URL of chat-service. */
export const baseUrl = __ENV.BASE_URL || 'http://localhost:8080';
/** The URL of notification-service. */
export const wsUrl = __ENV.WS_URL || 'ws://localhost:8082';

/** The specification's limits (section 4.1), in milliseconds. */
export const deliveryP95 = number('DELIVERY_P95', 50);
export const restP95 = number('REST_P95', 100);

/** Returns a number above 0 from the environment, or the default. */
export function number(name, usual, small = usual) {
  const given = __ENV[name];
  const value = given ? Number(given) : smoke ? small : usual;
  if (!(value > 0)) throw new Error(`${name} has to be a number above 0, not "${given}"`);
  return value;
}

/** Returns DURATION, such as 90s, 30m or 1h, in seconds. */
export function duration(usual, small) {
  const given = __ENV.DURATION || (smoke ? small : usual);
  const [, value, unit] = /^([1-9]\d*)([smh])$/.exec(given) || [];
  if (!value) throw new Error(`DURATION has to be like 90s, 30m or 1h, not "${given}"`);
  return value * { s: 1, m: 60, h: 3600 }[unit];
}

/** Options of all scripts. */
export const common = {
  batch: 20,
  batchPerHost: 20,
  setupTimeout: '20m', // 5,000 passwords are hashed twice, which takes minutes with BCRYPT_COST=10
  summaryTrendStats: ['med', 'p(95)', 'p(99)', 'max'],
};
