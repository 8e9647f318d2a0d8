//! Messages in the queue of requests.

use std::time::Duration;

use neonchat_common::{
    error::ApiError,
    ids::{ChatId, RequestId, Seq},
    trace,
};

use super::{
    Queued,
    call::Call,
    worker::{Done, Services},
};
use crate::{
    bus::Publication,
    chat_service::{ChatService, NewMessage, Stored},
    event_frame,
    hub::{Hub, Request, Socket},
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

impl Call for NewMessage {
    type Outcome = Stored;

    fn request_id(&self) -> &RequestId {
        &self.request_id
    }

    fn key(&self) -> Request {
        Request::Message(self.request_id.id())
    }

    fn trace(&mut self) -> &mut trace::Span {
        &mut self.trace
    }

    async fn call(
        chat_service: &ChatService,
        messages: &[Queued<Self>],
        timeout: Duration,
    ) -> Result<Vec<Result<Stored, ApiError>>, ApiError> {
        chat_service.store_messages(messages.iter().map(|message| &message.request), timeout).await
    }

    fn refused(&self, socket: &Socket, error: &ApiError) {
        count_refused_send(error);
        tracing::debug!(request.id = %self.request_id, user.id = %socket.user, error.code = %error.code, "message refused");
    }
}

impl Services {
    /// Stores messages with one call. Refuses those that are not stored.
    pub(super) async fn store(&self, sends: Vec<Queued<NewMessage>>) -> Vec<Done> {
        let stored = self.call(sends).await;
        count_stored_sends(stored.len());
        let sent = |(queued, stored): (Queued<NewMessage>, Stored)| {
            metrics::histogram!("message_store_duration_seconds").record(queued.accepted_at.elapsed());
            Done::Sent(Box::new(Sent { queued, stored, publication: None }))
        };
        stored.into_iter().map(sent).collect()
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
        hub.end_request(queued.socket.user, queued.request.key(), queued.socket.id);
        queued.answer(&ack);
    }
}
