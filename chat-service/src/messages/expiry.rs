//! Deletes the content of messages that have disappeared, in the background.
//!
//! Every answer hides it from `expires_at` on, so this is late without harm. It makes no event: clients know when a message disappears.

use std::time::Duration;

use metrics::counter;
use neonchat_common::tasks::Tasks;

use super::store;
use crate::{
    background::every,
    db::{Db, DbResult},
};

/// The number of messages whose content was deleted.
pub(crate) const EXPIRED_TOTAL: &str = "chat_messages_expired_total";

/// How often such messages are looked for.
const INTERVAL: Duration = Duration::from_secs(30);

/// The pause between two statements, so that requests go first.
const PAUSE: Duration = Duration::from_millis(20);

/// Starts the deletion.
pub(crate) fn start(tasks: &Tasks, db: Db) {
    every(tasks, INTERVAL, "messages that disappeared could not be deleted", move || wipe(db.clone()));
}

async fn wipe(db: Db) -> DbResult<()> {
    loop {
        let (expired, is_last) = store::find_expired(&db).await?;
        for (chat, messages) in expired {
            let wiped = store::wipe(&db, chat, &messages).await?;
            counter!(EXPIRED_TOTAL).increment(wiped);
            tokio::time::sleep(PAUSE).await;
        }
        if is_last {
            return Ok(());
        }
    }
}
