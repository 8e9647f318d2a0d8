//! Batches changes: those that arrive while a statement runs are applied together by the next one.
//!
//! Changes have a queue of their own, so a message does not wait until the changes before it are applied. It waits briefly for its
//! [`Turn`], and then only for the lock of its own chat.

use std::{collections::HashSet, slice};

use neonchat_common::{
    batch::{BatchSize, fill_batch, recv_batch},
    tasks::Tasks,
};
use tokio::{sync::mpsc, time::Instant};

use super::{
    batching::{self, MAX_BATCH, QUEUE_CAPACITY, Turn, in_time},
    change::{ChangePolicy, NewChange},
    store::{self, ChangeResult},
};
use crate::db::{Db, DbError};

/// A handle to the task that applies changes.
#[derive(Clone, Debug)]
pub(super) struct ChangeQueue {
    queue: mpsc::Sender<Job>,
}

type Job = batching::Job<NewChange, ChangeResult>;

fn size(job: &Job) -> BatchSize {
    let change = &job.work.change;
    let bytes = change.edit().map_or(0, |edit| edit.text.len() + edit.extra().size());
    BatchSize { messages: change.messages().len(), bytes }
}

impl ChangeQueue {
    /// Starts the task. It ends with the process, after it has applied everything in the queue.
    pub(super) fn start(db: Db, policy: ChangePolicy, turn: Turn, tasks: &Tasks) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE_CAPACITY);
        tasks.spawn(run(db, policy, turn, jobs, tasks.clone()));
        Self { queue }
    }

    /// Applies a change, or finds the event of an earlier request with its `request_id`. `Ok` means that it is committed.
    /// The work continues if the caller is cancelled.
    pub(super) async fn submit(&self, change: NewChange) -> ChangeResult {
        batching::submit(&self.queue, change).await?
    }
}

async fn run(db: Db, policy: ChangePolicy, turn: Turn, mut queue: mpsc::Receiver<Job>, tasks: Tasks) {
    let stopped = tasks.stop_token();
    while let Some(mut jobs) = recv_batch(&mut queue, &stopped, MAX_BATCH, size).await {
        while !jobs.is_empty() {
            let turn = turn.wait(&jobs).await;
            // What has to wait for another statement shares it with what has arrived meanwhile.
            fill_batch(&mut queue, &mut jobs, MAX_BATCH, size);
            let (batch, rest) = split_conflicts(jobs);
            // In a separate task, so that a panic fails only this batch.
            let _ = tasks.spawn(apply(db.clone(), policy, batch)).await;
            drop(turn);
            jobs = rest;
        }
    }
}

/// Takes the changes that one statement can apply: it must not contain two changes of one message, or the same request twice.
fn split_conflicts(jobs: Vec<Job>) -> (Vec<Job>, Vec<Job>) {
    let (mut messages, mut requests) = (HashSet::new(), HashSet::new());
    jobs.into_iter().partition(|job| {
        let NewChange { actor, request_id, change, .. } = &job.work;
        let request = request_id.map(|id| (*actor, id));
        let is_free = request.is_none_or(|request| !requests.contains(&request))
            && change.messages().iter().all(|message| !messages.contains(message));
        // Also for a change that has to wait, so that a later one does not overtake it.
        requests.extend(request);
        messages.extend(change.messages().iter().copied());
        is_free
    })
}

async fn apply(db: Db, policy: ChangePolicy, jobs: Vec<Job>) {
    let Some((jobs, start_by)) = in_time(jobs, |_| Err(DbError::QueueTimeout.into())) else { return };
    let changes: Vec<_> = jobs.iter().map(|job| &job.work).collect();
    let outcomes = apply_batch_or_singly(&db, policy, start_by, &changes).await;
    for (job, outcome) in jobs.into_iter().zip(outcomes) {
        // The caller may have been cancelled.
        let _ = job.answer.send(outcome);
    }
}

/// Applies all changes by one statement. If it fails because of one of them, applies each singly.
async fn apply_batch_or_singly(
    db: &Db,
    policy: ChangePolicy,
    start_by: Instant,
    changes: &[&NewChange],
) -> Vec<ChangeResult> {
    let run = async |changes: &[&NewChange]| {
        let work = async |connection: &mut _| Ok(store::apply_changes(connection, changes, policy).await?);
        db.run_by::<_, DbError>(start_by, work).await
    };
    match run(changes).await {
        Ok(outcomes) => outcomes,
        Err(error) if changes.len() > 1 && !error.is_transient() => {
            let mut outcomes = Vec::with_capacity(changes.len());
            for change in changes {
                let alone = run(slice::from_ref(change)).await;
                outcomes.append(&mut alone.unwrap_or_else(|error| vec![Err(error.into())]));
            }
            outcomes
        }
        Err(error) => vec![Err(error.into()); changes.len()],
    }
}

#[cfg(test)]
mod tests {
    use neonchat_common::ids::{ChatId, MessageId, SendId, UserId};
    use tokio::sync::oneshot;

    use super::*;
    use crate::messages::change::Change;

    fn job(request_id: Option<SendId>, messages: &[MessageId]) -> Job {
        let change = Change::Delete { messages: messages.to_vec() };
        let change = NewChange { chat: ChatId::new(), actor: UserId(uuid::Uuid::nil()), request_id, change };
        Job { work: change, start_by: Instant::now(), answer: oneshot::channel().0 }
    }

    #[test]
    fn separates_changes_of_one_message_and_repeated_requests() {
        let (a, b, c) = (MessageId::new(), MessageId::new(), MessageId::new());
        let repeated = Some(SendId::new());
        let jobs = vec![job(None, &[a]), job(repeated, &[b, a]), job(None, &[b]), job(repeated, &[c]), job(None, &[])];
        let sizes = |jobs: &[Job]| jobs.iter().map(|job| job.work.change.messages().len()).collect::<Vec<_>>();
        let (first, rest) = split_conflicts(jobs);
        assert_eq!((sizes(&first), sizes(&rest)), (vec![1, 0], vec![2, 1, 1]));
        let (second, rest) = split_conflicts(rest);
        assert_eq!((sizes(&second), sizes(&rest)), (vec![2], vec![1, 1]));
    }
}
