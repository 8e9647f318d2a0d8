//! Makes the events of gathered reactions, and forgets old requests, in the background.

use std::{sync::Arc, time::Duration};

use neonchat_common::tasks::Tasks;
use tokio::sync::Notify;

use super::store::{self, Gathered};
use crate::{
    background::every,
    db::{Db, DbResult},
    notifier::Notifier,
};

/// How often messages are looked for while reactions are gathered.
const INTERVAL: Duration = Duration::from_millis(250);

/// How often else: for reactions of an instance that was stopped.
const IDLE_INTERVAL: Duration = Duration::from_secs(2);

/// How often old requests are looked for.
const FORGETTING_INTERVAL: Duration = Duration::from_mins(10);

/// The pause between two statements that forget requests, so that reactions go first.
const PAUSE: Duration = Duration::from_millis(100);

/// Starts both tasks. Several instances may do it at the same time.
pub(super) fn start(tasks: &Tasks, db: Db, notifier: Notifier, gathered: Arc<Notify>) {
    let publishing = tasks.clone();
    let requests = db.clone();
    every(tasks, FORGETTING_INTERVAL, "old requests could not be deleted", move || forget(requests.clone()));
    tasks.spawn_until_stopped(async move {
        loop {
            let is_busy = run(&db, &notifier, &publishing).await.unwrap_or_else(|error| {
                tracing::warn!(error.cause = %error, "gathered reactions could not be counted, retrying later");
                false
            });
            if is_busy {
                tokio::time::sleep(INTERVAL).await;
            } else {
                let _ = tokio::time::timeout(IDLE_INTERVAL, gathered.notified()).await;
            }
        }
    });
}

/// Makes the events whose time has come. Returns whether there are others.
async fn run(db: &Db, notifier: &Notifier, tasks: &Tasks) -> DbResult<bool> {
    for due in store::due(db).await? {
        if let Some(Gathered { chat, event }) = store::gather(db, due).await? {
            let (notifier, announcement) = (notifier.clone(), event.announcement(chat));
            tasks.spawn(async move { notifier.changed(announcement).await });
        }
    }
    store::has_due(db).await
}

async fn forget(db: Db) -> DbResult<()> {
    while store::forget_old_requests(&db).await? {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}
