// One clock for all virtual users. `Date.now()` has milliseconds only, and jumps when the system's clock is set.

import exec from 'k6/execution';

/** Milliseconds since the run began, with their fraction. */
export function now() {
  return exec.instance.currentTestRunDuration;
}

/** When the scenario of this virtual user began, on that clock. */
export function scenarioStart() {
  return now() - (Date.now() - exec.scenario.startTime);
}

/** Calls `action` at `time`: never before it, and at once if it has passed. */
export function at(time, action) {
  setTimeout(action, Math.max(0, Math.ceil(time - now())));
}
