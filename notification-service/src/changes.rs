//! Changes of stored messages that clients make over their sockets. Those that wait at the same time share one call and one pipeline to
//! Redis.
//!
//! They have [shards](crate::shards), like messages. A socket has one change under way at a time.

use std::{sync::Arc, time::Duration};

use neonchat_common::{
    batch::BatchSize,
    correlation,
    error::ApiError,
    ids::{ChatId, RequestId, Seq},
    tasks::Tasks,
    trace::TraceContext,
};
use tokio::{sync::oneshot, time::Instant};
use tracing::Span;

use crate::{
    bus::Publication,
    chat_service::{ChangeOutcome, ChatService, ClientChange},
    delivery::Delivery,
    hub::{Hub, Request, Socket, SocketId},
    protocol::{Acked, NewChange, ServerFrame},
    shards::{Queued, Refused, Shards, Worker},
};

/// Makes changes.
#[derive(Debug)]
pub(crate) struct Changes(Shards<QueuedChange>);

/// A change that waits in a shard.
#[derive(Debug)]
struct QueuedChange {
    socket: SocketId,
    change: ClientChange,
    answer: oneshot::Sender<Result<Made, ApiError>>,
    accepted_at: Instant,
}

/// A change that is stored, now or before.
#[derive(Debug)]
struct Made {
    /// `None` if it changes nothing.
    seq: Option<Seq>,
    is_duplicate: bool,
}

/// Makes and delivers changes.
#[derive(Clone)]
struct ChangeWorker {
    hub: Arc<Hub>,
    chat_service: ChatService,
    delivery: Delivery,
    tasks: Tasks,
}

impl Changes {
    /// Starts the queue. It ends with the process, after its changes.
    pub(crate) fn start(hub: &Arc<Hub>, chat_service: &ChatService, delivery: &Delivery, tasks: &Tasks) -> Self {
        let worker = ChangeWorker {
            hub: Arc::clone(hub),
            chat_service: chat_service.clone(),
            delivery: delivery.clone(),
            tasks: tasks.clone(),
        };
        Self(Shards::start(&worker, tasks))
    }

    /// Makes a change and delivers its event to the sockets of the chat, except to this one, which gets the returned ack instead.
    /// If it was made before, this socket gets the event too: the ack of a repeated request does not stand for it. A change that is
    /// queued is made although the connection may end meanwhile.
    pub(crate) async fn make(
        &self,
        socket: &Socket,
        chat: ChatId,
        request_id: RequestId,
        change: NewChange,
    ) -> Result<ServerFrame<'static>, ApiError> {
        let accepted_at = Instant::now();
        let place = self.0.reserve(chat, accepted_at).await?;
        let (cause, trace) = (correlation::current(), correlation::current_trace());
        let change = ClientChange { user: socket.user, chat, request_id: request_id.id(), change, cause, trace };
        let (answer, answered) = oneshot::channel();
        place.send(QueuedChange { socket: socket.id, change, answer, accepted_at });
        let Made { seq, is_duplicate } = answered.await.map_err(ApiError::internal)??;
        let acked = Acked::Change { seq, duplicate: is_duplicate };
        Ok(ServerFrame::Ack { request_id: request_id.to_string().into(), chat_id: chat, acked })
    }
}

impl Worker for ChangeWorker {
    type Request = QueuedChange;

    const REFUSED: Refused = Refused {
        message: "changes refused",
        full: "the change queue of the shard is full",
        late: "the change waited too long in its shard",
    };

    fn refuse(&self, change: QueuedChange, error: &ApiError) {
        change.answer(&self.hub, Err(error.clone()));
    }

    /// Makes the changes with one call. Their events go to the local sockets, then to Redis; then the clients get acks.
    async fn make(&self, changes: Vec<QueuedChange>, timeout: Duration) {
        let Some(first) = changes.first() else { return };
        // The call has one request ID, that of the first change. It belongs to the traces of all changes.
        let (id, call) = (first.change.cause.clone(), self.call(&changes, timeout));
        let changes = match correlation::scope(id, TraceContext::default(), Span::none(), call).await {
            Ok(outcomes) => changes.into_iter().zip(outcomes),
            Err(error) => return changes.into_iter().for_each(|change| self.refuse(change, &error)),
        };
        let mut publications = Vec::new();
        let made: Vec<_> = changes
            .map(|(change, outcome)| {
                let made = outcome.and_then(|outcome| self.deliver_locally(&change, outcome, &mut publications));
                (change, made)
            })
            .collect();
        let published = self.delivery.start_publishing(publications).await;
        let hub = Arc::clone(&self.hub);
        // A task of its own, so that the shard's next call does not wait for Redis.
        self.tasks.spawn(async move {
            // Without Redis, the other instances find the events by their resync.
            published.await;
            for (change, made) in made {
                change.answer(&hub, made);
            }
        });
    }
}

impl ChangeWorker {
    async fn call(
        &self,
        changes: &[QueuedChange],
        timeout: Duration,
    ) -> Result<Vec<Result<ChangeOutcome, ApiError>>, ApiError> {
        for queued in changes {
            self.hub.begin_request(queued.change.user, queued.request(), queued.socket);
        }
        let changes = changes.iter().map(|queued| &queued.change);
        // Logged once, and not for each change.
        self.chat_service.change(changes, timeout).await.map_err(ApiError::logged)
    }

    /// Delivers the event of a change and the frame for the user to the local sockets. Adds the publications for the other instances.
    fn deliver_locally(
        &self,
        queued: &QueuedChange,
        outcome: ChangeOutcome,
        publications: &mut Vec<Publication>,
    ) -> Result<Made, ApiError> {
        let ClientChange { user, chat, cause, trace, .. } = &queued.change;
        let ChangeOutcome { duplicate: is_duplicate, event, personal_frame } = outcome;
        if is_duplicate {
            // From here on the socket is not left out of the event. If it was left out already, it gets `lagged`.
            self.hub.fail_request(*user, queued.request(), queued.socket);
        }
        let seq = event.as_ref().map(|event| event.seq);
        if let Some(event) = event {
            publications.push(self.delivery.deliver_change_locally(*chat, event, (cause, trace))?);
        }
        if let Some(frame) = personal_frame.filter(|_| !is_duplicate) {
            let sender = (*user, queued.socket);
            publications.push(self.delivery.pass_to_other_sockets_locally(sender, *chat, &frame, (cause, trace))?);
        }
        Ok(Made { seq, is_duplicate })
    }
}

impl Queued for QueuedChange {
    fn accepted_at(&self) -> Instant {
        self.accepted_at
    }

    fn size(&self) -> BatchSize {
        match &self.change.change {
            NewChange::Edit { text, .. } => BatchSize { messages: 1, bytes: text.as_str().len() },
            NewChange::Delete { message_ids } => BatchSize { messages: message_ids.len(), bytes: 0 },
            NewChange::React { .. } => BatchSize { messages: 1, bytes: 0 },
        }
    }
}

impl QueuedChange {
    const fn request(&self) -> Request {
        Request::Change(self.change.request_id)
    }

    fn answer(self, hub: &Hub, made: Result<Made, ApiError>) {
        let (user, request) = (self.change.user, self.request());
        match made {
            Ok(_) => hub.end_request(user, request, self.socket),
            Err(_) => hub.fail_request(user, request, self.socket),
        }
        // The connection may have ended.
        let _ = self.answer.send(made);
    }
}

#[cfg(test)]
mod tests;
