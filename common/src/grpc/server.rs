//! A gRPC server that other services call.

use std::{
    net::SocketAddr,
    sync::Arc,
    task::{Context as TaskContext, Poll},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;
use tokio::net::TcpListener;
use tonic::{
    Code,
    body::Body,
    transport::{Server, server::TlsConnectInfo},
};
use tower::{Layer, Service, layer::util::Stack};
use tracing::info_span;

use super::{
    TOKEN_KEY,
    listener::{Caller, Listener},
};
use crate::{
    correlation::{self, CorrelationId},
    error::{ApiError, ErrorCode},
    security::SecurityEvent,
    security_event,
    settings::GrpcSettings,
    trace::{self, TraceContext},
};

/// Calls that one connection may have under way; a further one waits at the caller.
const MAX_CONCURRENT_STREAMS: u32 = 1024;

/// The longest that a call is worked on, whatever its caller says.
const MAX_DEADLINE: Duration = Duration::from_secs(30);

/// How long a connection is used. Its caller then makes a new one, and finds the instances that have been added. (With
/// `max_connection_age_grace` tonic 0.14 would break the connection off instead of letting its calls end.)
const MAX_CONNECTION_AGE: Duration = Duration::from_mins(5);

/// How long a connection may be silent before it is pinged, and how long the answer may take.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(10));

/// The most bytes of a request's metadata, and of one HTTP/2 frame. (tonic refuses messages of more than 4 MiB.)
const MAX_METADATA_BYTES: u32 = 16 * 1024;
const MAX_FRAME_BYTES: u32 = 16 * 1024;

/// A server whose every call is authorised, logged under the caller's request id, and measured.
///
/// Only `grpc.health.v1` is open to callers without the internal token, so that an orchestrator can ask. Where the services
/// have certificates, a caller needs one too.
///
/// # Errors
/// The certificates cannot be used.
pub fn builder(settings: &GrpcSettings) -> anyhow::Result<Server<Stack<AuthLayer, tower::layer::util::Identity>>> {
    let mut server = Server::builder();
    if let Some(tls) = &settings.tls {
        server = server.tls_config(tls.server.clone()).context("INTERNAL_TLS_CERT_FILE")?;
    }
    let (interval, limit) = KEEPALIVE;
    Ok(server
        .timeout(MAX_DEADLINE)
        .max_concurrent_streams(MAX_CONCURRENT_STREAMS)
        .max_connection_age(MAX_CONNECTION_AGE)
        .http2_keepalive_interval(Some(interval))
        .http2_keepalive_timeout(Some(limit))
        .http2_max_header_list_size(MAX_METADATA_BYTES)
        .max_frame_size(MAX_FRAME_BYTES)
        .layer(AuthLayer { token: Arc::new(settings.internal_token.clone()) }))
}

/// Listens at `host:port`; `setting` is where the port comes from.
///
/// # Errors
/// It cannot be listened on.
pub async fn bind(host: &str, port: u16, setting: &'static str) -> anyhow::Result<(Listener, SocketAddr)> {
    let listener = TcpListener::bind((host, port))
        .await
        .with_context(|| format!("{setting}: {host}:{port} cannot be listened on"))?;
    let addr = listener.local_addr()?;
    Ok((Listener::new(listener), addr))
}

/// See [`builder`].
#[derive(Clone, Debug)]
pub struct AuthLayer {
    token: Arc<SecretString>,
}

impl<S> Layer<S> for AuthLayer {
    type Service = AuthService<S>;

    fn layer(&self, inner: S) -> AuthService<S> {
        AuthService { inner, token: Arc::clone(&self.token) }
    }
}

/// See [`builder`].
#[derive(Clone, Debug)]
pub struct AuthService<S> {
    inner: S,
    token: Arc<SecretString>,
}

impl<S> AuthService<S> {
    /// Whether the call may be answered. Notes that its connection is known, or that it is refused.
    fn authorise(&self, request: &Request<Body>) -> bool {
        let token = request.headers().get(TOKEN_KEY);
        let caller = caller(request);
        // In constant time: how long a refusal takes tells nothing of the secret.
        if token.is_some_and(|token| token.as_bytes().ct_eq(self.token.expose_secret().as_bytes()).into()) {
            if let Some(caller) = caller {
                caller.know();
            }
            return true;
        }
        let is_open = request.uri().path().starts_with("/grpc.health.v1.Health/");
        if !is_open {
            refuse(caller, if token.is_some() { "wrong" } else { "missing" });
        }
        is_open
    }
}

/// Counts every refused call. Logs the first one of a connection, so that a caller cannot flood the log.
fn refuse(caller: Option<&Caller>, reason: &'static str) {
    if caller.is_none_or(Caller::refuse) {
        security_event!(
            SecurityEvent::InternalTokenRejected,
            client.address = caller.map(|caller| display(caller.addr())),
            reason = reason
        );
    } else {
        SecurityEvent::InternalTokenRejected.count();
    }
}

fn caller(request: &Request<Body>) -> Option<&Caller> {
    let extensions = request.extensions();
    let over_tls = || extensions.get::<TlsConnectInfo<Caller>>().map(TlsConnectInfo::get_ref);
    extensions.get().or_else(over_tls)
}

impl<S> Service<Request<Body>> for AuthService<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if !self.authorise(&request) {
            let error = ApiError::new(ErrorCode::Unauthorized, "the internal token is missing or wrong");
            return Box::pin(async { Ok(tonic::Status::from(error).into_http()) });
        }
        let given = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let id = CorrelationId::accept(given(correlation::HEADER));
        let caller = TraceContext::accept(given(trace::HEADER));
        let path = request.uri().path().to_owned();
        let mut trace = trace::Span::child(&caller, || {
            let (service, method) = split(&path);
            trace::rpc_server(service, method)
        });
        let place = trace.context();
        let span = info_span!("grpc", request.id = %id, trace.id = place.trace_id().map(display));
        let answer = self.inner.call(request);
        Box::pin(correlation::scope(id, place, span, async move {
            let started = Instant::now();
            let response = answer.await?;
            trace.end_server_call(observe(&path, &response, started.elapsed()));
            Ok(response)
        }))
    }
}

/// `/package.Service/Method`
fn split(path: &str) -> (&str, &str) {
    path.trim_start_matches('/').split_once('/').unwrap_or(("unknown", "unknown"))
}

/// Measures and logs a call. Returns how it ended.
fn observe(path: &str, response: &Response<Body>, elapsed: Duration) -> Code {
    // A failed unary call has its status in the headers; one that did well has it in the trailers.
    let code = response.headers().get("grpc-status").map_or(Code::Ok, |value| Code::from_bytes(value.as_bytes()));
    // A method that does not exist would be a label that callers make up.
    let (service, method) = if code == Code::Unimplemented { ("unknown", "unknown") } else { split(path) };
    metrics::histogram!("grpc_request_duration_seconds", "service" => service.to_owned(),
        "method" => method.to_owned(), "code" => format!("{code:?}"))
    .record(elapsed);
    tracing::debug!(grpc.service = service, grpc.method = method, grpc.code = ?code,
        duration_ms = elapsed.as_secs_f64() * 1e3, "call");
    code
}
