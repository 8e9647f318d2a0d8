//! Migrations of the database.

use anyhow::{Context as _, anyhow};
use diesel_async::{AsyncMigrationHarness, AsyncPgConnection, SimpleAsyncConnection as _};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{Connector, connect::Session, requirements};

/// The migrations in `migrations/`, embedded in the program.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!();

/// Applies pending migrations. If several processes start at the same time, one of them does it while the others wait, until the
/// returned connection closes.
///
/// # Errors
/// Postgres does not meet the requirements, or a migration failed and was rolled back.
pub(crate) async fn apply_migrations(connector: &Connector, mut session: Session) -> anyhow::Result<AsyncPgConnection> {
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
    tokio::task::spawn_blocking(pending).await?
}
