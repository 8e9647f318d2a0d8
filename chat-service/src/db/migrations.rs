//! Bringing the database to the form that this program knows.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use diesel_async::{AsyncMigrationHarness, SimpleAsyncConnection as _};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use tokio::time::{Instant, sleep};

use super::{Connector, connect::Session, requirements};
use crate::users::skeletons;

/// The migrations of `migrations/`, a part of the program.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!();

/// How long to wait before a database that did not answer is asked again.
const PAUSE: Duration = Duration::from_millis(500);

/// [`migrate`], for a process that does nothing else: the database may take as long as `wait` to answer.
///
/// # Errors
/// It did not answer in time; or as [`migrate`], which is not tried again.
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

/// Applies pending migrations. Of several processes that start at once one does it, and the others wait for it.
///
/// # Errors
/// Postgres does not answer, or is not as this program needs it; or a migration failed, and was rolled back.
pub async fn migrate(connector: &Connector) -> anyhow::Result<()> {
    migrate_on(connector, connector.connect_without_timeouts().await?).await
}

async fn migrate_on(connector: &Connector, mut session: Session) -> anyhow::Result<()> {
    requirements::check_new_session(connector, &mut session).await?;
    let mut connection = session.connection;
    // Released when the connection ends. The number is "neonchat" as bytes.
    connection
        .batch_execute("SELECT pg_advisory_lock(x'6e656f6e63686174'::bigint)")
        .await
        .context("acquiring the migration lock")?;
    // diesel's migrations block, so they get a thread of their own.
    let pending = move || {
        let mut harness = AsyncMigrationHarness::new(connection);
        for version in harness.run_pending_migrations(MIGRATIONS).map_err(|error| anyhow!(error))? {
            tracing::info!(migration.version = %version, "migration applied");
        }
        anyhow::Ok(harness.into_inner())
    };
    let mut connection = tokio::task::spawn_blocking(pending).await??;
    // What SQL cannot compute, also for users whom an instance of an older version has registered since.
    skeletons::backfill(&mut connection).await.context("backfilling username skeletons")
}
