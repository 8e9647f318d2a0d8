//! For the tests of all crates: the Postgres and Redis that `make test` has started.

use std::{env, time::Duration};

use tokio::time::timeout;

use crate::{poll, postgres};

/// The variable with the superuser URL of the shared Postgres.
pub const DATABASE_VARIABLE: &str = "NEONCHAT_TEST_DATABASE_URL";

/// The variable with the URL of the shared Redis. Keys and channels contain IDs that are unique to a test.
pub const REDIS_VARIABLE: &str = "NEONCHAT_TEST_REDIS_URL";

/// The database that [`migrated_database`] copies.
const TEMPLATE: &str = "template_of_tests";

/// Creates an empty database and returns its URL.
///
/// # Panics
/// The test was not started by `make test`, or the database cannot be created.
pub async fn test_database() -> String {
    let (cluster, name) = (variable(DATABASE_VARIABLE), database_name());
    if let Err(error) = postgres::create_database(&cluster, &name).await {
        panic!("create a database for the test: {error:#}");
    }
    postgres::with_database(&cluster, &name)
}

/// Creates a copy of a database that `migrate` has prepared for all tests, and returns its URL. A copy takes less time than
/// preparing each database.
///
/// # Panics
/// As [`test_database`], or `migrate` fails.
pub async fn migrated_database(migrate: impl AsyncFnOnce(&str) -> anyhow::Result<()>) -> String {
    let (cluster, name) = (variable(DATABASE_VARIABLE), database_name());
    if let Err(error) = postgres::copy_database(&cluster, &name, TEMPLATE, migrate).await {
        panic!("create a migrated database for the test: {error:#}");
    }
    postgres::with_database(&cluster, &name)
}

fn database_name() -> String {
    format!("test_{}", uuid::Uuid::new_v4().simple())
}

/// Returns the URL of the shared Redis.
///
/// # Panics
/// The test was not started by `make test`.
#[must_use]
pub fn redis_url() -> String {
    variable(REDIS_VARIABLE)
}

/// Returns a new `REDIS_NAMESPACE`. Each database is a deployment, and each deployment on a shared Redis needs a namespace.
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
