//! Deletes the messages of members who were removed together with them, in the background: the last 1,000 of each among the last 100,000
//! events of the chat, in events of up to 100.
//!
//! The request is stored with the removal, so it survives a crash. The messages are deleted in the name of the user who asked, with the
//! rights that this user has then. Requests wait while `EVENTS` is off.

use std::{sync::Arc, time::Duration};

use neonchat_common::{error::ApiError, tasks::Tasks};
use tokio::sync::Notify;

use super::store::{self, Cleanup};
use crate::{
    changes::service::Changes,
    db::Db,
    messages::change::{Change, NewChange},
};

/// How often requests are looked for that another instance could not finish.
const INTERVAL: Duration = Duration::from_secs(30);

/// The pause between two events, so that messages go first.
const PAUSE: Duration = Duration::from_millis(50);

/// Wakes the job.
#[derive(Clone, Debug, Default)]
pub(crate) struct CleanupSignal(Arc<Notify>);

impl CleanupSignal {
    pub(super) fn wake(&self) {
        self.0.notify_one();
    }
}

/// Starts the job. Several instances may do it at the same time.
pub(crate) fn start(tasks: &Tasks, db: Db, changes: Changes, signal: CleanupSignal) {
    tasks.spawn_until_stopped(async move {
        let mut tick = tokio::time::interval(INTERVAL);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = signal.0.notified() => {}
            }
            if let Err(error) = run(&db, &changes).await {
                tracing::warn!(error.cause = %error, "messages of removed members could not be deleted, retrying later");
            }
        }
    });
}

async fn run(db: &Db, changes: &Changes) -> Result<(), ApiError> {
    while let Some(cleanup) = store::claim_cleanup(db).await? {
        clean_up(db, changes, cleanup).await?;
    }
    Ok(())
}

/// Deletes the messages of one user. It does not renew the claim: after 30 s another instance may help.
async fn clean_up(db: &Db, changes: &Changes, cleanup: Cleanup) -> Result<(), ApiError> {
    let mut next = Some(cleanup);
    while let Some(cleanup) = next {
        let step = cleanup.next(db).await?;
        let has_messages = !step.messages.is_empty();
        if has_messages {
            let change = Change::Delete { messages: step.messages.clone() };
            let change = NewChange { chat: cleanup.chat(), actor: cleanup.by(), request_id: None, change };
            match changes.apply_and_publish(change).await {
                Ok(_) => {}
                Err(error) if error.is_retryable() => return Err(error),
                Err(error) => {
                    tracing::info!(
                        chat.id = %cleanup.chat(), user.id = %cleanup.user(), error.cause = %error,
                        "messages of a removed member are not deleted"
                    );
                    return Ok(cleanup.end(db).await?);
                }
            }
        }
        next = cleanup.finish(db, step).await?;
        if has_messages {
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(())
}
