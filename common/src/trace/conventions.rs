//! Names and attributes of spans, by the semantic conventions of OpenTelemetry. They never contain the text of a message, the query
//! of a URL, or a token.

use std::borrow::Cow;

use opentelemetry::{
    KeyValue,
    trace::{SpanBuilder, SpanKind},
};
use tonic::Code;

use super::Span;
use crate::bus::Channel;

/// The maximum length of a path in a span, in characters. All paths of the services are shorter.
const MAX_PATH_LEN: usize = 256;

fn span(name: impl Into<Cow<'static, str>>, kind: SpanKind, attributes: Vec<KeyValue>) -> SpanBuilder {
    SpanBuilder::from_name(name).with_kind(kind).with_attributes(attributes)
}

/// Returns the span of an HTTP request. [`Span::end_http`] adds the route to its name.
#[must_use]
pub fn http_request(method: &'static str, path: &str) -> SpanBuilder {
    let path: String = path.chars().take(MAX_PATH_LEN).collect();
    let method = if method == "other" { "_OTHER" } else { method };
    let attributes = vec![
        KeyValue::new("http.request.method", method),
        KeyValue::new("url.scheme", "http"),
        KeyValue::new("url.path", path),
    ];
    span(method, SpanKind::Server, attributes)
}

/// Returns the span of a WebSocket frame of a client. There is no convention for it.
#[must_use]
pub fn frame(kind: &'static str) -> SpanBuilder {
    span(format!("websocket {kind}"), SpanKind::Server, vec![KeyValue::new("network.protocol.name", "websocket")])
}

fn rpc(service: &str, method: &str, kind: SpanKind) -> SpanBuilder {
    let name = format!("{service}/{method}");
    let attributes = vec![KeyValue::new("rpc.system.name", "grpc"), KeyValue::new("rpc.method", name.clone())];
    span(name, kind, attributes)
}

/// Returns the span of a call to another service.
#[must_use]
pub fn rpc_client(service: &str, method: &str) -> SpanBuilder {
    rpc(service, method, SpanKind::Client)
}

/// Returns the span of a call from another service.
#[must_use]
pub fn rpc_server(service: &str, method: &str) -> SpanBuilder {
    rpc(service, method, SpanKind::Server)
}

/// Returns the span of the queries of one unit of work on a Postgres connection.
#[must_use]
pub fn database() -> SpanBuilder {
    span("postgresql", SpanKind::Client, vec![KeyValue::new("db.system.name", "postgresql")])
}

/// Returns the span of an SQL statement for a number of rows.
#[must_use]
pub fn statement(operation: &'static str, table: &'static str, rows: usize) -> SpanBuilder {
    let mut attributes = vec![
        KeyValue::new("db.system.name", "postgresql"),
        KeyValue::new("db.operation.name", operation),
        KeyValue::new("db.collection.name", table),
    ];
    if rows > 1 {
        attributes.push(KeyValue::new("db.operation.batch.size", count(rows)));
    }
    span(format!("{operation} {table}"), SpanKind::Client, attributes)
}

/// Returns the span of a publication on Redis.
#[must_use]
pub fn publish(channel: Channel) -> SpanBuilder {
    messaging("publish", "send", SpanKind::Producer, channel)
}

/// Returns the span of the delivery of a local event to the outboxes of the sockets of this instance.
#[must_use]
pub fn deliver_local(channel: Channel) -> SpanBuilder {
    span(format!("deliver {}", channel.template()), SpanKind::Internal, Vec::new())
}

/// Like [`deliver_local`], for an event that was received from Redis.
#[must_use]
pub fn deliver_received(channel: Channel) -> SpanBuilder {
    messaging("deliver", "process", SpanKind::Consumer, channel)
}

fn messaging(name: &'static str, kind: &'static str, span_kind: SpanKind, channel: Channel) -> SpanBuilder {
    let template = channel.template();
    let attributes = vec![
        KeyValue::new("messaging.system", "redis"),
        KeyValue::new("messaging.operation.name", name),
        KeyValue::new("messaging.operation.type", kind),
        KeyValue::new("messaging.destination.name", channel.to_string()),
        KeyValue::new("messaging.destination.template", template),
    ];
    span(format!("{name} {template}"), span_kind, attributes)
}

impl Span {
    /// Records the pattern of the route, if there is one, and the status of an HTTP response.
    pub fn end_http(&mut self, method: &'static str, route: Option<String>, status: u16) {
        if let Some(route) = route {
            self.rename(|| format!("{method} {route}"));
            self.set("http.route", route);
        }
        self.set("http.response.status_code", i64::from(status));
        if status >= 500 {
            self.fail(status.to_string());
        }
    }

    /// Records the status of a gRPC call in the span of the caller.
    pub fn end_client_call(&mut self, code: Code) {
        self.end_rpc(code, code != Code::Ok);
    }

    /// Records the status of a gRPC call in the span of the called service. A bad request is no error of this service.
    pub fn end_server_call(&mut self, code: Code) {
        let is_error = matches!(
            code,
            Code::Unknown
                | Code::DeadlineExceeded
                | Code::Unimplemented
                | Code::Internal
                | Code::Unavailable
                | Code::DataLoss
        );
        self.end_rpc(code, is_error);
    }

    fn end_rpc(&mut self, code: Code, is_error: bool) {
        if self.is_recording() {
            let code = code_name(code);
            self.set("rpc.response.status_code", code.clone());
            if is_error {
                self.fail(code);
            }
        }
    }

    /// Records the number of sockets that received the event.
    pub fn set_socket_count(&mut self, sockets: usize) {
        if self.is_recording() {
            self.set("neonchat.sockets", count(sockets));
        }
    }

    /// Records the number of messages of a batch. A single message is not a batch.
    pub fn set_batch_size(&mut self, messages: usize) {
        if messages > 1 {
            self.set("messaging.batch.message_count", count(messages));
        }
    }
}

/// Returns the name of a code in the spelling of the gRPC standard, such as `DEADLINE_EXCEEDED`.
fn code_name(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spells_codes_like_the_standard() {
        let names = [Code::Ok, Code::DeadlineExceeded, Code::NotFound].map(code_name);
        assert_eq!(names, ["OK", "DEADLINE_EXCEEDED", "NOT_FOUND"]);
    }
}
