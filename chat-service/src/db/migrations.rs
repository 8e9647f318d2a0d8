//! Migrations of the database.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use diesel::{QueryResult, define_sql_function, migration, pg::Pg, sql_types::BigInt};
use diesel_async::{AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl as _};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use tokio::time::sleep;

use super::{Connector, connect::Session, requirements};

/// The migrations in `migrations/`, embedded in the program.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!();

/// The key of the lock that one migrating process holds.
const LOCK_KEY: i64 = i64::from_be_bytes(*b"neonchat");

/// The pause between attempts to get the lock.
const LOCK_PAUSE: Duration = Duration::from_millis(100);

define_sql_function! {
    /// `pg_try_advisory_lock`.
    fn pg_try_advisory_lock(key: BigInt) -> Bool;
}

/// Applies pending migrations. If several processes start at the same time, one of them does it while the others wait, until the
/// returned connection closes.
///
/// # Errors
/// Postgres does not meet the requirements, or a migration failed and was rolled back.
pub(crate) async fn apply_migrations(connector: &Connector, mut session: Session) -> anyhow::Result<AsyncPgConnection> {
    requirements::check_new_session(connector, &mut session).await?;
    let mut connection = session.connection;
    lock(&mut connection).await.context("acquiring the migration lock")?;
    // diesel's migrations block, so they run on a blocking thread.
    let pending = move || {
        let mut harness = AsyncMigrationHarness::new(connection);
        run_pending(&mut harness).map_err(|error| anyhow!(error))?;
        anyhow::Ok(harness.into_inner())
    };
    tokio::task::spawn_blocking(pending).await?
}

fn run_pending(harness: &mut impl MigrationHarness<Pg>) -> migration::Result<()> {
    for pending in harness.pending_migrations(MIGRATIONS)? {
        if !pending.metadata().run_in_transaction() {
            // An attempt that was interrupted is not rolled back: it leaves an invalid index, or a complete one that is not
            // recorded.
            harness.revert_migration(&pending)?;
        }
        let version = harness.run_migration(&pending)?;
        tracing::info!(migration.version = %version, "migration applied");
    }
    Ok(())
}

/// Waits for the lock. It is released when the connection closes.
///
/// It polls: `pg_advisory_lock` waits inside a transaction, and a `CREATE INDEX CONCURRENTLY` of the process that has the lock
/// waits for all transactions to end.
async fn lock(connection: &mut AsyncPgConnection) -> QueryResult<()> {
    while !diesel::select(pg_try_advisory_lock(LOCK_KEY)).get_result::<bool>(connection).await? {
        sleep(LOCK_PAUSE).await;
    }
    Ok(())
}
