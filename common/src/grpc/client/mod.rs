//! Calling another service: its addresses in turn, each behind a circuit breaker, with retries, all under one deadline.

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

/// How long a call waits before its second attempt; twice as long before the third, and so on up to the longest wait.
/// As much again is added at random, up to double.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

const DURATION: &str = "grpc_client_request_duration_seconds";
const RETRIES: &str = "grpc_client_retries_total";

/// Another service, at one or more addresses. It is connected to when it is first called, and again whenever a
/// connection breaks, so that start order does not matter.
#[derive(Clone)]
pub struct GrpcClient(Arc<Inner>);

struct Inner {
    endpoints: Box<[Endpoint]>,
    /// Whose turn it is.
    turn: AtomicUsize,
    token: MetadataValue<Ascii>,
    deadline: Duration,
    attempts: usize,
}

impl fmt::Debug for GrpcClient {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses = self.0.endpoints.iter().map(Endpoint::address);
        f.debug_list().entries(addresses).finish()
    }
}

impl GrpcClient {
    /// The service at `addresses` (`host:port`). Its connections belong to the runtime that this is called on.
    ///
    /// # Errors
    /// There is no address, one is malformed, or the token cannot be metadata or the certificates not be used.
    pub fn new(addresses: &[String], settings: &GrpcSettings) -> anyhow::Result<Self> {
        anyhow::ensure!(!addresses.is_empty(), "a service needs an address");
        let token = MetadataValue::try_from(settings.internal_token.expose_secret());
        let mut token = token.context("INTERNAL_TOKEN should be visible ASCII")?;
        token.set_sensitive(true);
        describe_histogram!(
            DURATION,
            "gRPC calls of other services, as their callers see them: with all their attempts"
        );
        describe_counter!(RETRIES, "Attempts of gRPC calls beyond the first");
        describe_gauge!(BREAKER_STATE, "Circuit breaker of an address: 0 closed, 1 open, 2 half-open");
        Ok(Self(Arc::new(Inner {
            endpoints: addresses
                .iter()
                .map(|address| Endpoint::new(address, settings.tls.as_ref()))
                .collect::<anyhow::Result<_>>()?,
            turn: AtomicUsize::new(0),
            token,
            deadline: settings.timeout,
            attempts: settings.attempts,
        })))
    }

    /// Calls the method that takes this message. Connecting and all attempts take `within` (or `GRPC_TIMEOUT`, where that
    /// is shorter) at most.
    ///
    /// What fails because the service is away or too slow is tried again at the next address, so **the method has to be
    /// idempotent**. Where no address is worth trying, the call fails at once.
    ///
    /// # Errors
    /// The service's own; or `UNAVAILABLE` or `DEADLINE_EXCEEDED`, both of which are
    /// [`Unavailable`](crate::error::ErrorCode::Unavailable) as an [`ApiError`](crate::error::ApiError).
    pub async fn call<M: Rpc>(&self, within: Duration, message: M) -> Result<M::Response, Status> {
        Ok(self.call_counted(within, message).await?.0)
    }

    /// As [`GrpcClient::call`]. Also returns how many attempts were made: an earlier one than the last may have done its work,
    /// and only its answer was lost.
    ///
    /// # Errors
    /// As [`GrpcClient::call`].
    pub async fn call_counted<M: Rpc>(&self, within: Duration, message: M) -> Result<(M::Response, usize), Status> {
        let Inner { turn, deadline, attempts, .. } = &*self.0;
        let started = Instant::now();
        let deadline = started + within.min(*deadline);
        let mut trace = trace::Span::child(&correlation::current_trace(), || trace::rpc_client(M::SERVICE, M::NAME));
        let traceparent = trace.context().traceparent();
        // A retry goes to the address after the one that failed, whatever turn it is by then.
        let first = turn.fetch_add(1, Ordering::Relaxed);
        let mut begun = 0;
        let attempt = || {
            let turn = first.wrapping_add(begun);
            begun += 1;
            let left = deadline.saturating_duration_since(Instant::now());
            // A silent address must not use up the time in which another would answer.
            let limit = if begun < *attempts && left >= 2 * MIN_ATTEMPT_TIMEOUT { left / 2 } else { left };
            self.0.attempt(turn, limit, &message, traceparent.as_deref())
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
                    delay_ms = delay.as_secs_f64() * 1e3, "called again");
            })
            .await
            .map(Response::into_inner)
            .map_err(|error| {
                error.into_inner().unwrap_or_else(|| Status::unavailable("no address answered lately: not asked"))
            });
        let code = result.as_ref().err().map_or(Code::Ok, Status::code);
        trace.end_client_call(code);
        histogram!(DURATION, "service" => M::SERVICE, "method" => M::NAME, "code" => format!("{code:?}"))
            .record(started.elapsed());
        result.map(|answer| (answer, begun))
    }

    /// Whether one of the addresses says, within this time, that it serves. They are all asked at once, past their circuit
    /// breakers.
    pub async fn is_serving(&self, within: Duration) -> bool {
        // With the token, which a health check does not need: a connection is closed where no call shows it.
        let request = || self.0.request(within, HealthCheckRequest::default(), None);
        let probes = self.0.endpoints.iter().map(|endpoint| Box::pin(endpoint.probe(within, request())));
        select_ok(probes).await.is_ok()
    }
}

/// Starts the counters of retries at 0, of these methods and their services.
pub fn start_counters(methods: &[(&'static str, &'static str)]) {
    start_at_zero(RETRIES, methods.iter().map(|(service, method)| [("service", *service), ("method", *method)]));
}

impl Inner {
    /// Calls the first address, from this turn on, whose circuit breaker lets a call through.
    async fn attempt<M: Rpc>(
        &self,
        turn: usize,
        limit: Duration,
        message: &M,
        traceparent: Option<&str>,
    ) -> Result<Response<M::Response>, CircuitBreakerError<Status>> {
        let (before, from) = self.endpoints.split_at(turn % self.endpoints.len());
        for endpoint in from.iter().chain(before) {
            let request = self.request(limit, message.clone(), traceparent);
            match endpoint.call(limit, request).await {
                Err(CircuitBreakerError::OpenCircuit) => {}
                answered => return answered,
            }
        }
        Err(CircuitBreakerError::OpenCircuit)
    }

    /// A request with its deadline, the internal token, and the id and the trace of the request that is being handled.
    fn request<M>(&self, limit: Duration, message: M, traceparent: Option<&str>) -> Request<M> {
        let mut request = Request::new(message);
        request.set_timeout(limit);
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
