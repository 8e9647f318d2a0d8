//! Migrations of the database.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use diesel_async::{AsyncMigrationHarness, SimpleAsyncConnection as _};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use tokio::time::{Instant, sleep};

use super::{Connector, connect::Session, requirements};
use crate::users::skeletons;

/// The migrations in `migrations/`, embedded in the program.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!();

/// The pause between attempts to connect.
const PAUSE: Duration = Duration::from_millis(500);

/// Does the same as [`migrate`], but waits up to `wait` for a database that does not answer.
///
/// # Errors
/// The database did not answer in time, or [`migrate`] failed, which is not repeated.
pub async fn wait_and_migrate(wait: Duration, connector: &Connector) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        match connector.connect_without_timeouts().await {
            Ok(session) => break migrate_on(connector, session).await,
            Err(error) if started.elapsed() + PAUSE > wait => {
                let limit = humantime::format_duration(wait);
                break Err(error).with_context(|| format!("the database did not answer within {limit}"));
            }
            Err(error) => tracing::warn!(error.cause = %error, "database connection failed, retrying"),
        }
        sleep(PAUSE).await;
    }
}

/// Applies pending migrations. If several processes start at the same time, one of them does it while the others wait.
///
/// # Errors
/// Postgres does not answer or does not meet the requirements, or a migration failed and was rolled back.
pub async fn migrate(connector: &Connector) -> anyhow::Result<()> {
    migrate_on(connector, connector.connect_without_timeouts().await?).await
}

async fn migrate_on(connector: &Connector, mut session: Session) -> anyhow::Result<()> {
    requirements::check_new_session(connector, &mut session).await?;
    let mut connection = session.connection;
    // The lock is released when the connection closes. Its number is the bytes of "neonchat".
    connection
        .batch_execute("SELECT pg_advisory_lock(x'6e656f6e63686174'::bigint)")
        .await
        .context("acquiring the migration lock")?;
    // diesel's migrations block, so they run on a blocking thread.
    let pending = move || {
        let mut harness = AsyncMigrationHarness::new(connection);
        for version in harness.run_pending_migrations(MIGRATIONS).map_err(|error| anyhow!(error))? {
            tracing::info!(migration.version = %version, "migration applied");
        }
        anyhow::Ok(harness.into_inner())
    };
    let mut connection = tokio::task::spawn_blocking(pending).await??;
    // SQL cannot compute skeletons. Instances of an older version may have registered users without them since the last
    // start.
    skeletons::backfill(&mut connection).await.context("backfilling username skeletons")
}
