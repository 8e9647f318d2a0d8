//! Changes of stored messages in the queue of requests: edits, deletions and reactions.

use std::time::Duration;

use neonchat_common::{
    batch::BatchSize,
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
    chat_service::{ChangeOutcome, ChatService, ClientChange},
    hub::{Hub, Request},
    protocol::{Acked, NewChange, ServerFrame},
};

/// A change that is made, now or before.
pub(super) struct Changed {
    queued: Queued<ClientChange>,
    /// `None` if it changes nothing.
    seq: Option<Seq>,
    outcome: ChangeOutcome,
    /// Why the event could not be delivered.
    error: Option<ApiError>,
}

impl Call for ClientChange {
    type Outcome = ChangeOutcome;

    fn request_id(&self) -> &RequestId {
        &self.request_id
    }

    fn key(&self) -> Request {
        Request::Change(self.request_id.id())
    }

    fn trace(&mut self) -> &mut trace::Span {
        &mut self.trace
    }

    async fn call(
        chat_service: &ChatService,
        changes: &[Queued<Self>],
        timeout: Duration,
    ) -> Result<Vec<Result<ChangeOutcome, ApiError>>, ApiError> {
        chat_service.change(changes.iter().map(|change| &change.request), timeout).await
    }
}

impl Services {
    /// Makes changes with one call. Refuses those that are not made.
    pub(super) async fn change(self, changes: Vec<Queued<ClientChange>>) -> Vec<Done> {
        let made = self.call(changes).await.into_iter();
        made.map(|(queued, outcome)| Done::Changed(Box::new(Changed::new(queued, outcome)))).collect()
    }
}

impl Changed {
    fn new(queued: Queued<ClientChange>, outcome: ChangeOutcome) -> Self {
        let seq = outcome.event.as_ref().map(|event| event.seq);
        Self { queued, seq, outcome, error: None }
    }

    /// Returns the chat and the `seq` of the event, if there is one.
    pub(super) const fn place(&self) -> (ChatId, Option<Seq>) {
        (self.queued.request.chat, self.seq)
    }

    /// Delivers the event and the frame for the user to the local sockets. Adds the publications for the other instances.
    pub(super) fn deliver(&mut self, services: &Services, publications: &mut Vec<Publication>) {
        if self.outcome.duplicate {
            // From here on the socket is not left out of the event: the ack of a repeated request does not stand for it. If it was left
            // out already, it gets `lagged`.
            services.hub.fail_request(self.queued.socket.user, self.queued.request.key(), self.queued.socket.id);
        }
        self.error = self.deliver_locally(services, publications).inspect_err(ApiError::log).err();
    }

    fn deliver_locally(&mut self, services: &Services, publications: &mut Vec<Publication>) -> Result<(), ApiError> {
        let Queued { socket, request, .. } = &self.queued;
        let (chat, cause, trace) = (request.chat, request.cause(), request.trace.context());
        if let Some(event) = self.outcome.event.take() {
            publications.push(services.delivery.deliver_change_locally(chat, event, (&cause, &trace))?);
        }
        if let Some(frame) = self.outcome.personal_frame.take().filter(|_| !self.outcome.duplicate) {
            let (sender, cause) = ((socket.user, socket.id), (&cause, &trace));
            publications.push(services.delivery.pass_to_other_sockets_locally(sender, chat, &frame, cause)?);
        }
        Ok(())
    }

    pub(super) fn acknowledge(self, hub: &Hub) {
        let Self { queued, seq, outcome, error } = self;
        if let Some(error) = error {
            return queued.refuse(hub, &error);
        }
        hub.end_request(queued.socket.user, queued.request.key(), queued.socket.id);
        let ClientChange { request_id, chat: chat_id, .. } = &queued.request;
        let acked = Acked::Change { seq, duplicate: outcome.duplicate };
        queued.answer(&ServerFrame::Ack { request_id: request_id.as_str().into(), chat_id: *chat_id, acked });
    }
}

/// How much longer the answer to an edit is than its text: JSON escapes a character by six bytes, and there are two frames.
const ANSWER_BYTES: usize = 12;

impl NewChange {
    /// Returns what the change adds to a batch: the messages that it changes, and the bytes of the call and of its answer.
    pub(super) fn size(&self) -> BatchSize {
        match self {
            Self::Delete { message_ids } => BatchSize { messages: message_ids.len(), bytes: self.bytes() },
            Self::Edit { .. } | Self::React { .. } => BatchSize { messages: 1, bytes: self.bytes() * ANSWER_BYTES },
        }
    }

    /// Returns the bytes of the request.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Edit { text, given, .. } => text.as_str().len() + given.as_str().len(),
            Self::Delete { message_ids } => size_of_val(&**message_ids),
            Self::React { emoji, .. } => emoji.len(),
        }
    }
}
