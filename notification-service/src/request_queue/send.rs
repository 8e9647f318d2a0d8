//! Messages in the queue of requests.

use neonchat_common::{
    correlation::{self, CorrelationId},
    error::ApiError,
    ids::{ChatId, Seq},
    trace::TraceContext,
};
use tracing::Span;

use super::{
    Queued, in_time, log_causes,
    worker::{Done, Services},
};
use crate::{
    bus::Publication,
    chat_service::{NewMessage, Stored},
    event_frame,
    hub::{Hub, Request},
    metrics::{count_refused_send, count_stored_sends},
    protocol::{DeliveryStatus, Message, ServerFrame},
};

/// A message that is stored, now or before.
pub(super) struct Sent {
    queued: Queued<NewMessage>,
    stored: Stored,
    /// The index of its publication. A message that was edited or deleted since has none.
    publication: Option<usize>,
}

impl Services {
    /// Stores messages with one call. Refuses those that are not stored.
    pub(super) async fn store(&self, sends: Vec<Queued<NewMessage>>) -> Vec<Done> {
        let (sends, late) = in_time(sends);
        self.refuse_sends(late, &ApiError::remote_unavailable());
        // The first one has waited longest.
        let Some(first) = sends.first() else { return Vec::new() };
        for Queued { socket, request, .. } in &sends {
            self.hub.begin_request(socket.user, Request::Message(request.request_id.id()), socket.id);
        }
        // The call has one request ID, that of the first message. It belongs to the traces of all messages.
        let id = CorrelationId::for_send(&first.request.request_id);
        let call = self.chat_service.store_messages(sends.iter().map(|send| &send.request), first.time_left());
        let outcomes = match correlation::scope(id, TraceContext::default(), Span::none(), call).await {
            Ok(outcomes) => outcomes,
            Err(error) => {
                error.log();
                self.refuse_sends(sends, &error);
                return Vec::new();
            }
        };
        let (mut stored, mut errors) = (Vec::with_capacity(sends.len()), Vec::new());
        for (queued, outcome) in sends.into_iter().zip(outcomes) {
            match outcome {
                Ok(outcome) => {
                    metrics::histogram!("message_store_duration_seconds").record(queued.accepted_at.elapsed());
                    stored.push(Done::Sent(Box::new(Sent { queued, stored: outcome, publication: None })));
                }
                Err(error) => {
                    queued.refuse(&self.hub, &error);
                    errors.push(error);
                }
            }
        }
        log_causes(&errors);
        count_stored_sends(stored.len());
        stored
    }

    fn refuse_sends(&self, sends: Vec<Queued<NewMessage>>, error: &ApiError) {
        for send in sends {
            send.refuse(&self.hub, error);
        }
    }
}

impl Queued<NewMessage> {
    fn refuse(mut self, hub: &Hub, error: &ApiError) {
        count_refused_send(error);
        self.request.trace.fail(error.code.as_str());
        let (socket, request_id) = (&self.socket, &self.request.request_id);
        tracing::debug!(request.id = %request_id, user.id = %socket.user, error.code = %error.code, "message refused");
        hub.fail_request(socket.user, Request::Message(request_id.id()), socket.id);
        self.answer(&ServerFrame::error(Some(request_id.as_str().into()), error));
    }
}

impl Sent {
    /// Returns the chat and the `seq` of the event.
    pub(super) const fn place(&self) -> (ChatId, Option<Seq>) {
        (self.queued.request.chat_id, Some(self.stored.seq))
    }

    /// Delivers the message to the local sockets. Adds the publication for the other instances.
    pub(super) fn deliver(&mut self, services: &Services, publications: &mut Vec<Publication>) {
        // Not the text that was sent, if it was edited or deleted since.
        if self.stored.changed {
            return;
        }
        let sent = &self.queued.request;
        let (id, trace, message) = (sent.request_id.as_str(), sent.trace.context(), self.stored.message(sent));
        self.publication = Some(publications.len());
        publications.push(services.delivery.deliver_locally(&message, id, &trace).publication);
    }

    pub(super) fn acknowledge(self, hub: &Hub, published: &[bool]) {
        let Self { queued, stored, publication } = self;
        let NewMessage { chat_id, request_id, .. } = &queued.request;
        // Without a result, the other instances may not have the message.
        let is_published = publication.and_then(|index| published.get(index).copied()).unwrap_or(false);
        let message = stored.extra.is_some().then(|| stored.message(&queued.request));
        let own = |message| Message { request_id: Some(request_id.id()), ..event_frame::shown(message) };
        // The time until the message is in the local outboxes and in Redis.
        metrics::histogram!("message_delivery_duration_seconds").record(queued.accepted_at.elapsed());
        tracing::debug!(request.id = %request_id, user.id = %queued.socket.user, chat.id = %chat_id,
            message.id = %stored.message_id, message.seq = stored.seq, "message sent");
        let ack = ServerFrame::MessageSent {
            request_id: *request_id,
            status: DeliveryStatus::of_published(is_published),
            message_id: stored.message_id,
            chat_id: *chat_id,
            seq: stored.seq,
            created_at: stored.created_at,
            duplicate: stored.duplicate,
            message: message.as_ref().map(own),
        };
        hub.end_request(queued.socket.user, Request::Message(request_id.id()), queued.socket.id);
        queued.answer(&ack);
    }
}
