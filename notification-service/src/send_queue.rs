//! The queue of messages from sockets to chat-service. Messages that wait at the same time share one call, one statement
//! and one commit.
//!
//! It has [shards](crate::shards): the messages that a client sends in a chat are stored in the order in which they arrive.

use std::{sync::Arc, time::Duration};

use neonchat_common::{
    batch::BatchSize,
    correlation::{self, CorrelationId},
    error::{ApiError, ErrorCode},
    tasks::Tasks,
    trace::TraceContext,
};
use tokio::time::Instant;
use tracing::Span;

use crate::{
    chat_service::{ChatService, NewMessage, Stored},
    delivery::Delivery,
    event_frame,
    hub::{Hub, Request, Socket, outbox::SendPermit},
    metrics::{count_refused_send, count_stored_sends},
    protocol::{DeliveryStatus, Message, ServerFrame},
    shards::{Queued, Refused, Shards, Worker},
};

/// The queue of messages.
#[derive(Debug)]
pub(crate) struct SendQueue(Shards<QueuedSend>);

/// A message that waits in a shard.
#[derive(Debug)]
struct QueuedSend {
    socket: Arc<Socket>,
    message: NewMessage,
    permit: SendPermit,
    accepted_at: Instant,
}

/// Stores and delivers messages.
#[derive(Clone)]
struct SendWorker {
    hub: Arc<Hub>,
    chat_service: ChatService,
    delivery: Delivery,
    tasks: Tasks,
}

impl SendQueue {
    /// Starts the queue. It ends with the process, after its messages.
    pub(crate) fn start(hub: &Arc<Hub>, chat_service: &ChatService, delivery: &Delivery, tasks: &Tasks) -> Self {
        let worker = SendWorker {
            hub: Arc::clone(hub),
            chat_service: chat_service.clone(),
            delivery: delivery.clone(),
            tasks: tasks.clone(),
        };
        Self(Shards::start(&worker, tasks))
    }

    /// Queues a message. The answer comes through the socket's outbox.
    ///
    /// # Errors
    /// Fails with `unavailable` if the shard stays full.
    pub(crate) async fn submit(&self, socket: &Arc<Socket>, mut message: NewMessage) -> Result<(), ApiError> {
        let accepted_at = Instant::now();
        let place = self.0.reserve(message.chat_id, accepted_at).await;
        let place = place.inspect_err(|error| message.trace.fail(error.code.as_str()))?;
        let permit = socket.outbox.begin_send(message.text.as_str().len());
        place.send(QueuedSend { socket: Arc::clone(socket), message, permit, accepted_at });
        Ok(())
    }
}

impl Worker for SendWorker {
    type Request = QueuedSend;

    const REFUSED: Refused = Refused {
        message: "messages refused",
        full: "the send queue of the shard is full",
        late: "the send waited too long in its shard",
    };

    fn refuse(&self, send: QueuedSend, error: &ApiError) {
        send.refuse(&self.hub, error);
    }

    /// Stores the batch with one call. Stored messages go to the local sockets, then to Redis; then the senders get acks.
    async fn make(&self, sends: Vec<QueuedSend>, timeout: Duration) {
        let Some(first) = sends.first() else { return };
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
        let published = self.delivery.start_publishing(publications).await;
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
}

impl SendWorker {
    async fn store(&self, sends: &[QueuedSend], timeout: Duration) -> Result<Vec<Result<Stored, ApiError>>, ApiError> {
        for QueuedSend { socket, message, .. } in sends {
            self.hub.begin_request(message.sender_id, Request::Message(message.request_id.id()), socket.id);
        }
        let messages = sends.iter().map(|send| &send.message);
        self.chat_service.store_messages(messages, timeout).await.inspect_err(ApiError::log)
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

impl Queued for QueuedSend {
    fn accepted_at(&self) -> Instant {
        self.accepted_at
    }

    fn size(&self) -> BatchSize {
        BatchSize { messages: 1, bytes: self.message.text.as_str().len() }
    }
}

impl QueuedSend {
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
