//! The gRPC server of a service. Other services call it.

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

/// The maximum number of concurrent calls on one connection. Further calls wait at the caller.
const MAX_CONCURRENT_STREAMS: u32 = 1024;

/// The maximum duration of a call, whatever deadline the caller sets.
const MAX_DEADLINE: Duration = Duration::from_secs(30);

/// The maximum age of a connection. The caller then opens a new one and so finds added instances. (With
/// `max_connection_age_grace`, tonic 0.14 would abort the calls on the connection.)
const MAX_CONNECTION_AGE: Duration = Duration::from_mins(5);

/// The idle time after which a connection is pinged, and the timeout of the answer.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(10));

/// The maximum size of a request's metadata and of an HTTP/2 frame. (tonic refuses messages larger than 4 MiB.)
const MAX_METADATA_BYTES: u32 = 16 * 1024;
const MAX_FRAME_BYTES: u32 = 16 * 1024;

/// Returns a server that authenticates each call, logs it with the caller's request id, traces it and measures it.
///
/// Only `grpc.health.v1` needs no internal token, so that an orchestrator can call it. If the services use TLS, a caller also
/// needs a certificate.
///
/// # Errors
/// The certificates are invalid.
pub fn builder(settings: &GrpcSettings) -> anyhow::Result<Server<Stack<AuthLayer, tower::layer::util::Identity>>> {
    let mut server = Server::builder();
    if let Some(tls) = &settings.tls {
        server = server.tls_config(tls.server.clone()).context("INTERNAL_TLS_CERT_FILE")?;
    }
    let (interval, timeout) = KEEPALIVE;
    Ok(server
        .timeout(MAX_DEADLINE)
        .max_concurrent_streams(MAX_CONCURRENT_STREAMS)
        .max_connection_age(MAX_CONNECTION_AGE)
        .http2_keepalive_interval(Some(interval))
        .http2_keepalive_timeout(Some(timeout))
        .http2_max_header_list_size(MAX_METADATA_BYTES)
        .max_frame_size(MAX_FRAME_BYTES)
        .layer(AuthLayer { token: Arc::new(settings.internal_token.clone()) }))
}

/// Listens on `host:port`. `setting` is the name of the setting with the port.
///
/// # Errors
/// The port cannot be bound. The error names `setting`.
pub async fn bind(host: &str, port: u16, setting: &'static str) -> anyhow::Result<(Listener, SocketAddr)> {
    let listener =
        TcpListener::bind((host, port)).await.with_context(|| format!("{setting}: cannot listen on {host}:{port}"))?;
    let addr = listener.local_addr()?;
    Ok((Listener::new(listener), addr))
}

/// The layer of [`builder`]: authenticates, logs, traces and measures each call.
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

/// The service of [`AuthLayer`].
#[derive(Clone, Debug)]
pub struct AuthService<S> {
    inner: S,
    token: Arc<SecretString>,
}

impl<S> AuthService<S> {
    /// Returns whether the call is allowed, and marks its connection as authenticated or refused.
    fn authorize(&self, request: &Request<Body>) -> bool {
        let token = request.headers().get(TOKEN_KEY);
        let caller = caller(request);
        // In constant time, so that the duration does not reveal the secret.
        if token.is_some_and(|token| token.as_bytes().ct_eq(self.token.expose_secret().as_bytes()).into()) {
            if let Some(caller) = caller {
                caller.mark_authenticated();
            }
            return true;
        }
        let is_open = request.uri().path().starts_with("/grpc.health.v1.Health/");
        if !is_open {
            report_refusal(caller, if token.is_some() { "wrong" } else { "missing" });
        }
        is_open
    }
}

/// Counts each refused call, and logs the first one of each connection, so that a caller cannot flood the log.
fn report_refusal(caller: Option<&Caller>, reason: &'static str) {
    if caller.is_none_or(Caller::mark_refused) {
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
        if !self.authorize(&request) {
            let error = ApiError::new(ErrorCode::Unauthorized, "The internal token is missing or wrong.");
            return Box::pin(async { Ok(tonic::Status::from(error).into_http()) });
        }
        let given = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let id = CorrelationId::accept(given(correlation::HEADER));
        let caller = TraceContext::accept(given(trace::HEADER));
        let path = request.uri().path().to_owned();
        let mut trace = trace::Span::child(&caller, || {
            let (service, method) = split_path(&path);
            trace::rpc_server(service, method)
        });
        let context = trace.context();
        let span = info_span!("grpc", request.id = %id, trace.id = context.trace_id().map(display));
        let response = self.inner.call(request);
        Box::pin(correlation::scope(id, context, span, async move {
            let started = Instant::now();
            let response = response.await?;
            trace.end_server_call(observe(&path, &response, started.elapsed()));
            Ok(response)
        }))
    }
}

/// Splits `/package.Service/Method` into service and method.
fn split_path(path: &str) -> (&str, &str) {
    path.trim_start_matches('/').split_once('/').unwrap_or(("unknown", "unknown"))
}

/// Measures and logs a call. Returns its status code.
fn observe(path: &str, response: &Response<Body>, elapsed: Duration) -> Code {
    // A failed unary call has its status in the headers. A successful one has it in the trailers.
    let code = response.headers().get("grpc-status").map_or(Code::Ok, |value| Code::from_bytes(value.as_bytes()));
    // The name of an unknown method is any text of the caller, which must not become a label.
    let (service, method) = if code == Code::Unimplemented { ("unknown", "unknown") } else { split_path(path) };
    metrics::histogram!("grpc_request_duration_seconds", "service" => service.to_owned(),
        "method" => method.to_owned(), "code" => format!("{code:?}"))
    .record(elapsed);
    tracing::debug!(grpc.service = service, grpc.method = method, grpc.code = ?code,
        duration_ms = elapsed.as_secs_f64() * 1e3, "call handled");
    code
}
