//! A trace collector in the process of the test, and traces as text.

use std::{collections::BTreeMap, time::Duration};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span as OtlpSpan, span::SpanKind, status::StatusCode},
};
use tokio::{net::TcpListener, sync::watch, time::timeout};
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

/// The timeout for spans to arrive on a busy machine.
const SPANS_TIMEOUT: Duration = Duration::from_secs(30);

/// A span with the service and the instance that exported it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) service: String,
    pub(crate) instance: String,
    pub(crate) span: OtlpSpan,
}

impl Seen {
    pub(crate) fn attribute(&self, key: &str) -> Option<String> {
        attribute(&self.span.attributes, key)
    }

    pub(crate) fn trace(&self) -> String {
        hex(&self.span.trace_id)
    }

    pub(crate) fn is_error(&self) -> bool {
        self.span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error)
    }
}

/// An OTLP collector over gRPC.
pub(crate) struct Collector {
    pub(crate) endpoint: String,
    seen: watch::Receiver<Vec<Seen>>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind port");
        let endpoint = format!("http://{}", listener.local_addr().expect("get address"));
        let (sender, seen) = watch::channel(Vec::new());
        let server = Server::builder().add_service(TraceServiceServer::new(Intake(sender)));
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        Self { endpoint, seen }
    }

    /// Waits until the received spans are enough. Returns them.
    pub(crate) async fn until(&self, enough: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
        let mut seen = self.seen.clone();
        let waited = timeout(SPANS_TIMEOUT, seen.wait_for(|seen| enough(seen))).await;
        let met = matches!(waited, Ok(Ok(_)));
        let seen = self.seen.borrow().clone();
        assert!(met, "the spans did not arrive:\n{}", forest(&seen));
        seen
    }
}

struct Intake(watch::Sender<Vec<Seen>>);

#[tonic::async_trait]
impl TraceService for Intake {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for group in request.into_inner().resource_spans {
            let resource = group.resource.unwrap_or_default().attributes;
            let of = |key| attribute(&resource, key).unwrap_or_default();
            let (service, instance) = (of("service.name"), of("service.instance.id"));
            let spans = group.scope_spans.into_iter().flat_map(|scope| scope.spans);
            let seen = spans.map(|span| Seen { service: service.clone(), instance: instance.clone(), span });
            self.0.send_modify(|all| all.extend(seen));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let value = attributes.iter().find(|attribute| attribute.key == key)?.value.clone()?.value?;
    Some(match value {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    })
}

pub(crate) fn hex(id: &[u8]) -> String {
    id.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// Returns the spans by trace ID.
pub(crate) fn by_trace(seen: &[Seen]) -> BTreeMap<String, Vec<Seen>> {
    let mut traces: BTreeMap<String, Vec<Seen>> = BTreeMap::new();
    for span in seen {
        traces.entry(span.trace()).or_default().push(span.clone());
    }
    traces
}

/// Returns the descendants of a span as indented lines: `service: name (kind)`. The parent of a root span is empty, or a span of
/// another process.
pub(crate) fn tree(spans: &[Seen], parent: &[u8]) -> String {
    let mut below: Vec<_> = spans
        .iter()
        .filter(|seen| seen.span.parent_span_id == parent)
        .map(|seen| {
            let kind = seen.span.kind().as_str_name().trim_start_matches("SPAN_KIND_").to_lowercase();
            let line = format!("{}: {} ({kind})\n", seen.service, seen.span.name);
            let rest: String = tree(spans, &seen.span.span_id).lines().flat_map(|line| ["  ", line, "\n"]).collect();
            line + &rest
        })
        .collect();
    below.sort();
    below.concat()
}

/// Returns all traces as text for a failed assertion.
fn forest(seen: &[Seen]) -> String {
    by_trace(seen).values().map(|spans| tree(spans, &[]) + "\n").collect()
}

/// Returns the only span with this name and kind.
pub(crate) fn one<'a>(spans: &'a [Seen], name: &str, kind: SpanKind) -> &'a Seen {
    let mut found = spans.iter().filter(|seen| seen.span.name == name && seen.span.kind() == kind);
    match (found.next(), found.next()) {
        (Some(one), None) => one,
        _ => panic!("expected one span {name}:\n{}", forest(spans)),
    }
}
