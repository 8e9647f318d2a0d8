// One clock for all virtual users. `Date.now()` has only milliseconds, and jumps when the system clock is set.

import exec from 'k6/execution';

/** Returns the milliseconds since the start of the run, with fractions. */
export function now() {
  return exec.instance.currentTestRunDuration;
}

/** Returns the start of this virtual user's scenario on that clock. */
export function scenarioStart() {
  return now() - (Date.now() - exec.scenario.startTime);
}

/** Calls `action` at `time`, or at once if `time` has passed. */
export function at(time, action) {
  setTimeout(action, Math.max(0, Math.ceil(time - now())));
}
