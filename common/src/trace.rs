//! Traces: spans of OpenTelemetry, where a collector is set. Without one there are none, and nothing is done for them.
//!
//! A span begins in one task and ends in another, and one gRPC call or one SQL statement works for many messages, each of
//! which has a trace of its own. So a span is a value that goes with the work, and ends when it is dropped; it is not made
//! of the spans of the logs, which follow the tasks.

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

/// The header of W3C Trace Context, over HTTP and gRPC. Its other one, `tracestate`, is not handed on.
pub const HEADER: &str = "traceparent";

/// What begins spans; absent where no collector is set.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// A place in a trace, for what is done there to become part of it. Nowhere, where there is no trace.
#[derive(Clone, Debug, Default)]
pub struct TraceContext(Option<Box<SpanContext>>);

impl TraceContext {
    /// The place that a `traceparent` names; nowhere, where it is none, or where there are no traces here.
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

    /// The same as a `traceparent`, for another process.
    #[must_use]
    pub fn traceparent(&self) -> Option<String> {
        self.0
            .as_ref()
            .map(|span| format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8()))
    }

    /// The trace, for the logs.
    #[must_use]
    pub fn trace_id(&self) -> Option<TraceId> {
        self.0.as_ref().map(|span| span.trace_id())
    }
}

/// The one header that is read.
struct Header<'a>(&'a str);

impl Extractor for Header<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == HEADER).then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec![HEADER]
    }
}

/// A piece of work in a trace, until it is dropped. Nothing, where the work is in no trace, or in one that is not sampled.
#[derive(Debug, Default)]
pub struct Span(Option<Box<SdkSpan>>);

impl Span {
    /// Of what comes from outside: a part of the caller's trace, or the first of a new one.
    pub fn root(caller: &TraceContext, what: impl FnOnce() -> SpanBuilder) -> Self {
        let Some(tracer) = TRACER.get() else { return Self::default() };
        let context = match &caller.0 {
            Some(span) => Context::new().with_remote_span_context((**span).clone()),
            None => Context::new(),
        };
        let span = tracer.build_with_context(what(), &context);
        Self(span.is_recording().then(|| Box::new(span)))
    }

    /// A part of a trace. Nowhere it is nothing: what nobody outside asked for, such as comparing heads, has no trace.
    pub fn child(of: &TraceContext, what: impl FnOnce() -> SpanBuilder) -> Self {
        if of.0.is_some() { Self::root(of, what) } else { Self::default() }
    }

    /// Work that is done for many at once, as a part of each of their traces.
    pub fn children<'a>(of: impl Iterator<Item = &'a TraceContext>, what: impl Fn() -> SpanBuilder) -> Vec<Self> {
        of.map(|of| Self::child(of, &what)).filter(Self::is_recording).collect()
    }

    /// Where it is, for its parts.
    #[must_use]
    pub fn context(&self) -> TraceContext {
        TraceContext(self.0.as_ref().map(|span| Box::new(span.span_context().clone())))
    }

    /// Whether it is anything.
    fn is_recording(&self) -> bool {
        self.0.is_some()
    }

    /// Tells more of it.
    fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        if let Some(span) = &mut self.0 {
            span.set_attribute(KeyValue::new(key, value));
        }
    }

    /// Names it by what was not known when it began.
    fn rename(&mut self, name: impl FnOnce() -> String) {
        if let Some(span) = &mut self.0 {
            span.update_name(name());
        }
    }

    /// It failed, by an error of this kind: a code and not a text, of which there are as many as there are causes.
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
    fn a_traceparent_comes_back_as_it_was() {
        for flags in ["00", "01"] {
            let given = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
            assert_eq!(TraceContext::parse(&given).traceparent(), Some(given));
        }
    }

    #[test]
    fn what_is_no_traceparent_names_no_place() {
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
    fn without_a_collector_there_is_nothing() {
        let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(TraceContext::accept(Some(given)).traceparent(), None);
        let span = Span::root(&TraceContext::parse(given), || unreachable!("nobody asks what it is"));
        assert_eq!(span.context().traceparent(), None);
    }
}
