//! Batches messages: those that arrive while a statement runs are stored together by the next one, with one commit.

use std::{
    collections::{HashMap, hash_map::Entry},
    slice,
};

use neonchat_common::{
    batch::{fill_batch, recv_batch},
    tasks::Tasks,
    trace,
};
use tokio::{sync::mpsc, time::Instant};

use super::{
    batching::{self, MAX_BATCH, QUEUE_CAPACITY, Turn, in_time},
    error::MessageError,
    model::{NewMessage, StoreOutcome},
    store::{self, StoreResult},
};
use crate::db::{Db, DbError};

/// A handle to the task that stores messages.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    queue: mpsc::Sender<Job>,
}

/// The messages of one caller.
type Job = batching::Job<Vec<NewMessage>, Vec<StoreResult>>;

/// Where the messages are stored.
#[derive(Clone)]
struct Store {
    db: Db,
    /// The most messages of a large chat in a second; 0 is no limit.
    large_chat_rate: u32,
}

impl Writer {
    /// Starts the task. It ends with the process, after it has stored everything in the queue.
    ///
    /// `large_chat_rate` is the most messages of a large chat in a second; 0 is no limit.
    pub(super) fn start(db: Db, large_chat_rate: u32, turn: Turn, tasks: &Tasks) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE_CAPACITY);
        tasks.spawn(run(Store { db, large_chat_rate }, turn, jobs, tasks.clone()));
        Self { queue }
    }

    /// Stores messages in their order, or finds that they are stored already. Each has its own outcome; `Ok` means that
    /// it is committed. The work continues if the caller is cancelled.
    pub(super) async fn submit(&self, messages: Vec<NewMessage>) -> Result<Vec<StoreResult>, MessageError> {
        batching::submit(&self.queue, messages).await
    }
}

/// Runs one statement at a time. With two, Postgres could execute one while it flushes the other, but each would have
/// half of the messages at nearly the same cost (docs/PERFORMANCE.md).
async fn run(store: Store, turn: Turn, mut queue: mpsc::Receiver<Job>, tasks: Tasks) {
    let stopped = tasks.stop_token();
    while let Some(mut jobs) = recv_batch(&mut queue, &stopped, MAX_BATCH, Job::size).await {
        let _turn = turn.wait_as_messages().await;
        fill_batch(&mut queue, &mut jobs, MAX_BATCH, Job::size);
        // In a separate task, so that a panic fails only this batch.
        let _ = tasks.spawn(flush(store.clone(), jobs)).await;
    }
}

async fn flush(store: Store, jobs: Vec<Job>) {
    let late = |messages: &Vec<NewMessage>| messages.iter().map(|_| Err(DbError::QueueTimeout.into())).collect();
    let Some((jobs, start_by)) = in_time(jobs, late) else { return };
    let messages: Vec<&NewMessage> = jobs.iter().flat_map(|job| &job.work).collect();
    let mut outcomes = insert_deduplicated(&store, start_by, &messages).await.into_iter();
    for job in jobs {
        let outcomes = outcomes.by_ref().take(job.work.len()).collect();
        // The caller may have been cancelled.
        let _ = job.answer.send(outcomes);
    }
}

/// Inserts messages that may contain the same one several times.
async fn insert_deduplicated(store: &Store, start_by: Instant, messages: &[&NewMessage]) -> Vec<StoreResult> {
    let mut firsts: HashMap<_, usize> = HashMap::with_capacity(messages.len());
    let mut distinct = Vec::with_capacity(messages.len());
    // For each message, the index in `distinct` of the first one with its `request_id`, and whether it is that one.
    let indexes: Vec<(usize, bool)> = messages
        .iter()
        .map(|message| match firsts.entry((message.sender, message.request_id)) {
            Entry::Occupied(first) => (*first.get(), false),
            Entry::Vacant(first) => {
                distinct.push(*message);
                (*first.insert(distinct.len() - 1), true)
            }
        })
        .collect();
    let outcomes = insert_batch_or_singly(store, start_by, &distinct).await;
    let outcome = |(message, (index, is_first)): (&&NewMessage, (usize, bool))| match (&outcomes[index], is_first) {
        (outcome, true) => outcome.clone(),
        (_, false) if !distinct[index].has_same_content_as(message) => Err(MessageError::IdempotencyMismatch),
        (Ok(first), false) => Ok(StoreOutcome::Duplicate(first.get().clone())),
        (Err(error), false) => Err(error.clone()),
    };
    messages.iter().zip(indexes).map(outcome).collect()
}

/// Inserts all messages by one statement. If it fails because of one of them, inserts each singly, so that the others are
/// stored.
async fn insert_batch_or_singly(store: &Store, start_by: Instant, messages: &[&NewMessage]) -> Vec<StoreResult> {
    match insert_traced(store, start_by, messages).await {
        Ok(outcomes) => outcomes,
        Err(error) if messages.len() > 1 && !error.is_transient() => {
            let mut outcomes = Vec::with_capacity(messages.len());
            for message in messages {
                let alone = insert_traced(store, start_by, slice::from_ref(message)).await;
                outcomes.append(&mut alone.unwrap_or_else(|error| vec![Err(error.into())]));
            }
            outcomes
        }
        Err(error) => vec![Err(error.into()); messages.len()],
    }
}

async fn insert_traced(
    Store { db, large_chat_rate }: &Store,
    start_by: Instant,
    messages: &[&NewMessage],
) -> Result<Vec<StoreResult>, DbError> {
    // The statement is a span in the trace of each message.
    let statement = || trace::statement("INSERT", "messages", messages.len());
    let mut statements = trace::Span::children(messages.iter().map(|message| &message.trace), statement);
    let insert =
        async |connection: &mut _| Ok::<_, DbError>(store::insert_batch(connection, messages, *large_chat_rate).await?);
    let stored = db.run_by(start_by, insert).await;
    if let Err(error) = &stored {
        for statement in &mut statements {
            statement.fail(error.kind());
        }
    }
    stored
}
