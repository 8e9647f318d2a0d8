//! What messages and changes have in common: they are made with one call, and each is answered for itself.

use std::time::Duration;

use neonchat_common::{
    correlation::{self, CorrelationId},
    error::{ApiError, ErrorCode},
    ids::RequestId,
    trace::{self, TraceContext},
};
use tokio::time::Instant;
use tracing::Span;

use super::{ANSWER_TIMEOUT, Queued, log_refused, worker::Services};
use crate::{
    chat_service::ChatService,
    hub::{Hub, Request, Socket},
    protocol::ServerFrame,
};

/// A request with less time left than this is refused before the call: its answer would come too late.
const MIN_TIME_LEFT: Duration = Duration::from_millis(100);

/// A kind of request.
pub(super) trait Call: Sized + Send + Sync {
    /// What chat-service answers to a request that it has made.
    type Outcome: Send;

    fn request_id(&self) -> &RequestId;

    /// Returns what the hub knows the request by.
    fn key(&self) -> Request;

    fn trace(&mut self) -> &mut trace::Span;

    /// Makes the requests with one call. Returns the outcome of each.
    fn call(
        chat_service: &ChatService,
        requests: &[Queued<Self>],
        timeout: Duration,
    ) -> impl Future<Output = Result<Vec<Result<Self::Outcome, ApiError>>, ApiError>> + Send;

    /// Notes that the request is refused.
    fn refused(&self, _: &Socket, _: &ApiError) {}
}

impl Services {
    /// Makes requests with one call. Refuses those that are not made; returns the others with their outcomes.
    pub(super) async fn call<R: Call>(&self, requests: Vec<Queued<R>>) -> Vec<(Queued<R>, R::Outcome)> {
        let (requests, late) = in_time(requests);
        self.refuse_all(late, &ApiError::remote_unavailable());
        // The first one has waited longest.
        let Some(first) = requests.first() else { return Vec::new() };
        for Queued { socket, request, .. } in &requests {
            self.hub.begin_request(socket.user, request.key(), socket.id);
        }
        // The call has one request ID, that of the first request. It belongs to the traces of all.
        let id = CorrelationId::for_send(first.request.request_id());
        let call = R::call(&self.chat_service, &requests, first.time_left());
        let outcomes = match correlation::scope(id, TraceContext::default(), Span::none(), call).await {
            Ok(outcomes) => outcomes,
            Err(error) => {
                error.log();
                self.refuse_all(requests, &error);
                return Vec::new();
            }
        };
        let (mut made, mut errors) = (Vec::with_capacity(requests.len()), Vec::new());
        for (queued, outcome) in requests.into_iter().zip(outcomes) {
            match outcome {
                Ok(outcome) => made.push((queued, outcome)),
                Err(error) => {
                    queued.refuse(&self.hub, &error);
                    errors.push(error);
                }
            }
        }
        log_causes(&errors);
        made
    }

    fn refuse_all<R: Call>(&self, requests: Vec<Queued<R>>, error: &ApiError) {
        for request in requests {
            request.refuse(&self.hub, error);
        }
    }
}

impl<R: Call> Queued<R> {
    pub(super) fn refuse(mut self, hub: &Hub, error: &ApiError) {
        self.request.trace().fail(error.code.as_str());
        self.request.refused(&self.socket, error);
        hub.fail_request(self.socket.user, self.request.key(), self.socket.id);
        self.answer(&ServerFrame::error(Some(self.request.request_id().as_str().into()), error));
    }
}

impl<R> Queued<R> {
    /// Returns the time until the client has to have the answer.
    fn time_left(&self) -> Duration {
        (self.accepted_at + ANSWER_TIMEOUT).saturating_duration_since(Instant::now())
    }
}

/// Separates the requests that have time left for a call from those that waited too long.
fn in_time<R>(requests: Vec<Queued<R>>) -> (Vec<Queued<R>>, Vec<Queued<R>>) {
    let latest = Instant::now() + MIN_TIME_LEFT - ANSWER_TIMEOUT;
    let (in_time, late): (Vec<_>, Vec<_>) = requests.into_iter().partition(|request| request.accepted_at > latest);
    log_refused(late.len(), "the request waited too long in its shard");
    (in_time, late)
}

/// Logs the causes of the errors of a batch, in one line for each kind: errors of one kind usually have the same cause.
pub(super) fn log_causes(errors: &[ApiError]) {
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
