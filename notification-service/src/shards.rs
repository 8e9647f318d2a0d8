//! Queues to chat-service. Requests that wait at the same time share one call.
//!
//! All requests of a chat go through the same shard, and a shard has one call under way at a time: so they are made in the order in
//! which they arrive. Requests that arrive during a call go with the next call.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use neonchat_common::{
    batch::{BatchSize, recv_batch},
    error::ApiError,
    ids::ChatId,
    tasks::Tasks,
};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

/// While chat-service works on the call of one shard, the next call comes from another shard. More shards make smaller
/// batches.
const SHARDS: usize = 2;

/// The most requests that wait in one shard.
const MAX_QUEUED: usize = 4096;

/// A batch that has reached this size takes no further requests.
const MAX_BATCH: BatchSize = BatchSize { messages: 500, bytes: 1024 * 1024 };

/// How long a client waits for the answer to a request. It must come within two seconds, even if Postgres is unavailable.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_millis(1800);

/// A request with less time left than this is refused before the call: its answer would come too late.
const MIN_TIME_LEFT: Duration = Duration::from_millis(100);

/// A request that waits in a shard.
pub(crate) trait Queued: Send + 'static {
    /// Returns when the request was accepted.
    fn accepted_at(&self) -> Instant;

    fn size(&self) -> BatchSize;
}

/// Makes the requests of a shard.
pub(crate) trait Worker: Clone + Send + 'static {
    type Request: Queued;

    /// What the logs say of refused requests.
    const REFUSED: Refused;

    /// Answers a request that is not made.
    fn refuse(&self, request: Self::Request, error: &ApiError);

    /// Makes the requests with one call that ends within `timeout`, and answers each.
    fn make(&self, requests: Vec<Self::Request>, timeout: Duration) -> impl Future<Output = ()> + Send;
}

/// What the logs say of refused requests.
pub(crate) struct Refused {
    pub(crate) message: &'static str,
    /// The cause if the shard was full.
    pub(crate) full: &'static str,
    /// The cause if they waited too long.
    pub(crate) late: &'static str,
}

/// The shards of requests of one kind.
#[derive(Debug)]
pub(crate) struct Shards<Q> {
    shards: Box<[Shard<Q>]>,
    hasher: RandomState,
}

/// The queue of a shard.
#[derive(Debug)]
pub(crate) struct Shard<Q> {
    requests: mpsc::Sender<Q>,
    /// The number of requests that found the queue full since the last batch.
    rejected: Arc<AtomicUsize>,
}

/// The other end of a shard's queue.
#[derive(Debug)]
pub(crate) struct ShardReceiver<Q> {
    requests: mpsc::Receiver<Q>,
    rejected: Arc<AtomicUsize>,
}

impl<Q: Queued> Shards<Q> {
    /// Starts the shards. They end with the process, after their queued requests.
    pub(crate) fn start(worker: &impl Worker<Request = Q>, tasks: &Tasks) -> Self {
        let shard = |_| {
            let (shard, queued) = Shard::new(MAX_QUEUED);
            tasks.spawn(queued.run(worker.clone(), tasks.stop_token()));
            shard
        };
        Self::of((0..SHARDS).map(shard).collect())
    }

    pub(crate) fn of(shards: Box<[Shard<Q>]>) -> Self {
        Self { shards, hasher: RandomState::new() }
    }

    /// Reserves a place for a request of a chat, which was accepted at this time.
    ///
    /// # Errors
    /// Fails with `unavailable` if the shard stays full.
    pub(crate) async fn reserve(&self, chat: ChatId, accepted_at: Instant) -> Result<mpsc::Permit<'_, Q>, ApiError> {
        let shard = self.shard(chat);
        let Ok(Ok(place)) = timeout_at(accepted_at + ANSWER_TIMEOUT, shard.requests.reserve()).await else {
            shard.rejected.fetch_add(1, Ordering::Relaxed);
            return Err(ApiError::remote_unavailable());
        };
        Ok(place)
    }

    fn shard(&self, chat: ChatId) -> &Shard<Q> {
        let index = self.hasher.hash_one(chat) % self.shards.len() as u64;
        // Cannot fail: the index is less than a `usize`.
        &self.shards[usize::try_from(index).unwrap_or(0)]
    }
}

impl<Q> Shard<Q> {
    pub(crate) fn new(capacity: usize) -> (Self, ShardReceiver<Q>) {
        let (sender, requests) = mpsc::channel(capacity);
        let rejected = Arc::<AtomicUsize>::default();
        (Self { requests: sender, rejected: Arc::clone(&rejected) }, ShardReceiver { requests, rejected })
    }
}

impl<Q: Queued> ShardReceiver<Q> {
    pub(crate) async fn run<W: Worker<Request = Q>>(mut self, worker: W, stopped: CancellationToken) {
        loop {
            let requests = recv_batch(&mut self.requests, &stopped, MAX_BATCH, Q::size).await;
            log_refused::<W>(self.rejected.swap(0, Ordering::Relaxed), W::REFUSED.full);
            let Some(requests) = requests else { return };
            let latest = Instant::now() + MIN_TIME_LEFT - ANSWER_TIMEOUT;
            let (requests, late): (Vec<_>, Vec<_>) =
                requests.into_iter().partition(|request| request.accepted_at() > latest);
            log_refused::<W>(late.len(), W::REFUSED.late);
            for request in late {
                worker.refuse(request, &ApiError::remote_unavailable());
            }
            // The first request has waited longest.
            let Some(first) = requests.first() else { continue };
            let timeout = (first.accepted_at() + ANSWER_TIMEOUT).saturating_duration_since(Instant::now());
            worker.make(requests, timeout).await;
        }
    }
}

fn log_refused<W: Worker>(count: usize, cause: &str) {
    if count > 0 {
        tracing::warn!(count, error.cause = cause, "{}", W::REFUSED.message);
    }
}
