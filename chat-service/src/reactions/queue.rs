//! Batches changes of reactions: those that arrive while a statement runs are applied together by the next one.
//!
//! They have a queue of their own and take [turns](Turn) with messages and edits, so that many reactions do not hold those up.

use std::{
    collections::{HashMap, HashSet},
    slice,
    sync::Arc,
};

use neonchat_common::{
    batch::{BatchSize, fill_batch, recv_batch},
    ids::{ChatId, MessageId, UserId},
    tasks::Tasks,
};
use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};

use super::{
    model::{NewReaction, ReactionOutcome},
    store::{self, ReactionResult, Shape},
};
use crate::{
    db::{Db, DbError},
    messages::{
        batching::{self, MAX_BATCH, QUEUE_CAPACITY, Turn, in_time},
        error::MessageError,
    },
};

/// A handle to the task that applies changes.
#[derive(Clone, Debug)]
pub(super) struct ReactionQueue {
    queue: mpsc::Sender<Job>,
}

type Job = batching::Job<NewReaction, ReactionResult>;

impl ReactionQueue {
    /// Starts the task. It ends with the process, after it has applied everything in the queue. `gathered` is notified when there is
    /// something to gather.
    pub(super) fn start(db: Db, gathered: Arc<Notify>, turn: Turn, tasks: &Tasks) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE_CAPACITY);
        tasks.spawn(run(db, gathered, turn, jobs, tasks.clone()));
        Self { queue }
    }

    /// Applies a change, or finds that an earlier request with its `request_id` did. `Ok` means that it is committed. The work continues
    /// if the caller is cancelled.
    pub(super) async fn submit(&self, change: NewReaction) -> ReactionResult {
        batching::submit(&self.queue, change).await?
    }
}

async fn run(db: Db, gathered: Arc<Notify>, turn: Turn, mut queue: mpsc::Receiver<Job>, tasks: Tasks) {
    let stopped = tasks.stop_token();
    let size = |_: &Job| BatchSize { messages: 1, bytes: 0 };
    while let Some(mut jobs) = recv_batch(&mut queue, &stopped, MAX_BATCH, size).await {
        while !jobs.is_empty() {
            let turn = turn.wait(&jobs).await;
            // What has to wait for another statement shares it with what has arrived meanwhile.
            fill_batch(&mut queue, &mut jobs, MAX_BATCH, size);
            // In a separate task, so that a panic fails only this batch.
            jobs = tasks.spawn(apply(db.clone(), Arc::clone(&gathered), jobs)).await.unwrap_or_default();
            drop(turn);
        }
    }
}

/// Applies the changes that two statements can apply. Returns the others.
async fn apply(db: Db, gathered: Arc<Notify>, jobs: Vec<Job>) -> Vec<Job> {
    let Some((jobs, start_by)) = in_time(jobs, |_| Err(DbError::QueueTimeout.into())) else { return Vec::new() };
    let chats: HashSet<_> = jobs.iter().map(|job| job.work.chat.0).collect();
    let chats: Vec<_> = chats.into_iter().collect();
    let find = async |connection: &mut _| Ok(store::windows(connection, chats.clone()).await?);
    let windows = match db.run_by::<_, DbError>(start_by, find).await {
        Ok(windows) => windows,
        Err(error) => {
            let error = MessageError::from(error);
            answer(jobs.into_iter().map(|job| (job, Err(error.clone()))));
            return Vec::new();
        }
    };
    let (batch, rest) = split_conflicts(jobs, &windows);
    let (in_larger, in_small): (Vec<_>, Vec<_>) =
        batch.into_iter().partition(|job| windows.contains_key(&job.work.chat));
    for (shape, batch) in [(Shape::Events, in_small), (Shape::Gathered, in_larger)] {
        let start_by = batch.iter().map(|job| job.start_by).min();
        let Some(start_by) = start_by else { continue };
        let changes: Vec<_> =
            batch.iter().map(|job| (&job.work, windows.get(&job.work.chat).copied().unwrap_or_default())).collect();
        let outcomes = apply_batch_or_singly(&db, shape, start_by, &changes).await;
        if outcomes.iter().any(|outcome| matches!(outcome, Ok(ReactionOutcome::Gathered))) {
            gathered.notify_one();
        }
        answer(batch.into_iter().zip(outcomes));
    }
    rest
}

fn answer(outcomes: impl Iterator<Item = (Job, ReactionResult)>) {
    for (job, outcome) in outcomes {
        // The caller may have been cancelled.
        let _ = job.answer.send(outcome);
    }
}

/// What only one change of a statement may concern: a message of a small chat, or a message and a user.
type Concern = (MessageId, Option<UserId>);

/// Takes the changes that two statements can apply, one for each [`Shape`].
fn split_conflicts(jobs: Vec<Job>, windows: &HashMap<ChatId, i32>) -> (Vec<Job>, Vec<Job>) {
    let (mut concerns, mut requests) = (HashSet::<Concern>::new(), HashSet::new());
    jobs.into_iter().partition(|job| {
        let NewReaction { chat, user, message, request_id, .. } = job.work;
        // Also for a change that has to wait, so that a later one does not overtake it.
        let is_new_request = request_id.is_none_or(|id| requests.insert((user, id)));
        let is_new = concerns.insert((message, windows.contains_key(&chat).then_some(user)));
        is_new_request && is_new
    })
}

/// Applies all changes by one statement. If it fails because of one of them, applies each singly.
async fn apply_batch_or_singly(
    db: &Db,
    shape: Shape,
    start_by: Instant,
    changes: &[(&NewReaction, i32)],
) -> Vec<ReactionResult> {
    let run = async |changes: &[(&NewReaction, i32)]| {
        let work = async |connection: &mut _| Ok(store::apply(connection, shape, changes).await?);
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
        Err(error) => {
            let error = MessageError::from(error);
            vec![Err(error); changes.len()]
        }
    }
}

#[cfg(test)]
mod tests {
    use neonchat_common::ids::SendId;
    use tokio::sync::oneshot;

    use super::*;
    use crate::reactions::emoji::Emoji;

    #[test]
    fn separates_changes_that_one_statement_cannot_apply() {
        let (small, large, message, user) = (ChatId::new(), ChatId::new(), MessageId::new(), UserId::new());
        let repeated = Some(SendId::new());
        let job = |chat, message, user, request_id| {
            let emoji = Emoji::parse("👍").expect("parse emoji");
            let work = NewReaction { chat, user, message, emoji, is_on: true, request_id };
            Job { work, start_by: Instant::now(), answer: oneshot::channel().0 }
        };
        let jobs = vec![
            job(small, message, user, None),
            job(small, message, UserId::new(), None),
            job(large, MessageId(large.0), user, repeated),
            job(large, MessageId(large.0), UserId::new(), None),
            job(large, MessageId(large.0), user, None),
            job(small, MessageId::new(), user, repeated),
        ];
        let windows = HashMap::from([(large, 5)]);
        let (first, rest) = split_conflicts(jobs, &windows);
        assert_eq!((first.len(), rest.len()), (3, 3));
        let (second, rest) = split_conflicts(rest, &windows);
        assert_eq!((second.len(), rest.len()), (3, 0));
    }
}
