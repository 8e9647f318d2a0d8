//! Calls that edit or delete messages, or react to them.

use std::time::Duration;

use neonchat_common::{
    correlation::{self, CorrelationId},
    error::ApiError,
    grpc::client::Rpc as _,
    ids::{ChatId, RequestId, UserId},
    keyed::in_order_by_key,
    trace,
};
use neonchat_proto::chat::v1::{
    ChangeMessageRequest, ChangeMessageResponse, ChangeMessageResult, ChangeMessagesRequest,
    change_message_result::Result as Outcome,
};
use tokio::time::Instant;
use tonic::{Code, Status};
use tracing::Span;

use super::{
    ChangeOutcome, ChatService, StoredChange,
    model::{error_of, parse_frame},
};
use crate::protocol::NewChange;

/// The calls at the same time to a chat-service that makes only one change by a call.
const MAX_SINGLE_CALLS: usize = 32;

/// A change that a client asked for.
#[derive(Debug)]
pub(crate) struct ClientChange {
    pub(crate) user: UserId,
    pub(crate) chat: ChatId,
    pub(crate) request_id: RequestId,
    pub(crate) change: NewChange,
    /// The trace of the change. It ends when the client gets the answer.
    pub(crate) trace: trace::Span,
}

impl ChatService {
    /// Makes changes and returns the outcome of each. One with an `Ok` outcome is committed.
    pub(crate) async fn change(
        &self,
        changes: impl Iterator<Item = &ClientChange> + Clone + Send,
        timeout: Duration,
    ) -> Result<Vec<Result<ChangeOutcome, ApiError>>, ApiError> {
        let deadline = Instant::now() + timeout;
        // The one call belongs to the trace of each change.
        let (requests, mut calls): (Vec<_>, Vec<_>) = changes.clone().map(ClientChange::to_traced_request).unzip();
        let count = requests.len();
        let answer = self.grpc.call(timeout, ChangeMessagesRequest { changes: requests }).await;
        for call in &mut calls {
            call.set_batch_size(count);
            call.end_client_call(answer.as_ref().err().map_or(Code::Ok, Status::code));
        }
        match answer {
            Ok(answer) if answer.results.len() == count => {
                Ok(answer.results.into_iter().map(ChangeOutcome::from_result).collect())
            }
            Ok(_) => Err(ApiError::internal("chat-service returned a different number of results than changes")),
            // A version without the call, during an upgrade.
            Err(status) if status.code() == Code::Unimplemented => {
                let key = |change: &&ClientChange| (change.user, change.chat);
                let call = |change| self.change_singly(change, deadline);
                Ok(in_order_by_key(changes, MAX_SINGLE_CALLS, key, call).await)
            }
            Err(status) => Err(status.into()),
        }
    }

    async fn change_singly(&self, change: &ClientChange, deadline: Instant) -> Result<ChangeOutcome, ApiError> {
        let timeout = deadline.saturating_duration_since(Instant::now());
        let call = self.grpc.call(timeout, change.to_request());
        let answer = correlation::scope(change.cause(), change.trace.context(), Span::current(), call).await?;
        ChangeOutcome::from_wire(answer)
    }
}

impl ClientChange {
    /// Returns the ID of the change in the logs.
    pub(crate) fn cause(&self) -> CorrelationId {
        CorrelationId::for_send(&self.request_id)
    }

    fn to_request(&self) -> ChangeMessageRequest {
        ChangeMessageRequest {
            chat_id: self.chat.to_string(),
            actor_id: self.user.to_string(),
            request_id: self.request_id.to_string(),
            change: Some(self.change.to_wire()),
            traceparent: None,
        }
    }

    fn to_traced_request(&self) -> (ChangeMessageRequest, trace::Span) {
        let call = trace::Span::child(&self.trace.context(), || {
            trace::rpc_client(ChangeMessagesRequest::SERVICE, ChangeMessagesRequest::NAME)
        });
        (ChangeMessageRequest { traceparent: call.context().traceparent(), ..self.to_request() }, call)
    }
}

impl ChangeOutcome {
    fn from_result(result: ChangeMessageResult) -> Result<Self, ApiError> {
        match result.result {
            Some(Outcome::Made(made)) => Self::from_wire(made),
            Some(Outcome::Refused(refusal)) => Err(error_of(refusal)),
            None => Err(ApiError::internal("chat-service answered without a result")),
        }
    }

    fn from_wire(made: ChangeMessageResponse) -> Result<Self, ApiError> {
        let event = made.event.map(|event| StoredChange::from_wire(made.seq, event)).transpose()?;
        let personal_frame = made.personal_frame.map(parse_frame).transpose()?;
        Ok(Self { duplicate: made.duplicate, event, personal_frame })
    }
}
