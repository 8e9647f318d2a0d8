//! An address of another service, behind a circuit breaker.

use std::{
    future::pending,
    mem,
    sync::{Arc, Mutex, PoisonError},
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use anyhow::Context as _;
use metrics::gauge;
use tokio::time::timeout;
use tonic::{
    Request, Response, Status,
    transport::{Channel, Endpoint as Address},
};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use tower::{Service, ServiceExt as _};
use tower_resilience::circuitbreaker::{
    CircuitBreaker, CircuitBreakerError, CircuitBreakerLayer, CircuitState, FailureClassifier,
};

use super::{rpc::Rpc, status};
use crate::tls::Tls;

/// The timeout for connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The interval of pings on an idle connection, and the timeout of the answer. A host that vanishes silently is detected after
/// the sum of the two. The client then opens a new connection, which finds a restored host sooner than TCP retransmission
/// would.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(3));

/// The shortest timeout of an attempt that counts as a failure of its address. With less time, the address is not to blame.
pub(super) const MIN_ATTEMPT_TIMEOUT: Duration = Duration::from_millis(400);

/// The number of consecutive failures that open a circuit. Unlike a failure rate over a window, the cost does not depend on the
/// number of calls. Retries handle occasional failures.
const FAILURES_TO_OPEN: usize = 5;

/// The time for which an open circuit refuses calls. Then one trial call closes the circuit or opens it again.
const OPEN_FOR: Duration = Duration::from_millis(500);

pub(super) const BREAKER_STATE: &str = "grpc_client_circuit_breaker_state";

pub(super) struct Endpoint {
    address: String,
    channel: Channel,
    breaker: CircuitBreaker<RunFuture, IsUnreachable>,
    last_failure: LastFailure,
}

/// The cause of the last failure, for the log. The circuit breaker does not keep it.
type LastFailure = Arc<Mutex<String>>;

impl Endpoint {
    /// Returns the endpoint at `host:port`. With TLS, its certificate has to be valid for `host`.
    pub(super) fn new(address: &str, tls: Option<&Tls>) -> anyhow::Result<Self> {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let malformed = || format!("{address} should be host:port");
        let mut endpoint = Address::from_shared(format!("{scheme}://{address}")).with_context(malformed)?;
        if let Some(tls) = tls {
            endpoint = endpoint.tls_config(tls.client.clone()).with_context(malformed)?;
        }
        let (interval, timeout) = KEEPALIVE;
        let channel = endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(interval)
            .keep_alive_timeout(timeout)
            .keep_alive_while_idle(true)
            .connect_lazy();
        let last_failure = LastFailure::default();
        Ok(Self {
            address: address.to_owned(),
            channel,
            breaker: breaker(address, Arc::clone(&last_failure))?,
            last_failure,
        })
    }

    /// Returns its `host:port`.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Makes a call that takes at most `timeout`. An open circuit refuses immediately.
    pub(super) async fn call<M: Rpc>(
        &self,
        timeout: Duration,
        request: Request<M>,
    ) -> Result<Response<M::Response>, CircuitBreakerError<Status>> {
        let (channel, last_failure) = (self.channel.clone(), Arc::clone(&self.last_failure));
        // Boxed, because each layer around the future would move several kilobytes.
        let call = Box::pin(async move {
            match M::call(channel, request).await {
                // `with_timeout` below is about to fire as well, and decides whether the timeout counts as a failure.
                Err(status) if status::is_cancelled_by_timeout(&status) => pending().await,
                result => result.map_err(status::normalize),
            }
        });
        let breaker = self.breaker.clone();
        // A timeout outside the circuit breaker counts neither as a success nor as a failure.
        if timeout >= MIN_ATTEMPT_TIMEOUT {
            breaker.oneshot(record_failure(last_failure, with_timeout(timeout, call))).await
        } else {
            with_timeout(timeout, breaker.oneshot(record_failure(last_failure, call))).await
        }
    }

    /// Asks whether the service is serving, with `grpc.health.v1`.
    pub(super) async fn probe(&self, limit: Duration, request: Request<HealthCheckRequest>) -> Result<(), ()> {
        let mut client = HealthClient::new(self.channel.clone());
        let answer = timeout(limit, client.check(request)).await;
        match answer {
            Ok(Ok(answer)) if answer.get_ref().status() == ServingStatus::Serving => Ok(()),
            _ => Err(()),
        }
    }
}

/// Keeps the cause of each failure of the address, timeouts included.
async fn record_failure<T>(
    last_failure: LastFailure,
    call: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    call.await.inspect_err(|status| {
        if status::is_unreachable(status) {
            *last_failure.lock().unwrap_or_else(PoisonError::into_inner) = status::cause(status);
        }
    })
}

async fn with_timeout<T, E: From<Status>>(limit: Duration, call: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    timeout(limit, call).await.unwrap_or_else(|_| Err(status::deadline_exceeded().into()))
}

fn breaker(address: &str, last_failure: LastFailure) -> anyhow::Result<CircuitBreaker<RunFuture, IsUnreachable>> {
    let label = address.to_owned();
    gauge!(BREAKER_STATE, "address" => label.clone()).set(CircuitState::Closed as u8);
    let breaker = CircuitBreakerLayer::builder()
        .consecutive_failures(FAILURES_TO_OPEN)
        .wait_duration_in_open(OPEN_FOR)
        .permitted_calls_in_half_open(1)
        .on_state_transition(move |from, to| {
            gauge!(BREAKER_STATE, "address" => label.clone()).set(to as u8);
            match (from, to) {
                (_, CircuitState::Closed) => tracing::info!(grpc.address = label, "circuit breaker closed"),
                (CircuitState::Closed, CircuitState::Open) => {
                    let cause = mem::take(&mut *last_failure.lock().unwrap_or_else(PoisonError::into_inner));
                    tracing::warn!(grpc.address = label, error.cause = cause, "circuit breaker opened");
                }
                _ => {}
            }
        })
        .failure_classifier_type(IsUnreachable)
        .build()?;
    Ok(breaker.layer_fn(RunFuture))
}

/// A tower service whose request is a future, which it runs. The circuit breaker wraps a service, not a future.
#[derive(Clone)]
struct RunFuture;

impl<T, F: Future<Output = Result<T, Status>>> Service<F> for RunFuture {
    type Response = T;
    type Error = Status;
    type Future = F;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: F) -> F {
        call
    }
}

/// Classifies the failures that open a circuit.
#[derive(Clone)]
struct IsUnreachable;

impl<T> FailureClassifier<T, Status> for IsUnreachable {
    fn classify(&self, result: &Result<T, Status>) -> bool {
        result.as_ref().is_err_and(status::is_unreachable)
    }
}
