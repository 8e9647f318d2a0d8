//! The request id, which is the same in the logs of all processes that handle a request.
//!
//! It is in `X-Request-Id` over HTTP and gRPC, and in the envelope on Redis. While a request is handled, a task-local has its id
//! and its trace context, so that handlers and services do not pass them as arguments.

use std::{fmt, future::Future, sync::Arc};

use tracing::{Instrument as _, Span};
use uuid::Uuid;

use crate::{ids::RequestId, trace::TraceContext};

/// The header over HTTP and gRPC.
pub const HEADER: &str = "x-request-id";

/// The maximum length of an id that a caller may set, in characters.
const MAX_LEN: usize = 128;

/// The request id in the logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorrelationId(Arc<str>);

impl CorrelationId {
    /// Returns a new id.
    #[must_use]
    pub fn new() -> Self {
        Self(Uuid::now_v7().to_string().into())
    }

    /// Returns the id of the caller if it is valid: 1 to 128 visible ASCII characters without `"` and `\`. Otherwise returns a
    /// new id.
    #[must_use]
    pub fn accept(given: Option<&str>) -> Self {
        let is_valid = |id: &&str| {
            (1..=MAX_LEN).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
        };
        given.filter(is_valid).map_or_else(Self::new, |id| Self(id.into()))
    }

    /// Returns the id for work on a message outside of a request.
    #[must_use]
    pub fn for_send(id: &RequestId) -> Self {
        Self(id.as_str().into())
    }

    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for CorrelationId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

struct Current {
    id: CorrelationId,
    trace: TraceContext,
}

tokio::task_local! {
    static CURRENT: Current;
}

/// Returns the id of the request that the current task handles, or a new id outside of a request.
#[must_use]
pub fn current() -> CorrelationId {
    CURRENT.try_with(|current| current.id.clone()).unwrap_or_default()
}

/// Returns the trace context of the current task.
#[must_use]
pub fn current_trace() -> TraceContext {
    CURRENT.try_with(|current| current.trace.clone()).unwrap_or_default()
}

/// Runs `future` as part of the request `id`, in this trace context and log span.
pub fn scope<F: Future>(
    id: CorrelationId,
    trace: TraceContext,
    span: Span,
    future: F,
) -> impl Future<Output = F::Output> {
    CURRENT.scope(Current { id, trace }, future.instrument(span))
}

/// Runs a future of another task as part of the request that the current task handles.
pub fn in_current_scope<F: Future>(future: F) -> impl Future<Output = F::Output> {
    scope(current(), current_trace(), Span::current(), future)
}

/// Like [`in_current_scope`], but without the trace. For work that outlives the request, whose trace would keep growing.
pub fn in_current_scope_untraced<F: Future>(future: F) -> impl Future<Output = F::Output> {
    scope(current(), TraceContext::default(), Span::current(), future)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_valid_ids() {
        assert_eq!(CorrelationId::accept(Some("a-1")).as_str(), "a-1");
        for invalid in [None, Some(""), Some("a b"), Some("a\nb"), Some("a\"b"), Some("я")] {
            assert!(Uuid::parse_str(CorrelationId::accept(invalid).as_str()).is_ok());
        }
        assert_ne!(CorrelationId::accept(Some(&"x".repeat(MAX_LEN + 1))).as_str().len(), MAX_LEN + 1);
    }

    #[tokio::test]
    async fn stays_the_same_within_scope() {
        let id = CorrelationId::accept(Some("abc"));
        scope(id.clone(), TraceContext::default(), Span::none(), async move { assert_eq!(current(), id) }).await;
        assert_ne!(current(), current());
    }
}
