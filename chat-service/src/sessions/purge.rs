//! Deletes sessions that ended, in the background.

use std::time::Duration;

use neonchat_common::tasks::Tasks;

use super::store;
use crate::{
    background::every,
    db::{Db, DbResult},
};

/// How often such sessions are looked for.
const INTERVAL: Duration = Duration::from_mins(1);

/// The pause between two statements, so that requests go first.
const PAUSE: Duration = Duration::from_millis(100);

/// Starts the deletion.
pub(super) fn start(tasks: &Tasks, db: Db) {
    every(tasks, INTERVAL, "ended sessions could not be deleted", move || purge(db.clone()));
}

async fn purge(db: Db) -> DbResult<()> {
    while store::sweep(&db).await? {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}
