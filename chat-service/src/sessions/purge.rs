//! Deletes sessions that ended, in the background.

use std::time::Duration;

use neonchat_common::tasks::Tasks;

use super::store;
use crate::db::{Db, DbResult};

/// How often such sessions are looked for.
const INTERVAL: Duration = Duration::from_mins(1);

/// The pause between two statements, so that requests go first.
const PAUSE: Duration = Duration::from_millis(100);

/// Starts the deletion. Several instances may do it at the same time.
pub(super) fn start(tasks: &Tasks, db: Db) {
    tasks.spawn_until_stopped(async move {
        let mut tick = tokio::time::interval(INTERVAL);
        loop {
            tick.tick().await;
            if let Err(error) = purge(&db).await {
                tracing::warn!(error.cause = %error, "ended sessions could not be deleted, retrying later");
            }
        }
    });
}

async fn purge(db: &Db) -> DbResult<()> {
    while store::sweep(db).await? {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}
