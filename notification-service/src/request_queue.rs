//! The queue of requests from sockets to chat-service: messages, and changes of messages. Those that wait at the same time share a call,
//! a statement, a commit and a write to Redis, and are answered together.
//!
//! All requests about a chat go through the same shard, and a shard has one call of each kind under way at a time: so the messages that
//! a client sends in a chat are stored in the order in which they arrive, and its changes are made in that order. Requests that arrive
//! during the calls go with the next ones.

mod change;
mod send;

use std::{
    hash::{BuildHasher as _, RandomState},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::{Either, select};
use neonchat_common::{
    batch::{BatchSize, recv_batch},
    error::{ApiError, ErrorCode},
    ids::{ChatId, Seq},
    tasks::Tasks,
    trace,
};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use self::{change::Changed, send::Sent};
use crate::{
    bus::Publication,
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

/// A request with less time left than this is refused before the call: its answer would come too late.
const MIN_TIME_LEFT: Duration = Duration::from_millis(100);

/// How long stored messages wait for the changes that were queued with them. Answers and events that are ready together take one write to
/// a socket, and a client that answers each with a request has its requests in one batch again.
const GRACE: Duration = Duration::from_millis(50);

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

/// Makes the requests of a shard.
struct Worker {
    requests: mpsc::Receiver<Queued<NewRequest>>,
    rejected: Arc<AtomicUsize>,
    /// Delivers changes that took longer than [`GRACE`]. The next ones have to wait for them.
    late_changes: Option<JoinHandle<()>>,
    services: Services,
}

/// What requests are made with.
#[derive(Clone)]
struct Services {
    hub: Arc<Hub>,
    chat_service: ChatService,
    delivery: Delivery,
    tasks: Tasks,
}

/// A request that chat-service has made, now or before.
enum Done {
    Sent(Box<Sent>),
    Changed(Box<Changed>),
}

impl NewRequest {
    const fn chat(&self) -> ChatId {
        match self {
            Self::Send(message) => message.chat_id,
            Self::Change(change) => change.chat,
        }
    }

    fn size(&self) -> BatchSize {
        match self {
            Self::Send(message) => BatchSize { messages: 1, bytes: message.text.as_str().len() },
            Self::Change(change) => change.change.size(),
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
        let permit = socket.outbox.begin_request(request.size().bytes);
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
        let worker = Worker { requests, rejected: Arc::clone(&rejected), late_changes: None, services };
        (Self { requests: sender, rejected }, worker)
    }
}

impl Worker {
    async fn run(mut self, stopped: CancellationToken) {
        loop {
            let size = |queued: &Queued<NewRequest>| queued.request.size();
            let requests = recv_batch(&mut self.requests, &stopped, MAX_BATCH, size).await;
            log_refused(self.rejected.swap(0, Ordering::Relaxed), "the queue of the shard is full");
            let Some(requests) = requests else { return };
            let latest = Instant::now() + MIN_TIME_LEFT - ANSWER_TIMEOUT;
            let (requests, late): (Vec<_>, Vec<_>) =
                requests.into_iter().partition(|request| request.accepted_at > latest);
            log_refused(late.len(), "the request waited too long in its shard");
            let (sends, changes) = split(late);
            self.services.refuse_sends(sends, &ApiError::remote_unavailable());
            self.services.refuse_changes(changes, &ApiError::remote_unavailable());
            self.make(requests).await;
        }
    }

    /// Makes the requests, delivers their events and answers them.
    async fn make(&mut self, requests: Vec<Queued<NewRequest>>) {
        let (sends, changes) = split(requests);
        let store = pin!(self.services.store(sends));
        let change = Box::pin(self.services.clone().change(changes, self.late_changes.take()));
        let mut done = match select(store, change).await {
            Either::Left((mut done, mut change)) => {
                if let Ok(made) = timeout(GRACE, &mut change).await {
                    done.extend(made);
                } else {
                    let services = self.services.clone();
                    let deliver = async move { services.deliver(change.await).await };
                    self.late_changes = Some(self.services.tasks.spawn(deliver));
                }
                done
            }
            Either::Right((made, store)) => {
                let mut done = store.await;
                done.extend(made);
                done
            }
        };
        // The events of a chat in their order, so that none waits for another one; and one chat after another, so that what goes to a
        // socket is there when its writer wakes up.
        done.sort_by_key(Done::place);
        self.services.deliver(done).await;
    }
}

/// Separates messages and changes.
fn split(requests: Vec<Queued<NewRequest>>) -> (Vec<Queued<NewMessage>>, Vec<Queued<ClientChange>>) {
    let (mut sends, mut changes) = (Vec::with_capacity(requests.len()), Vec::new());
    for Queued { socket, request, permit, accepted_at } in requests {
        match request {
            NewRequest::Send(request) => sends.push(Queued { socket, request, permit, accepted_at }),
            NewRequest::Change(request) => changes.push(Queued { socket, request, permit, accepted_at }),
        }
    }
    (sends, changes)
}

impl Services {
    /// Delivers the events to the local sockets, then to Redis; then the clients get acks.
    async fn deliver(&self, mut done: Vec<Done>) {
        if done.is_empty() {
            return;
        }
        let mut publications = Vec::with_capacity(done.len());
        for done in &mut done {
            done.deliver(self, &mut publications);
        }
        let published = self.delivery.start_publishing(publications).await;
        let hub = Arc::clone(&self.hub);
        // A task of its own, so that the shard's next calls do not wait for Redis.
        self.tasks.spawn(async move {
            let published = published.await;
            for done in done {
                done.acknowledge(&hub, &published);
            }
        });
    }
}

impl Done {
    const fn place(&self) -> (ChatId, Option<Seq>) {
        match self {
            Self::Sent(sent) => sent.place(),
            Self::Changed(changed) => changed.place(),
        }
    }

    /// Delivers the event to the local sockets. Adds the publications for the other instances.
    fn deliver(&mut self, services: &Services, publications: &mut Vec<Publication>) {
        match self {
            Self::Sent(sent) => sent.deliver(services, publications),
            Self::Changed(changed) => changed.deliver(services, publications),
        }
    }

    /// Answers the client. `published` has for each publication whether Redis accepted it.
    fn acknowledge(self, hub: &Hub, published: &[bool]) {
        match self {
            Self::Sent(sent) => sent.acknowledge(hub, published),
            // Without Redis, the other instances find the event by their resync.
            Self::Changed(changed) => changed.acknowledge(hub),
        }
    }
}

impl<R> Queued<R> {
    /// Returns the time until the client has to have the answer.
    fn time_left(&self) -> Duration {
        (self.accepted_at + ANSWER_TIMEOUT).saturating_duration_since(Instant::now())
    }

    fn answer(&self, frame: &ServerFrame<'_>) {
        self.socket.outbox.answer(self.permit, frame.encode());
    }
}

fn log_refused(count: usize, cause: &str) {
    if count > 0 {
        tracing::warn!(count, error.cause = cause, "requests refused");
    }
}

/// Logs the causes of the errors of a batch, in one line for each kind: errors of one kind usually have the same cause.
fn log_causes(errors: &[ApiError]) {
    for code in [ErrorCode::Internal, ErrorCode::Unavailable] {
        let mut causes = errors.iter().filter(|error| error.code == code).filter_map(|error| error.cause.as_deref());
        let count = causes.clone().count();
        match causes.next() {
            None => {}
            Some(cause) if code == ErrorCode::Internal => tracing::error!(count, error.cause = cause, "internal error"),
            Some(cause) => tracing::warn!(count, error.cause = cause, "dependency unavailable"),
        }
    }
}

#[cfg(test)]
mod tests;
