//! Traces of OpenTelemetry. Without a configured collector there are no spans and no cost.
//!
//! A span may start in one task and end in another. A gRPC call or an SQL statement may serve many messages, each with its own trace.
//! So a span is a value that moves with the work and ends when it is dropped. It is independent of the log spans, which follow the
//! tasks.

mod conventions;
mod export;

use std::{borrow::Cow, sync::OnceLock};

use opentelemetry::{
    Context, KeyValue, Value,
    propagation::{Extractor, TextMapPropagator as _},
    trace::{Span as _, SpanBuilder, SpanContext, Status, TraceContextExt as _, TraceId, Tracer as _},
};
use opentelemetry_sdk::{
    propagation::TraceContextPropagator,
    trace::{SdkTracer, Span as SdkSpan},
};

pub use self::{
    conventions::{
        database, deliver_local, deliver_received, frame, http_request, publish, rpc_client, rpc_server, statement,
    },
    export::Traces,
};

/// The header of W3C Trace Context over HTTP and gRPC. The second header, `tracestate`, is not propagated.
pub const HEADER: &str = "traceparent";

/// The tracer. Not set without a collector.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// The context of a span, which is the parent of new spans. Empty if there is no trace.
#[derive(Clone, Debug, Default)]
pub struct TraceContext(Option<Box<SpanContext>>);

impl TraceContext {
    /// Parses a `traceparent`. Returns an empty context if it is invalid or tracing is off.
    #[must_use]
    pub fn accept(traceparent: Option<&str>) -> Self {
        match (TRACER.get(), traceparent) {
            (Some(_), Some(traceparent)) => Self::parse(traceparent),
            _ => Self::default(),
        }
    }

    fn parse(traceparent: &str) -> Self {
        let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &Header(traceparent));
        let span = context.span().span_context().clone();
        Self(span.is_valid().then(|| Box::new(span)))
    }

    /// Returns the `traceparent` for another process.
    #[must_use]
    pub fn traceparent(&self) -> Option<String> {
        self.0
            .as_ref()
            .map(|span| format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8()))
    }

    /// Returns the id of the trace, for the logs.
    #[must_use]
    pub fn trace_id(&self) -> Option<TraceId> {
        self.0.as_ref().map(|span| span.trace_id())
    }
}

/// An extractor for the header `traceparent`.
struct Header<'a>(&'a str);

impl Extractor for Header<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == HEADER).then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec![HEADER]
    }
}

/// A span, which ends when it is dropped. Empty if the work is not traced or the trace is not sampled.
#[derive(Debug, Default)]
pub struct Span(Option<Box<SdkSpan>>);

impl Span {
    /// Starts the first span of this process for a request: a child of the caller's span, or the root of a new trace.
    pub fn root(caller: &TraceContext, builder: impl FnOnce() -> SpanBuilder) -> Self {
        let Some(tracer) = TRACER.get() else { return Self::default() };
        let context = match &caller.0 {
            Some(span) => Context::new().with_remote_span_context((**span).clone()),
            None => Context::new(),
        };
        let span = tracer.build_with_context(builder(), &context);
        Self(span.is_recording().then(|| Box::new(span)))
    }

    /// Starts a child span. Empty for an empty parent: background work, such as comparing heads, is not traced.
    pub fn child(parent: &TraceContext, builder: impl FnOnce() -> SpanBuilder) -> Self {
        if parent.0.is_some() { Self::root(parent, builder) } else { Self::default() }
    }

    /// Starts a child span in each trace, for work that serves all of them.
    pub fn children<'a>(
        parents: impl Iterator<Item = &'a TraceContext>,
        builder: impl Fn() -> SpanBuilder,
    ) -> Vec<Self> {
        parents.map(|parent| Self::child(parent, &builder)).filter(Self::is_recording).collect()
    }

    /// Returns the context for child spans.
    #[must_use]
    pub fn context(&self) -> TraceContext {
        TraceContext(self.0.as_ref().map(|span| Box::new(span.span_context().clone())))
    }

    fn is_recording(&self) -> bool {
        self.0.is_some()
    }

    /// Sets an attribute.
    fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        if let Some(span) = &mut self.0 {
            span.set_attribute(KeyValue::new(key, value));
        }
    }

    /// Sets the name, when its parts were unknown at the start.
    fn rename(&mut self, name: impl FnOnce() -> String) {
        if let Some(span) = &mut self.0 {
            span.update_name(name());
        }
    }

    /// Marks the span as failed. `kind` is an error code: the number of values has to be bounded, so it is no error text.
    pub fn fail(&mut self, kind: impl Into<Cow<'static, str>>) {
        if let Some(span) = &mut self.0 {
            let kind = kind.into();
            span.set_attribute(KeyValue::new("error.type", kind.clone()));
            span.set_status(Status::error(kind));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_keeps_traceparent() {
        for flags in ["00", "01"] {
            let given = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
            assert_eq!(TraceContext::parse(&given).traceparent(), Some(given));
        }
    }

    #[test]
    fn rejects_invalid_traceparent() {
        for bad in [
            "",
            "00",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        ] {
            assert_eq!(TraceContext::parse(bad).traceparent(), None, "{bad}");
        }
    }

    #[test]
    fn records_nothing_without_collector() {
        let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(TraceContext::accept(Some(given)).traceparent(), None);
        let span = Span::root(&TraceContext::parse(given), || unreachable!("no span is built"));
        assert_eq!(span.context().traceparent(), None);
    }
}
