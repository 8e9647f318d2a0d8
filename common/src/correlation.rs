//! The id under which one request is found in the logs of every process that it went through.
//!
//! It comes in `X-Request-Id` over HTTP and gRPC, and in the envelope over Redis. While a request is handled, its id is
//! in a task-local, so that neither handlers nor services pass it on by hand; and beside it, its place in a trace.

use std::{fmt, future::Future, sync::Arc};

use tracing::{Instrument as _, Span};
use uuid::Uuid;

use crate::{ids::RequestId, trace::TraceContext};

/// The header, over HTTP and gRPC.
pub const HEADER: &str = "x-request-id";

/// The longest id that is taken over from a caller.
const MAX_LEN: usize = 128;

/// The id of a request in the logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorrelationId(Arc<str>);

impl CorrelationId {
    /// A new one.
    #[must_use]
    pub fn new() -> Self {
        Self(Uuid::now_v7().to_string().into())
    }

    /// The caller's, if it is a sane one (1 to 128 visible ASCII characters, none of them `"` or `\`), else a new one.
    #[must_use]
    pub fn accept(given: Option<&str>) -> Self {
        let sane = |id: &&str| {
            (1..=MAX_LEN).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
        };
        given.filter(sane).map_or_else(Self::new, |id| Self(id.into()))
    }

    /// The id of a send, for what is done for it outside of a request.
    #[must_use]
    pub fn for_send(id: &RequestId) -> Self {
        Self(id.as_str().into())
    }

    /// The id as text.
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

/// The id of the request that the current task handles; a new one outside any request.
#[must_use]
pub fn current() -> CorrelationId {
    CURRENT.try_with(|current| current.id.clone()).unwrap_or_default()
}

/// Where in a trace the current task is.
#[must_use]
pub fn current_trace() -> TraceContext {
    CURRENT.try_with(|current| current.trace.clone()).unwrap_or_default()
}

/// Runs `future` as the handling of the request `id`, at this place in a trace, and under `span` in the logs.
pub fn scope<F: Future>(
    id: CorrelationId,
    trace: TraceContext,
    span: Span,
    future: F,
) -> impl Future<Output = F::Output> {
    CURRENT.scope(Current { id, trace }, future.instrument(span))
}

/// For a future that another task runs: as part of the request that the current task handles.
pub fn in_current_scope<F: Future>(future: F) -> impl Future<Output = F::Output> {
    scope(current(), current_trace(), Span::current(), future)
}

/// As [`in_current_scope`], for what goes on when the request is long over: its trace does not grow for as long.
pub fn in_current_scope_untraced<F: Future>(future: F) -> impl Future<Output = F::Output> {
    scope(current(), TraceContext::default(), Span::current(), future)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_over_only_sane_ids() {
        assert_eq!(CorrelationId::accept(Some("a-1")).as_str(), "a-1");
        for insane in [None, Some(""), Some("a b"), Some("a\nb"), Some("a\"b"), Some("я")] {
            assert!(Uuid::parse_str(CorrelationId::accept(insane).as_str()).is_ok());
        }
        assert_ne!(CorrelationId::accept(Some(&"x".repeat(MAX_LEN + 1))).as_str().len(), MAX_LEN + 1);
    }

    #[tokio::test]
    async fn is_the_same_throughout_a_scope() {
        let id = CorrelationId::accept(Some("abc"));
        scope(id.clone(), TraceContext::default(), Span::none(), async move { assert_eq!(current(), id) }).await;
        assert_ne!(current(), current());
    }
}
