//! Changes of stored messages in the queue of requests: edits, deletions and reactions.

use neonchat_common::{
    batch::BatchSize,
    correlation,
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
    chat_service::{ChangeOutcome, ClientChange},
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

impl Services {
    /// Makes changes with one call. Refuses those that are not made.
    pub(super) async fn change(self, changes: Vec<Queued<ClientChange>>) -> Vec<Done> {
        let (changes, late) = in_time(changes);
        self.refuse_changes(late, &ApiError::remote_unavailable());
        // The first one has waited longest.
        let Some(first) = changes.first() else { return Vec::new() };
        for Queued { socket, request, .. } in &changes {
            self.hub.begin_request(socket.user, Request::Change(request.request_id.id()), socket.id);
        }
        // The call has one request ID, that of the first change. It belongs to the traces of all changes.
        let id = first.request.cause();
        let call = self.chat_service.change(changes.iter().map(|change| &change.request), first.time_left());
        let outcomes = match correlation::scope(id, TraceContext::default(), Span::none(), call).await {
            Ok(outcomes) => outcomes,
            Err(error) => {
                error.log();
                self.refuse_changes(changes, &error);
                return Vec::new();
            }
        };
        let (mut made, mut errors) = (Vec::with_capacity(changes.len()), Vec::new());
        for (queued, outcome) in changes.into_iter().zip(outcomes) {
            match outcome {
                Ok(outcome) => made.push(Done::Changed(Box::new(Changed::new(queued, outcome)))),
                Err(error) => {
                    queued.refuse(&self.hub, &error);
                    errors.push(error);
                }
            }
        }
        log_causes(&errors);
        made
    }

    fn refuse_changes(&self, changes: Vec<Queued<ClientChange>>, error: &ApiError) {
        for change in changes {
            change.refuse(&self.hub, error);
        }
    }
}

impl Queued<ClientChange> {
    fn key(&self) -> Request {
        Request::Change(self.request.request_id.id())
    }

    fn refuse(mut self, hub: &Hub, error: &ApiError) {
        self.request.trace.fail(error.code.as_str());
        hub.fail_request(self.socket.user, self.key(), self.socket.id);
        self.answer(&ServerFrame::error(Some(self.request.request_id.as_str().into()), error));
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
            services.hub.fail_request(self.queued.socket.user, self.queued.key(), self.queued.socket.id);
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
        hub.end_request(queued.socket.user, queued.key(), queued.socket.id);
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
