//! The health of a gRPC server (`grpc.health.v1`).

use tokio::sync::watch;
use tonic_health::{
    ServingStatus,
    pb::health_server::{Health, HealthServer},
};

use crate::tasks::Tasks;

/// Returns the service `grpc.health.v1`, which reports services as serving while the state of the process is ready. The name of
/// the server as a whole is empty.
pub async fn service<T: Send + Sync + 'static>(
    tasks: &Tasks,
    names: &'static [&'static str],
    mut state: watch::Receiver<T>,
    is_ready: fn(&T) -> bool,
) -> HealthServer<impl Health> {
    let (reporter, server) = tonic_health::server::health_reporter();
    for name in names {
        // The initial status of the server would be `Serving`.
        reporter.set_service_status(*name, ServingStatus::NotServing).await;
    }
    tasks.spawn_until_stopped(async move {
        loop {
            let is_ready = is_ready(&state.borrow_and_update());
            let status = if is_ready { ServingStatus::Serving } else { ServingStatus::NotServing };
            for name in names {
                reporter.set_service_status(*name, status).await;
            }
            if state.changed().await.is_err() {
                return;
            }
        }
    });
    server
}
