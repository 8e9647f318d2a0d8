//! The queue of messages from sockets to chat-service. Messages that wait at the same time share one call, one statement
//! and one commit.
//!
//! All sends of a chat go through the same shard, and a shard has one call under way at a time: so the messages that a
//! client sends in a chat are stored in the order in which they arrive. Sends that arrive during a call go with the next
//! call.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{future::maybe_done, poll};
use neonchat_common::{
    batch::{BatchSize, recv_batch},
    correlation::{self, CorrelationId},
    error::{ApiError, ErrorCode},
    ids::ChatId,
    tasks::Tasks,
    trace::TraceContext,
};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::{
    bus::Publication,
    chat_service::{ChatService, NewMessage, Stored},
    delivery::Delivery,
    event_frame,
    hub::{Hub, Request, Socket, outbox::SendPermit},
    metrics::{count_refused_send, count_stored_sends},
    protocol::{DeliveryStatus, Message, ServerFrame},
};

/// While chat-service works on the call of one shard, the next call comes from another shard. More shards make smaller
/// batches.
const SHARDS: usize = 2;

/// The most sends that wait in one shard.
const MAX_QUEUED: usize = 4096;

/// A batch that has reached this size takes no further messages.
const MAX_BATCH: BatchSize = BatchSize { messages: 500, bytes: 1024 * 1024 };

/// How long a client waits for the answer to a send. It must come within two seconds, even if Postgres is unavailable.
const SEND_TIMEOUT: Duration = Duration::from_millis(1800);

/// A send with less time left than this is refused before the call: its answer would come too late.
const MIN_TIME_LEFT: Duration = Duration::from_millis(100);

/// The shards of sends.
#[derive(Debug)]
pub(crate) struct SendQueue {
    shards: Box<[Shard]>,
    hasher: RandomState,
}

/// The queue of a shard.
#[derive(Debug)]
struct Shard {
    sends: mpsc::Sender<QueuedSend>,
    /// The number of messages that found the queue full since the last batch.
    rejected: Arc<AtomicUsize>,
}

/// A message that waits in a shard.
#[derive(Debug)]
struct QueuedSend {
    socket: Arc<Socket>,
    message: NewMessage,
    permit: SendPermit,
    accepted_at: Instant,
}

/// Stores and delivers the sends of one shard.
#[derive(Clone)]
struct ShardWorker {
    hub: Arc<Hub>,
    chat_service: ChatService,
    delivery: Delivery,
    tasks: Tasks,
}

impl SendQueue {
    /// Starts the shards. They end with the process, after their queued sends.
    pub(crate) fn start(hub: &Arc<Hub>, chat_service: &ChatService, delivery: &Delivery, tasks: &Tasks) -> Self {
        let worker = ShardWorker {
            hub: Arc::clone(hub),
            chat_service: chat_service.clone(),
            delivery: delivery.clone(),
            tasks: tasks.clone(),
        };
        let shard = |_| {
            let (shard, sends) = Shard::new(MAX_QUEUED);
            tasks.spawn(worker.clone().run(sends, Arc::clone(&shard.rejected), tasks.stop_token()));
            shard
        };
        Self { shards: (0..SHARDS).map(shard).collect(), hasher: RandomState::new() }
    }

    /// Queues a message. The answer comes through the socket's outbox.
    ///
    /// # Errors
    /// Fails with `unavailable` if the shard stays full.
    pub(crate) async fn submit(&self, socket: &Arc<Socket>, mut message: NewMessage) -> Result<(), ApiError> {
        let accepted_at = Instant::now();
        let shard = self.shard(message.chat_id);
        let Ok(Ok(slot)) = timeout_at(accepted_at + SEND_TIMEOUT, shard.sends.reserve()).await else {
            shard.rejected.fetch_add(1, Ordering::Relaxed);
            let error = ApiError::remote_unavailable();
            message.trace.fail(error.code.as_str());
            return Err(error);
        };
        let permit = socket.outbox.begin_send(message.text.as_str().len());
        slot.send(QueuedSend { socket: Arc::clone(socket), message, permit, accepted_at });
        Ok(())
    }

    fn shard(&self, chat: ChatId) -> &Shard {
        let index = self.hasher.hash_one(chat) % self.shards.len() as u64;
        // Cannot fail: the index is less than a `usize`.
        &self.shards[usize::try_from(index).unwrap_or(0)]
    }
}

impl Shard {
    fn new(capacity: usize) -> (Self, mpsc::Receiver<QueuedSend>) {
        let (sends, queued) = mpsc::channel(capacity);
        (Self { sends, rejected: Arc::default() }, queued)
    }
}

impl ShardWorker {
    async fn run(self, mut queued: mpsc::Receiver<QueuedSend>, rejected: Arc<AtomicUsize>, stopped: CancellationToken) {
        loop {
            let sends = recv_batch(&mut queued, &stopped, MAX_BATCH, QueuedSend::size).await;
            log_refused(rejected.swap(0, Ordering::Relaxed), "the send queue of the shard is full");
            let Some(sends) = sends else { return };
            let latest = Instant::now() + MIN_TIME_LEFT - SEND_TIMEOUT;
            let (sends, late): (Vec<_>, Vec<_>) = sends.into_iter().partition(|send| send.accepted_at > latest);
            log_refused(late.len(), "the send waited too long in its shard");
            for send in late {
                send.refuse(&self.hub, &ApiError::remote_unavailable());
            }
            self.store_and_deliver(sends).await;
        }
    }

    /// Stores the batch with one call. Stored messages go to the local sockets, then to Redis; then the senders get acks.
    async fn store_and_deliver(&self, sends: Vec<QueuedSend>) {
        // The first send has waited longest.
        let Some(first) = sends.first() else { return };
        let timeout = (first.accepted_at + SEND_TIMEOUT).saturating_duration_since(Instant::now());
        // The call has one request ID, that of the first send. It belongs to the traces of all messages.
        let id = CorrelationId::for_send(&first.message.request_id);
        let call = self.store(&sends, timeout);
        let sends = match correlation::scope(id, TraceContext::default(), Span::none(), call).await {
            Ok(outcomes) => sends.into_iter().zip(outcomes),
            Err(error) => return sends.into_iter().for_each(|send| send.refuse(&self.hub, &error)),
        };
        let (mut stored, mut publications) = (Vec::with_capacity(sends.len()), Vec::with_capacity(sends.len()));
        let mut errors = Vec::new();
        for (send, outcome) in sends {
            match outcome {
                Ok(outcome) => {
                    metrics::histogram!("message_store_duration_seconds").record(send.accepted_at.elapsed());
                    let id = send.message.request_id.as_str();
                    let trace = send.message.trace.context();
                    let message = outcome.message(&send.message);
                    // A message that was edited or deleted since is not delivered with the text that was sent.
                    let publication = (!outcome.changed).then(|| {
                        publications.push(self.delivery.deliver_locally(&message, id, &trace).publication);
                        publications.len() - 1
                    });
                    stored.push((send, outcome, publication));
                }
                Err(error) => {
                    send.refuse(&self.hub, &error);
                    errors.push(error);
                }
            }
        }
        log_causes(&errors);
        count_stored_sends(stored.len());
        let published = start_publishing(self.delivery.clone(), publications).await;
        let hub = Arc::clone(&self.hub);
        // A task of its own, so that the shard's next call does not wait for Redis.
        self.tasks.spawn(async move {
            let published = published.await;
            for (send, outcome, publication) in stored {
                // Without a result, the other instances may not have the message.
                let is_published = publication.and_then(|index| published.get(index).copied()).unwrap_or(false);
                send.acknowledge(&hub, &outcome, is_published);
            }
        });
    }

    async fn store(&self, sends: &[QueuedSend], timeout: Duration) -> Result<Vec<Result<Stored, ApiError>>, ApiError> {
        for QueuedSend { socket, message, .. } in sends {
            self.hub.begin_request(message.sender_id, Request::Message(message.request_id.id()), socket.id);
        }
        let messages = sends.iter().map(|send| &send.message);
        self.chat_service.store_messages(messages, timeout).await.inspect_err(ApiError::log)
    }
}

fn log_refused(count: usize, cause: &str) {
    if count > 0 {
        tracing::warn!(count, error.cause = cause, "messages refused");
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

/// Starts publishing and returns a future of the results. The publications are in the Redis client's queue when this
/// returns, so that batches of one shard are published in the order of their calls.
async fn start_publishing(
    delivery: Delivery,
    publications: Vec<Publication>,
) -> impl Future<Output = Vec<bool>> + Send {
    let mut published = Box::pin(maybe_done(async move { delivery.publish_all(publications).await }));
    // The first poll fills the queue.
    let _ = poll!(&mut published);
    async move {
        published.as_mut().await;
        // Taken once, so that there is a result. Without one, no message counts as published.
        published.as_mut().take_output().unwrap_or_else(Vec::new)
    }
}

impl QueuedSend {
    fn size(&self) -> BatchSize {
        BatchSize { messages: 1, bytes: self.message.text.as_str().len() }
    }

    fn acknowledge(self, hub: &Hub, stored: &Stored, is_published: bool) {
        let NewMessage { chat_id, request_id, .. } = self.message;
        let message = stored.extra.is_some().then(|| stored.message(&self.message));
        let own = |message| Message { request_id: Some(request_id.id()), ..event_frame::shown(message) };
        // The time until the message is in the local outboxes and in Redis.
        metrics::histogram!("message_delivery_duration_seconds").record(self.accepted_at.elapsed());
        tracing::debug!(request.id = %request_id, user.id = %self.socket.user, chat.id = %chat_id,
            message.id = %stored.message_id, message.seq = stored.seq, "message sent");
        let ack = ServerFrame::MessageSent {
            request_id,
            status: DeliveryStatus::of_published(is_published),
            message_id: stored.message_id,
            chat_id,
            seq: stored.seq,
            created_at: stored.created_at,
            duplicate: stored.duplicate,
            message: message.as_ref().map(own),
        };
        hub.end_request(self.socket.user, Request::Message(request_id.id()), self.socket.id);
        self.answer(&ack);
    }

    fn refuse(mut self, hub: &Hub, error: &ApiError) {
        count_refused_send(error);
        self.message.trace.fail(error.code.as_str());
        let request_id = self.message.request_id;
        tracing::debug!(request.id = %request_id, user.id = %self.socket.user, error.code = %error.code,
            "message refused");
        hub.fail_request(self.socket.user, Request::Message(request_id.id()), self.socket.id);
        self.answer(&ServerFrame::error(Some(request_id.as_str().into()), error));
    }

    fn answer(&self, frame: &ServerFrame<'_>) {
        self.socket.outbox.answer(self.permit, frame.encode());
    }
}

#[cfg(test)]
mod tests;
