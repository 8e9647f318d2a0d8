//! The queue of requests from sockets to chat-service: messages, and changes of messages. Those that wait at the same time share a call,
//! a statement, a commit and a write to Redis, and are answered together.
//!
//! All requests about a chat go through the same shard, and a shard has one call of each kind under way at a time: so the messages that
//! a client sends in a chat are stored in the order in which they arrive, and its changes are made in that order. Requests that arrive
//! during the calls go with the next ones.

mod call;
mod change;
mod send;
mod worker;

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use neonchat_common::{batch::BatchSize, error::ApiError, ids::ChatId, tasks::Tasks, trace};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

use self::worker::{Services, Worker};
use crate::{
    chat_service::{ChatService, ClientChange, NewMessage},
    delivery::Delivery,
    hub::{Hub, Socket, outbox::RequestPermit},
    protocol::ServerFrame,
};

/// While chat-service works on the calls of one shard, the next ones come from another shard. More shards make smaller
/// batches.
const SHARDS: usize = 2;

/// The most requests that wait in one shard.
const MAX_QUEUED: usize = 4096;

/// A batch that has reached this size takes no further requests.
const MAX_BATCH: BatchSize = BatchSize { messages: 500, bytes: 1024 * 1024 };

/// How long a client waits for the answer to a request. It must come within two seconds, even if Postgres is unavailable.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(1800);

/// A request of a client.
#[derive(Debug)]
pub(crate) enum NewRequest {
    Send(NewMessage),
    Change(ClientChange),
}

/// The queue of requests.
#[derive(Debug)]
pub(crate) struct RequestQueue {
    shards: Box<[Shard]>,
    hasher: RandomState,
}

/// The queue of a shard.
#[derive(Debug)]
struct Shard {
    requests: mpsc::Sender<Queued<NewRequest>>,
    /// The number of requests that found the queue full since the last batch.
    rejected: Arc<AtomicUsize>,
}

/// A request that is not answered yet.
#[derive(Debug)]
struct Queued<R> {
    socket: Arc<Socket>,
    request: R,
    permit: RequestPermit,
    accepted_at: Instant,
}

impl NewRequest {
    const fn chat(&self) -> ChatId {
        match self {
            Self::Send(message) => message.chat_id,
            Self::Change(change) => change.chat,
        }
    }

    /// Returns what the request adds to a batch.
    fn size(&self) -> BatchSize {
        match self {
            Self::Send(_) => BatchSize { messages: 1, bytes: self.bytes() },
            Self::Change(change) => change.change.size(),
        }
    }

    /// Returns the bytes of the request.
    fn bytes(&self) -> usize {
        match self {
            Self::Send(message) => message.text.as_str().len(),
            Self::Change(change) => change.change.bytes(),
        }
    }

    const fn trace(&mut self) -> &mut trace::Span {
        match self {
            Self::Send(message) => &mut message.trace,
            Self::Change(change) => &mut change.trace,
        }
    }
}

impl RequestQueue {
    /// Starts the shards. They end with the process, after their queued requests.
    pub(crate) fn start(hub: &Arc<Hub>, chat_service: &ChatService, delivery: &Delivery, tasks: &Tasks) -> Self {
        let services = Services {
            hub: Arc::clone(hub),
            chat_service: chat_service.clone(),
            delivery: delivery.clone(),
            tasks: tasks.clone(),
        };
        let shard = |_| {
            let (shard, worker) = Shard::new(MAX_QUEUED, services.clone());
            tasks.spawn(worker.run(tasks.stop_token()));
            shard
        };
        Self::of((0..SHARDS).map(shard).collect())
    }

    fn of(shards: Box<[Shard]>) -> Self {
        Self { shards, hasher: RandomState::new() }
    }

    /// Queues a request. The answer comes through the socket's outbox.
    ///
    /// # Errors
    /// Fails with `unavailable` if the shard stays full.
    pub(crate) async fn submit(&self, socket: &Arc<Socket>, mut request: NewRequest) -> Result<(), ApiError> {
        let accepted_at = Instant::now();
        let shard = self.shard(request.chat());
        let Ok(Ok(place)) = timeout_at(accepted_at + ANSWER_TIMEOUT, shard.requests.reserve()).await else {
            shard.rejected.fetch_add(1, Ordering::Relaxed);
            let error = ApiError::remote_unavailable();
            request.trace().fail(error.code.as_str());
            return Err(error);
        };
        let permit = socket.outbox.begin_request(request.bytes());
        place.send(Queued { socket: Arc::clone(socket), request, permit, accepted_at });
        Ok(())
    }

    fn shard(&self, chat: ChatId) -> &Shard {
        let index = self.hasher.hash_one(chat) % self.shards.len() as u64;
        // Cannot fail: the index is less than a `usize`.
        &self.shards[usize::try_from(index).unwrap_or(0)]
    }
}

impl Shard {
    fn new(capacity: usize, services: Services) -> (Self, Worker) {
        let (sender, requests) = mpsc::channel(capacity);
        let rejected = Arc::<AtomicUsize>::default();
        let worker = Worker::new(requests, Arc::clone(&rejected), services);
        (Self { requests: sender, rejected }, worker)
    }
}

impl<R> Queued<R> {
    fn answer(&self, frame: &ServerFrame<'_>) {
        self.socket.outbox.answer(self.permit, frame.encode());
    }
}

fn log_refused(count: usize, cause: &str) {
    if count > 0 {
        tracing::warn!(count, error.cause = cause, "requests refused");
    }
}

#[cfg(test)]
mod tests;
