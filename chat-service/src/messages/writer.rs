//! Gathering: messages that come while others are written are stored together, by one statement and one commit.
//!
//! Nobody waits for others to come. A message that comes while no statement is under way is written at once; under load,
//! the more come while one is, the more the next one takes, and the less each of them costs.

use std::{
    collections::{HashMap, hash_map::Entry},
    slice,
    sync::Arc,
};

use neonchat_common::lifecycle::Tasks;
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    time::{Instant, timeout_at},
};

use super::{
    error::MessageError,
    model::{NewMessage, Sent},
    store::{self, Outcome},
};
use crate::db::{CONNECTION_LIMIT, Db, DbError};

/// Statements under way at the same time: while Postgres flushes the one, it works on the other.
const STATEMENTS: usize = 2;

/// With so many messages, or bytes of text, a statement takes no further ones. What came with the last of them is still
/// taken.
const FULL_MESSAGES: usize = 512;
const FULL_BYTES: usize = 1024 * 1024;

/// Callers that may wait for a statement to begin.
const MAX_WAITING: usize = 4096;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    queue: mpsc::Sender<Job>,
}

/// Messages of one caller.
#[derive(Debug)]
struct Job {
    messages: Vec<NewMessage>,
    /// They are begun by then, or not at all: their sender does not wait for ever, and what it takes for refused is not
    /// to be stored afterwards.
    start_by: Instant,
    answer: oneshot::Sender<Vec<Outcome>>,
}

impl Writer {
    /// Starts it. It ends with the process, when all that waits is stored.
    pub(super) fn start(db: Db, tasks: &Tasks) -> Self {
        let (queue, jobs) = mpsc::channel(MAX_WAITING);
        tasks.spawn(gather(db, jobs, tasks.clone()));
        Self { queue }
    }

    /// Stores messages, or finds that they were stored before, each for itself and in their order. What is answered with
    /// a receipt is committed. The work is done even where the caller goes away.
    pub(super) async fn store(&self, messages: Vec<NewMessage>) -> Result<Vec<Outcome>, MessageError> {
        let start_by = Instant::now() + CONNECTION_LIMIT;
        let (answer, answered) = oneshot::channel();
        let job = Job { messages, start_by, answer };
        match timeout_at(start_by, self.queue.send(job)).await {
            Err(_) => Err(DbError::Timeout.into()),
            Ok(Err(_)) => Err(MessageError::Ending),
            Ok(Ok(())) => answered.await.map_err(|_| MessageError::Ending),
        }
    }
}

async fn gather(db: Db, mut jobs: mpsc::Receiver<Job>, tasks: Tasks) {
    let statements = Arc::new(Semaphore::new(STATEMENTS));
    let stopped = tasks.stopped();
    loop {
        // First the statement, then the messages: so all that come in the meantime are taken.
        let Ok(statement) = Arc::clone(&statements).acquire_owned().await else { return };
        let first = tokio::select! {
            job = jobs.recv() => job,
            () = stopped.cancelled(), if !jobs.is_closed() => {
                jobs.close();
                continue;
            }
        };
        let Some(first) = first else { return };
        let batch = fill(first, &mut jobs);
        let db = db.clone();
        tasks.spawn(async move {
            write(&db, batch).await;
            drop(statement);
        });
    }
}

/// What one statement takes: all that waits, as far as there is room.
fn fill(first: Job, jobs: &mut mpsc::Receiver<Job>) -> Vec<Job> {
    let size = |job: &Job| job.messages.iter().fold((0, 0), |(n, bytes), m| (n + 1, bytes + m.text.as_str().len()));
    let (mut messages, mut bytes) = size(&first);
    let mut batch = vec![first];
    while messages < FULL_MESSAGES && bytes < FULL_BYTES {
        let Ok(job) = jobs.try_recv() else { break };
        let (more_messages, more_bytes) = size(&job);
        messages += more_messages;
        bytes += more_bytes;
        batch.push(job);
    }
    batch
}

async fn write(db: &Db, jobs: Vec<Job>) {
    let now = Instant::now();
    let (jobs, late): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| now < job.start_by);
    for job in late {
        let late = job.messages.iter().map(|_| Err(DbError::Timeout.into())).collect();
        // A caller that went away does not ask.
        let _ = job.answer.send(late);
    }
    let Some(start_by) = jobs.iter().map(|job| job.start_by).min() else { return };
    let messages: Vec<&NewMessage> = jobs.iter().flat_map(|job| &job.messages).collect();
    let mut outcomes = store_each(db, start_by, &messages).await.into_iter();
    for job in jobs {
        let outcomes = outcomes.by_ref().take(job.messages.len()).collect();
        let _ = job.answer.send(outcomes);
    }
}

/// Stores messages, among which the same may come again.
async fn store_each(db: &Db, start_by: Instant, messages: &[&NewMessage]) -> Vec<Outcome> {
    let mut firsts: HashMap<_, usize> = HashMap::with_capacity(messages.len());
    let mut distinct = Vec::with_capacity(messages.len());
    // For each message, the place in `distinct` of the first of its request, and whether it is that one.
    let places: Vec<(usize, bool)> = messages
        .iter()
        .map(|message| match firsts.entry((message.sender, message.request)) {
            Entry::Occupied(first) => (*first.get(), false),
            Entry::Vacant(first) => {
                distinct.push(*message);
                (*first.insert(distinct.len() - 1), true)
            }
        })
        .collect();
    let outcomes = store_distinct(db, start_by, &distinct).await;
    let outcome = |(message, (place, is_first)): (&&NewMessage, (usize, bool))| match (&outcomes[place], is_first) {
        (outcome, true) => outcome.clone(),
        (_, false) if !distinct[place].has_content_of(message) => Err(MessageError::IdempotencyMismatch),
        (Ok(sent), false) => Ok(Sent::Duplicate(*sent.get())),
        (Err(error), false) => Err(error.clone()),
    };
    messages.iter().zip(places).map(outcome).collect()
}

/// All in one statement. Where that fails for the sake of one of them, each alone, so that the others are stored.
async fn store_distinct(db: &Db, start_by: Instant, messages: &[&NewMessage]) -> Vec<Outcome> {
    match store_at_once(db, start_by, messages).await {
        Ok(outcomes) => outcomes,
        Err(error) if messages.len() > 1 && !error.is_passing() => {
            let mut outcomes = Vec::with_capacity(messages.len());
            for message in messages {
                let alone = store_at_once(db, start_by, slice::from_ref(message)).await;
                outcomes.append(&mut alone.unwrap_or_else(|error| vec![Err(error.into())]));
            }
            outcomes
        }
        Err(error) => vec![Err(error.into()); messages.len()],
    }
}

async fn store_at_once(db: &Db, start_by: Instant, messages: &[&NewMessage]) -> Result<Vec<Outcome>, DbError> {
    db.run_by(start_by, async |connection| Ok(store::store(connection, messages).await?)).await
}
