//! Deletes rows that are no longer needed in the background: those of closed chats, and what was kept of former members.

use std::time::Duration;

use neonchat_common::tasks::Tasks;

use super::store;
use crate::{
    background::every,
    db::{Db, DbResult},
};

/// How often such rows are looked for.
const INTERVAL: Duration = Duration::from_mins(1);

/// The pause between two statements, so that requests go first.
const PAUSE: Duration = Duration::from_millis(100);

/// Starts the deletion.
pub(crate) fn start(tasks: &Tasks, db: Db) {
    every(tasks, INTERVAL, "rows of groups could not be deleted", move || purge(db.clone()));
}

async fn purge(db: Db) -> DbResult<()> {
    while store::sweep_former_members(&db).await? {
        tokio::time::sleep(PAUSE).await;
    }
    while let Some(chat) = store::find_closed(&db).await? {
        while store::purge(&db, chat).await? {
            tokio::time::sleep(PAUSE).await;
        }
        tracing::info!(chat.id = %chat, "closed chat deleted");
    }
    Ok(())
}
