//! A short run of every fault. `make chaos` runs them in full length.

use neonchat_chaos::{Plan, run, summary::is_ci};

/// The same in each run. `make chaos` and `make soak` use random seeds.
const SEED: u64 = 1;

// One thread: the kernel ends a child when the thread that spawned it ends.
#[tokio::test]
async fn guarantees_hold_under_every_fault() {
    let plan = Plan { faults: Vec::new(), seed: SEED, random_for: None, quick: true, logs: None, require_all: is_ci() };
    assert!(
        run(&plan).await.expect("run chaos"),
        "a guarantee was violated or a required fault was skipped: see above"
    );
}
