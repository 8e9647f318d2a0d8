//! Sends on their way to chat-service: gathered, so that many of them share one call, one statement and one commit.
//!
//! Each chat has its lane, and each lane has one call under way at a time: the messages that a client sends in a chat are
//! stored in the order in which they came. What comes while the call is under way goes with the next one.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::Duration,
};

use futures_util::{future::maybe_done, poll};
use neonchat_common::{
    batch::{BatchSize, recv_batch},
    correlation::{self, CorrelationId},
    error::ApiError,
    ids::ChatId,
    trace::TraceContext,
};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::{
    chat_service::{NewMessage, Stored},
    delivery::Delivery,
    hub::{Hub, Socket, outbox::Weight},
    measures,
    protocol::{DeliveryStatus, ServerFrame},
};

/// While chat-service works on the call of one lane, the next call comes to it from another. More lanes make smaller calls.
const LANES: usize = 2;

/// Sends that may wait for one lane.
const MAX_WAITING: usize = 4096;

/// With so much a call takes no further messages.
const FULL: BatchSize = BatchSize { messages: 500, bytes: 1024 * 1024 };

/// The longest that a client waits for the answer to a send (guarantee G11: two seconds).
const SEND_DEADLINE: Duration = Duration::from_millis(1800);

/// With less than this left, a send is not begun: it would be refused although it was stored.
const MIN_TIME: Duration = Duration::from_millis(100);

/// See the module.
#[derive(Debug)]
pub(crate) struct Sending {
    lanes: Box<[mpsc::Sender<Send>]>,
    hasher: RandomState,
}

/// A message that a socket sends.
#[derive(Debug)]
struct Send {
    socket: Arc<Socket>,
    message: NewMessage,
    weight: Weight,
    accepted: Instant,
}

impl Sending {
    /// Starts the lanes. They end with the process, when all that waits is done.
    pub(crate) fn start(delivery: &Delivery) -> Self {
        let lane = |_| {
            let (lane, sends) = mpsc::channel(MAX_WAITING);
            delivery.tasks.spawn(run(delivery.clone(), sends, delivery.tasks.stopped()));
            lane
        };
        Self { lanes: (0..LANES).map(lane).collect(), hasher: RandomState::new() }
    }

    /// Takes a message on. Its answer comes through the socket's outbox.
    ///
    /// # Errors
    /// There are more than can be stored.
    pub(crate) async fn submit(&self, socket: &Arc<Socket>, mut message: NewMessage) -> Result<(), ApiError> {
        let accepted = Instant::now();
        let Ok(Ok(place)) = timeout_at(accepted + SEND_DEADLINE, self.lane(message.chat_id).reserve()).await else {
            let error = ApiError::service_away();
            message.trace.fail(error.code.as_str());
            return Err(error);
        };
        let weight = socket.outbox.begin_send(message.text.as_str().len());
        place.send(Send { socket: Arc::clone(socket), message, weight, accepted });
        Ok(())
    }

    fn lane(&self, chat: ChatId) -> &mpsc::Sender<Send> {
        let lane = self.hasher.hash_one(chat) % self.lanes.len() as u64;
        &self.lanes[usize::try_from(lane).unwrap_or_default()]
    }
}

async fn run(delivery: Delivery, mut sends: mpsc::Receiver<Send>, stopped: CancellationToken) {
    loop {
        let Some(sends) = recv_batch(&mut sends, &stopped, FULL, Send::size).await else { return };
        let latest = Instant::now() + MIN_TIME - SEND_DEADLINE;
        let (sends, late): (Vec<_>, Vec<_>) = sends.into_iter().partition(|send| send.accepted > latest);
        for send in late {
            send.refuse(&delivery, &ApiError::service_away());
        }
        store_and_deliver(&delivery, sends).await;
    }
}

/// One call for all. What it stores goes to the sockets here, to Redis, and then, as an ack, to its sender.
async fn store_and_deliver(delivery: &Delivery, sends: Vec<Send>) {
    // The first came first.
    let Some(first) = sends.first() else { return };
    let left = (first.accepted + SEND_DEADLINE).saturating_duration_since(Instant::now());
    for Send { socket, message, .. } in &sends {
        delivery.hub.sending(message.sender_id, message.request_id.id(), socket.id);
    }
    let messages = sends.iter().map(|send| &send.message);
    let call = async { delivery.chat_service.store(messages, left).await.inspect_err(ApiError::log) };
    // The call has one id: the first send's. Its traces are those of the messages.
    let id = CorrelationId::for_send(&first.message.request_id);
    let outcomes = match correlation::scope(id, TraceContext::default(), Span::none(), call).await {
        Ok(outcomes) => outcomes,
        Err(error) => return sends.into_iter().for_each(|send| send.refuse(delivery, &error)),
    };
    let (mut stored, mut publications) = (Vec::with_capacity(sends.len()), Vec::with_capacity(sends.len()));
    for (send, outcome) in sends.into_iter().zip(outcomes) {
        match outcome {
            Ok(outcome) => {
                metrics::histogram!("message_store_duration_seconds").record(send.accepted.elapsed());
                let id = send.message.request_id.as_str();
                let trace = send.message.trace.context();
                publications.push(delivery.deliver_here(&outcome.message(&send.message), id, &trace).1);
                stored.push((send, outcome));
            }
            Err(error) => {
                error.log();
                send.refuse(delivery, &error);
            }
        }
    }
    measures::stored_sends(stored.len());
    // Begun here, so that what is published in a chat keeps its order; and waited for elsewhere, so that the next call does
    // not wait for Redis.
    let bus = delivery.publisher.clone();
    let mut published = Box::pin(maybe_done(async move { bus.publish_all(publications).await }));
    let _ = poll!(&mut published);
    let hub = Arc::clone(&delivery.hub);
    delivery.tasks.spawn(async move {
        published.as_mut().await;
        let published = published.as_mut().take_output().unwrap_or_default();
        for (place, (send, outcome)) in stored.into_iter().enumerate() {
            let is_published = published.get(place).copied().unwrap_or_default();
            send.acknowledge(&hub, outcome, is_published);
        }
    });
}

impl Send {
    fn size(&self) -> BatchSize {
        BatchSize { messages: 1, bytes: self.message.text.as_str().len() }
    }

    fn acknowledge(self, hub: &Hub, stored: Stored, is_published: bool) {
        let NewMessage { chat_id, request_id, .. } = self.message;
        // To the outboxes of the sockets here, and to Redis.
        metrics::histogram!("message_delivery_duration_seconds").record(self.accepted.elapsed());
        tracing::debug!(request.id = %request_id, user.id = %self.socket.user, chat.id = %chat_id,
            message.id = %stored.message_id, message.seq = stored.seq, "sent");
        let ack = ServerFrame::MessageSent {
            request_id,
            status: if is_published { DeliveryStatus::Delivered } else { DeliveryStatus::Stored },
            message_id: stored.message_id,
            chat_id,
            seq: stored.seq,
            created_at: stored.created_at,
            duplicate: stored.duplicate,
        };
        hub.sent(self.socket.user, request_id.id(), self.socket.id);
        self.answer(&ack);
    }

    fn refuse(mut self, delivery: &Delivery, error: &ApiError) {
        measures::refused_send(error);
        self.message.trace.fail(error.code.as_str());
        let request_id = self.message.request_id;
        tracing::debug!(request.id = %request_id, user.id = %self.socket.user, error.code = %error.code, "refused");
        delivery.hub.refused(self.socket.user, request_id.id(), self.socket.id);
        self.answer(&ServerFrame::error(Some(request_id.as_str().into()), error));
    }

    fn answer(&self, frame: &ServerFrame<'_>) {
        self.socket.outbox.answer(self.weight, frame.encode());
    }
}
