//! The gRPC client for another service. It calls the addresses in turn, each behind a circuit breaker, with retries and one
//! deadline for all attempts.

mod endpoint;
mod rpc;
mod status;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use backon::{ExponentialBuilder, Retryable as _};
use futures_util::future::select_ok;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, histogram};
use secrecy::ExposeSecret as _;
use tokio::time::Instant;
use tonic::{
    Code, Request, Response, Status,
    metadata::{Ascii, MetadataValue},
};
use tonic_health::pb::HealthCheckRequest;
use tower_resilience::circuitbreaker::CircuitBreakerError;

use self::endpoint::{BREAKER_STATE, Endpoint, MIN_ATTEMPT_TIMEOUT};
pub use self::rpc::{CHAT_SERVICE_RPCS, NOTIFICATION_SERVICE_RPCS, Rpc};
use super::TOKEN_KEY;
use crate::{correlation, settings::GrpcSettings, telemetry::start_at_zero, trace};

/// The delay before the second attempt, and the longest delay. The delay doubles with each attempt. The jitter adds up to the
/// same time again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

const DURATION: &str = "grpc_client_request_duration_seconds";
const RETRIES: &str = "grpc_client_retries_total";

/// The client for another service at one or more addresses. It connects on the first call and reconnects when a connection
/// breaks, so that the start order of the services does not matter.
#[derive(Clone)]
pub struct GrpcClient(Arc<Inner>);

struct Inner {
    endpoints: Box<[Endpoint]>,
    /// The number of calls so far. It selects the address of the next one.
    next_endpoint: AtomicUsize,
    token: MetadataValue<Ascii>,
    max_timeout: Duration,
    attempts: usize,
}

impl fmt::Debug for GrpcClient {
    /// Omits the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses = self.0.endpoints.iter().map(Endpoint::address);
        f.debug_list().entries(addresses).finish()
    }
}

impl GrpcClient {
    /// Returns a client for the service at `addresses` (`host:port`). Its connections belong to the current runtime.
    ///
    /// # Errors
    /// There is no address, an address is malformed, the token is not valid metadata, or the certificates are invalid.
    pub fn new(addresses: &[String], settings: &GrpcSettings) -> anyhow::Result<Self> {
        anyhow::ensure!(!addresses.is_empty(), "a service needs an address");
        let token = MetadataValue::try_from(settings.internal_token.expose_secret());
        let mut token = token.context("INTERNAL_TOKEN should be visible ASCII")?;
        token.set_sensitive(true);
        describe_histogram!(DURATION, "Duration of gRPC calls to other services, with all attempts");
        describe_counter!(RETRIES, "Attempts of gRPC calls beyond the first");
        describe_gauge!(BREAKER_STATE, "Circuit breaker of an address: 0 closed, 1 open, 2 half-open");
        Ok(Self(Arc::new(Inner {
            endpoints: addresses
                .iter()
                .map(|address| Endpoint::new(address, settings.tls.as_ref()))
                .collect::<anyhow::Result<_>>()?,
            next_endpoint: AtomicUsize::new(0),
            token,
            max_timeout: settings.timeout,
            attempts: settings.attempts,
        })))
    }

    /// Calls the method that takes this message. Connecting and all attempts take at most `timeout`, or `GRPC_TIMEOUT` if that
    /// is shorter.
    ///
    /// A call that fails because the service is unavailable or too slow is retried at the next address, so **the method has to
    /// be idempotent**. If all circuit breakers are open, the call fails immediately.
    ///
    /// # Errors
    /// The error of the service; or `UNAVAILABLE` or `DEADLINE_EXCEEDED`, which both become
    /// [`Unavailable`](crate::error::ErrorCode::Unavailable) as an [`ApiError`](crate::error::ApiError).
    pub async fn call<M: Rpc>(&self, timeout: Duration, message: M) -> Result<M::Response, Status> {
        Ok(self.call_counted(timeout, message).await?.0)
    }

    /// Like [`GrpcClient::call`]. Also returns the number of attempts. With more than one, an earlier attempt may have succeeded
    /// although its answer was lost.
    ///
    /// # Errors
    /// Like [`GrpcClient::call`].
    pub async fn call_counted<M: Rpc>(&self, timeout: Duration, message: M) -> Result<(M::Response, usize), Status> {
        let Inner { next_endpoint, max_timeout, attempts, .. } = &*self.0;
        let started = Instant::now();
        let deadline = started + timeout.min(*max_timeout);
        let mut trace = trace::Span::child(&correlation::current_trace(), || trace::rpc_client(M::SERVICE, M::NAME));
        let traceparent = trace.context().traceparent();
        // A retry goes to the address after the failed one, independent of concurrent calls.
        let first = next_endpoint.fetch_add(1, Ordering::Relaxed);
        let mut attempt_count = 0;
        let attempt = || {
            let start = first.wrapping_add(attempt_count);
            attempt_count += 1;
            let left = deadline.saturating_duration_since(Instant::now());
            // An address that does not answer must not use up the time in which another one would answer.
            let timeout = if attempt_count < *attempts && left >= 2 * MIN_ATTEMPT_TIMEOUT { left / 2 } else { left };
            self.0.attempt(start, timeout, &message, traceparent.as_deref())
        };
        let (min, max) = BACKOFF;
        let backoff = ExponentialBuilder::new()
            .with_jitter()
            .with_min_delay(min)
            .with_max_delay(max)
            .with_max_times(attempts - 1);
        let result = attempt
            .retry(backoff)
            .when(|error| matches!(error, CircuitBreakerError::Inner(status) if status::is_transient(status)))
            .adjust(|_, delay| delay.filter(|delay| Instant::now() + *delay < deadline))
            .notify(|error, delay| {
                counter!(RETRIES, "service" => M::SERVICE, "method" => M::NAME).increment(1);
                tracing::debug!(grpc.service = M::SERVICE, grpc.method = M::NAME, error.cause = %error,
                    delay_ms = delay.as_secs_f64() * 1e3, "grpc call retried");
            })
            .await
            .map(Response::into_inner)
            .map_err(|error| {
                error
                    .into_inner()
                    .unwrap_or_else(|| Status::unavailable("the circuit breakers of all addresses are open"))
            });
        let code = result.as_ref().err().map_or(Code::Ok, Status::code);
        trace.end_client_call(code);
        histogram!(DURATION, "service" => M::SERVICE, "method" => M::NAME, "code" => format!("{code:?}"))
            .record(started.elapsed());
        result.map(|response| (response, attempt_count))
    }

    /// Returns whether at least one address reports within `timeout` that it serves. Asks all of them concurrently and bypasses
    /// their circuit breakers.
    pub async fn is_serving(&self, timeout: Duration) -> bool {
        // A health check needs no token, but the server closes connections without an authenticated call.
        let request = || self.0.request(timeout, HealthCheckRequest::default(), None);
        let probes = self.0.endpoints.iter().map(|endpoint| Box::pin(endpoint.probe(timeout, request())));
        select_ok(probes).await.is_ok()
    }
}

/// Starts the counters of retries at 0, of these methods and their services.
pub fn start_counters(methods: &[(&'static str, &'static str)]) {
    start_at_zero(RETRIES, methods.iter().map(|(service, method)| [("service", *service), ("method", *method)]));
}

impl Inner {
    /// Calls the first address, starting at index `start`, whose circuit breaker allows a call.
    async fn attempt<M: Rpc>(
        &self,
        start: usize,
        timeout: Duration,
        message: &M,
        traceparent: Option<&str>,
    ) -> Result<Response<M::Response>, CircuitBreakerError<Status>> {
        let (before, from) = self.endpoints.split_at(start % self.endpoints.len());
        for endpoint in from.iter().chain(before) {
            let request = self.request(timeout, message.clone(), traceparent);
            match endpoint.call(timeout, request).await {
                Err(CircuitBreakerError::OpenCircuit) => {}
                result => return result,
            }
        }
        Err(CircuitBreakerError::OpenCircuit)
    }

    /// Returns a request with its timeout, the internal token, and the id and trace context of the current request.
    fn request<M>(&self, timeout: Duration, message: M, traceparent: Option<&str>) -> Request<M> {
        let mut request = Request::new(message);
        request.set_timeout(timeout);
        let metadata = request.metadata_mut();
        metadata.insert(TOKEN_KEY, self.token.clone());
        if let Ok(id) = MetadataValue::try_from(correlation::current().as_str()) {
            metadata.insert(correlation::HEADER, id);
        }
        if let Some(Ok(traceparent)) = traceparent.map(MetadataValue::try_from) {
            metadata.insert(trace::HEADER, traceparent);
        }
        request
    }
}
