//! Bringing the database to the form that this program knows.

use anyhow::{Context as _, anyhow};
use diesel_async::{AsyncMigrationHarness, AsyncPgConnection, SimpleAsyncConnection as _};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

/// The migrations of `migrations/`, a part of the program.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!();

/// Applies what is pending. Of several processes that start at once one does it, and the others wait for it.
///
/// # Errors
/// Postgres went away, or a migration failed; it is then rolled back.
pub async fn migrate(mut connection: AsyncPgConnection) -> anyhow::Result<()> {
    // Released when the connection ends. The number is "neonchat" as bytes.
    connection.batch_execute("SELECT pg_advisory_lock(x'6e656f6e63686174'::bigint)").await.context("the lock")?;
    // diesel's migrations block, so they get a thread of their own.
    let pending = move || {
        let mut harness = AsyncMigrationHarness::new(connection);
        for version in harness.run_pending_migrations(MIGRATIONS).map_err(|error| anyhow!(error))? {
            tracing::info!(migration.version = %version, "migration applied");
        }
        Ok(())
    };
    tokio::task::spawn_blocking(pending).await?
}
