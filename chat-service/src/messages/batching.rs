//! What the queues of messages and of changes share: their limits, and a deadline for each job.

use std::sync::Arc;

use neonchat_common::batch::BatchSize;
use tokio::{
    sync::{Mutex, OwnedMutexGuard, mpsc, oneshot},
    time::{Duration, Instant, timeout, timeout_at},
};

use super::{error::MessageError, model::NewMessage};
use crate::db::{CONNECTION_TIMEOUT, DbError};

/// The size from which a statement takes no further items: messages, and bytes of their texts.
pub(crate) const MAX_BATCH: BatchSize = BatchSize { messages: 512, bytes: 1024 * 1024 };

/// Callers that can wait for a statement to begin.
pub(crate) const QUEUE_CAPACITY: usize = 4096;

/// How long messages wait for their turn. Then they go without it: another instance may hold up the statement whose turn it is.
const TURN_OF_MESSAGES: Duration = Duration::from_millis(25);

/// The right to run a statement that stores events: those of this process take turns. It makes them cheaper; what they do does not depend
/// on it.
///
/// Side by side they would wait for each other's locks of the chats, and a statement of changes or reactions would begin again when
/// another event of one of its chats was committed after it began: under load, most of them did. And while a queue waits for its turn,
/// more gathers in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turn(Arc<Mutex<()>>);

impl Turn {
    /// Waits until the statements that asked before have ended, but not longer than a job may wait: who has no turn goes without it. The
    /// turn ends when the result is dropped.
    pub(crate) async fn wait<T, A>(&self, jobs: &[Job<T, A>]) -> Option<OwnedMutexGuard<()>> {
        let start_by = jobs.iter().map(|job| job.start_by).min()?;
        timeout_at(start_by, Arc::clone(&self.0).lock_owned()).await.ok()
    }

    /// Waits for the turn of messages, at most [`TURN_OF_MESSAGES`].
    pub(super) async fn wait_as_messages(&self) -> Option<OwnedMutexGuard<()>> {
        timeout(TURN_OF_MESSAGES, Arc::clone(&self.0).lock_owned()).await.ok()
    }
}

/// The work of one caller.
#[derive(Debug)]
pub(crate) struct Job<T, A> {
    pub(crate) work: T,
    /// The statement begins by then, or not at all: the caller has a timeout, and what was reported as refused must not be
    /// stored afterwards.
    pub(crate) start_by: Instant,
    pub(crate) answer: oneshot::Sender<A>,
}

impl<A> Job<Vec<NewMessage>, A> {
    /// Returns what the messages add to a batch.
    pub(super) fn size(&self) -> BatchSize {
        let bytes = self.work.iter().map(NewMessage::size).sum();
        BatchSize { messages: self.work.len(), bytes }
    }
}

/// Queues work and waits for its answer. The work continues if the caller is cancelled.
pub(crate) async fn submit<T, A>(queue: &mpsc::Sender<Job<T, A>>, work: T) -> Result<A, MessageError> {
    let start_by = Instant::now() + CONNECTION_TIMEOUT;
    let (answer, answered) = oneshot::channel();
    match timeout_at(start_by, queue.send(Job { work, start_by, answer })).await {
        Err(_) => Err(DbError::QueueTimeout.into()),
        Ok(Err(_)) => Err(MessageError::ShuttingDown),
        Ok(Ok(())) => answered.await.map_err(|_| MessageError::ShuttingDown),
    }
}

/// Refuses the jobs whose time is over, with what `refusal` makes of each. Returns the others, and by when their statement has to
/// begin; `None` if there are none.
pub(crate) fn in_time<T, A>(jobs: Vec<Job<T, A>>, refusal: impl Fn(&T) -> A) -> Option<(Vec<Job<T, A>>, Instant)> {
    let now = Instant::now();
    let (jobs, late): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| now < job.start_by);
    for Job { work, answer, .. } in late {
        // The caller may have been cancelled.
        let _ = answer.send(refusal(&work));
    }
    let start_by = jobs.iter().map(|job| job.start_by).min()?;
    Some((jobs, start_by))
}
