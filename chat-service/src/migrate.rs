//! Prepares the database for this version: applies migrations, then computes what SQL cannot.

use std::time::Duration;

use anyhow::Context as _;
use tokio::time::{Instant, sleep};

use crate::{
    db::{self, Connector, Session},
    users::skeletons,
};

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

async fn migrate_on(connector: &Connector, session: Session) -> anyhow::Result<()> {
    let mut connection = db::apply_migrations(connector, session).await?;
    // SQL cannot compute skeletons. Instances of an older version may have registered users without them since the last
    // start.
    skeletons::backfill(&mut connection).await.context("backfilling username skeletons")
}
