//! What the tests of every crate stand on: a Postgres and a Redis that `make test` has started.

use std::{env, time::Duration};

use tokio::time::timeout;

use crate::{poll, postgres};

/// The superuser's URL of the cluster that the tests share.
pub const DATABASE_VARIABLE: &str = "NEONCHAT_TEST_DATABASE_URL";

/// The URL of the Redis that the tests share. Keys and channels bear ids that no two tests have in common.
pub const REDIS_VARIABLE: &str = "NEONCHAT_TEST_REDIS_URL";

/// A new, empty database. It goes with the cluster.
///
/// # Panics
/// The test was not started by `make test`, or the cluster refuses.
pub async fn test_database() -> String {
    let cluster = variable(DATABASE_VARIABLE);
    let name = format!("test_{}", uuid::Uuid::new_v4().simple());
    if let Err(error) = postgres::create_database(&cluster, &name).await {
        panic!("no database for the test: {error:#}");
    }
    let (server, _) = cluster.rsplit_once('/').unwrap_or((&cluster, ""));
    format!("{server}/{name}")
}

/// The shared Redis.
///
/// # Panics
/// The test was not started by `make test`.
#[must_use]
pub fn redis_url() -> String {
    variable(REDIS_VARIABLE)
}

/// A `REDIS_NAMESPACE` of the test's own. Each database is a deployment, and deployments that share a Redis need one each.
#[must_use]
pub fn redis_namespace() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// The longest that [`until`] waits.
const CONDITION_TIMEOUT: Duration = Duration::from_secs(30);

/// Waits until `condition` holds, for tests of what no event announces.
///
/// # Panics
/// The condition, which `what` describes, does not hold within 30 s.
pub async fn until(what: &str, condition: impl AsyncFnMut() -> bool) {
    let polling = timeout(CONDITION_TIMEOUT, poll::until(condition));
    polling.await.unwrap_or_else(|_| panic!("not within {CONDITION_TIMEOUT:?}: {what}"));
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run the tests with `make test`, one of them with `make test ARGS='-p CRATE NAME'`")
    })
}
