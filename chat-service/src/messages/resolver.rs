//! Batches what [`resolve`](super::resolve) looks up: the messages that arrive while queries run are looked up together by the next ones.
//!
//! Otherwise each call with a reply among its messages would have queries of its own, and the plain messages of the call would wait for
//! them. Calls without such messages pass by.

use neonchat_common::{batch::recv_batch, tasks::Tasks};
use tokio::sync::mpsc;

use super::{
    batching::{self, MAX_BATCH, QUEUE_CAPACITY, in_time},
    error::MessageError,
    model::NewMessage,
    resolve::{may_be_rich, resolve},
};
use crate::db::{Db, DbError};

/// A handle to the task that fills in what messages have beside their texts.
#[derive(Clone, Debug)]
pub(super) struct Resolver {
    queue: mpsc::Sender<Job>,
}

type Resolved = Result<Vec<NewMessage>, MessageError>;

/// The messages of one caller.
type Job = batching::Job<Vec<NewMessage>, Resolved>;

impl Resolver {
    /// Starts the task. It ends with the process, after it has looked up everything in the queue.
    ///
    /// `all_interval_s` is the least time between two mentions of all members of a chat, in seconds.
    pub(super) fn start(db: Db, all_interval_s: i64, tasks: &Tasks) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE_CAPACITY);
        tasks.spawn(run(db, all_interval_s, jobs, tasks.clone()));
        Self { queue }
    }

    /// Fills in what the messages have beside their texts.
    pub(super) async fn resolve(&self, messages: Vec<NewMessage>) -> Resolved {
        if messages.iter().any(may_be_rich) { batching::submit(&self.queue, messages).await? } else { Ok(messages) }
    }
}

async fn run(db: Db, all_interval_s: i64, mut jobs: mpsc::Receiver<Job>, tasks: Tasks) {
    let stopped = tasks.stop_token();
    while let Some(jobs) = recv_batch(&mut jobs, &stopped, MAX_BATCH, Job::size).await {
        // In a separate task, so that a panic fails only this batch.
        let _ = tasks.spawn(resolve_all(db.clone(), all_interval_s, jobs)).await;
    }
}

async fn resolve_all(db: Db, all_interval_s: i64, jobs: Vec<Job>) {
    let Some((mut jobs, _)) = in_time(jobs, |_| Err(DbError::QueueTimeout.into())) else { return };
    let messages = jobs.iter_mut().flat_map(|job| &mut job.work);
    let outcome = resolve(&db, messages, all_interval_s).await.map_err(MessageError::from);
    for Job { work, answer, .. } in jobs {
        // The caller may have been cancelled.
        let _ = answer.send(outcome.clone().map(|()| work));
    }
}
