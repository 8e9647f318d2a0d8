//! One address of another service, behind its circuit breaker.

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

/// The longest that connecting takes before the call fails.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How often an idle connection is asked whether it is still there, and how long the answer may take. A host that
/// vanished without a word is noticed after the two together. Retransmission would by then take as long again to find
/// that it is back; a new connection is tried at once.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(3));

/// An address that has not answered for so long is held to be away. One that had less time is not: its caller was in a
/// hurry.
pub(super) const MIN_ATTEMPT_TIMEOUT: Duration = Duration::from_millis(400);

/// Failures one after the other that open a circuit. Unlike a rate over a window this costs the same however many calls
/// there are; what fails now and then is left to retries.
const FAILURES_TO_OPEN: usize = 5;

/// How long an open circuit refuses calls. Then one goes through, and decides: back to normal, or as long again.
const OPEN_FOR: Duration = Duration::from_millis(500);

pub(super) const BREAKER_STATE: &str = "grpc_client_circuit_breaker_state";

/// See the module.
pub(super) struct Endpoint {
    address: String,
    channel: Channel,
    breaker: CircuitBreaker<Run, Away>,
    failure: Failure,
}

/// Why the last call failed, for the log. A circuit breaker does not say.
type Failure = Arc<Mutex<String>>;

impl Endpoint {
    /// The one at `host:port`. With TLS, `host` is what its certificate has to be for.
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
        let failure = Failure::default();
        Ok(Self { address: address.to_owned(), channel, breaker: breaker(address, Arc::clone(&failure))?, failure })
    }

    /// Where it is.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Calls it, for as long as `limit`. An open circuit refuses at once.
    pub(super) async fn call<M: Rpc>(
        &self,
        limit: Duration,
        request: Request<M>,
    ) -> Result<Response<M::Response>, CircuitBreakerError<Status>> {
        let (channel, failure) = (self.channel.clone(), Arc::clone(&self.failure));
        // Boxed, or every layer around it would move some kilobytes.
        let call = Box::pin(async move {
            match M::call(channel, request).await {
                // `within` is about to do the same, and knows whom it counts against.
                Err(status) if status::is_cancelled_by_timeout(&status) => pending().await,
                answered => answered.map_err(status::normalize),
            }
        });
        let breaker = self.breaker.clone();
        // What the limit cuts off outside of the breaker counts neither for the address nor against it.
        if limit >= MIN_ATTEMPT_TIMEOUT {
            breaker.oneshot(record(failure, within(limit, call))).await
        } else {
            within(limit, breaker.oneshot(record(failure, call))).await
        }
    }

    /// Asks it whether it serves.
    pub(super) async fn probe(&self, limit: Duration, request: Request<HealthCheckRequest>) -> Result<(), ()> {
        let mut client = HealthClient::new(self.channel.clone());
        let answer = timeout(limit, client.check(request)).await;
        match answer {
            Ok(Ok(answer)) if answer.get_ref().status() == ServingStatus::Serving => Ok(()),
            _ => Err(()),
        }
    }
}

/// Keeps the cause of every failure that counts against the address, time-outs too. The last one opens the circuit.
async fn record<T>(failure: Failure, call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    call.await.inspect_err(|status| {
        if status::is_unreachable(status) {
            *failure.lock().unwrap_or_else(PoisonError::into_inner) = status::cause(status);
        }
    })
}

async fn within<T, E: From<Status>>(limit: Duration, call: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    timeout(limit, call).await.unwrap_or_else(|_| Err(status::deadline_exceeded().into()))
}

fn breaker(address: &str, failure: Failure) -> anyhow::Result<CircuitBreaker<Run, Away>> {
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
                    let cause = mem::take(&mut *failure.lock().unwrap_or_else(PoisonError::into_inner));
                    tracing::warn!(grpc.address = label, error.cause = cause, "circuit breaker opened");
                }
                _ => {}
            }
        })
        .failure_classifier_type(Away)
        .build()?;
    Ok(breaker.layer_fn(Run))
}

/// A service whose requests are the calls themselves: what a breaker needs in order to stand around a future.
#[derive(Clone)]
struct Run;

impl<T, F: Future<Output = Result<T, Status>>> Service<F> for Run {
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

/// What opens a circuit.
#[derive(Clone)]
struct Away;

impl<T> FailureClassifier<T, Status> for Away {
    fn classify(&self, result: &Result<T, Status>) -> bool {
        result.as_ref().is_err_and(status::is_unreachable)
    }
}
