//! What spans are called, and what they tell, as OpenTelemetry's semantic conventions have it. Never the text of a message,
//! a query of a URL, or a token.

use std::borrow::Cow;

use opentelemetry::{
    KeyValue,
    trace::{SpanBuilder, SpanKind},
};
use tonic::Code;

use super::Span;
use crate::bus::Channel;

/// The longest path that is told: no longer one is ours.
const MAX_PATH: usize = 256;

fn span(name: impl Into<Cow<'static, str>>, kind: SpanKind, attributes: Vec<KeyValue>) -> SpanBuilder {
    SpanBuilder::from_name(name).with_kind(kind).with_attributes(attributes)
}

/// A request over HTTP. Its route becomes a part of the name when it is known.
#[must_use]
pub fn http_request(method: &'static str, path: &str) -> SpanBuilder {
    let path: String = path.chars().take(MAX_PATH).collect();
    let method = if method == "other" { "_OTHER" } else { method };
    let attributes = vec![
        KeyValue::new("http.request.method", method),
        KeyValue::new("url.scheme", "http"),
        KeyValue::new("url.path", path),
    ];
    span(method, SpanKind::Server, attributes)
}

/// A frame of a client over WebSocket, for which there is no convention.
#[must_use]
pub fn frame(kind: &'static str) -> SpanBuilder {
    span(format!("websocket {kind}"), SpanKind::Server, vec![KeyValue::new("network.protocol.name", "websocket")])
}

fn rpc(service: &str, method: &str, kind: SpanKind) -> SpanBuilder {
    let name = format!("{service}/{method}");
    let attributes = vec![KeyValue::new("rpc.system.name", "grpc"), KeyValue::new("rpc.method", name.clone())];
    span(name, kind, attributes)
}

/// A call of another service.
#[must_use]
pub fn rpc_client(service: &str, method: &str) -> SpanBuilder {
    rpc(service, method, SpanKind::Client)
}

/// A call by another service.
#[must_use]
pub fn rpc_server(service: &str, method: &str) -> SpanBuilder {
    rpc(service, method, SpanKind::Server)
}

/// Whatever is asked of Postgres on one connection.
#[must_use]
pub fn database() -> SpanBuilder {
    span("postgresql", SpanKind::Client, vec![KeyValue::new("db.system.name", "postgresql")])
}

/// One statement, with its number of rows.
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

/// A publication on Redis.
#[must_use]
pub fn publish(channel: Channel) -> SpanBuilder {
    messaging("publish", "send", SpanKind::Producer, channel)
}

/// An event that arose here, on its way into the outboxes of the sockets of this instance.
#[must_use]
pub fn deliver_local(channel: Channel) -> SpanBuilder {
    span(format!("deliver {}", channel.template()), SpanKind::Internal, Vec::new())
}

/// As [`deliver_local`], of an event that Redis brought.
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
    /// The answer to a request over HTTP: the pattern of its route, where there is one, and the status.
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

    /// The status of a call, for its caller.
    pub fn end_client_call(&mut self, code: Code) {
        self.end_rpc(code, code != Code::Ok);
    }

    /// The status of a call, for the service that was called: what was wrong with the request is no error of its.
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

    /// The number of sockets that got it.
    pub fn set_socket_count(&mut self, sockets: usize) {
        if self.is_recording() {
            self.set("neonchat.sockets", count(sockets));
        }
    }

    /// The number of messages that the work is done for. One message is not a batch.
    pub fn set_batch_size(&mut self, messages: usize) {
        if messages > 1 {
            self.set("messaging.batch.message_count", count(messages));
        }
    }
}

/// `DEADLINE_EXCEEDED`, as the standard spells it.
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
    fn codes_are_spelled_as_in_the_standard() {
        let names = [Code::Ok, Code::DeadlineExceeded, Code::NotFound].map(code_name);
        assert_eq!(names, ["OK", "DEADLINE_EXCEEDED", "NOT_FOUND"]);
    }
}
