//! A short run of every fault. `make chaos` takes its time, and says more.

use neonchat_chaos::{Plan, run, summary::is_ci};

/// The same each time: chance is for `make chaos` and `make soak`.
const SEED: u64 = 1;

// One thread: the kernel ends a child when the thread that spawned it does.
#[tokio::test]
async fn every_promise_is_kept_whatever_fails() {
    let plan = Plan { faults: Vec::new(), seed: SEED, random_for: None, quick: true, logs: None, require_all: is_ci() };
    assert!(
        run(&plan).await.expect("a run to its end"),
        "a promise was broken or a required fault was skipped: see above"
    );
}
