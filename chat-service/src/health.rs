//! The operations endpoints: health, liveness, readiness and metrics.

use std::time::Duration;

use actix_web::{HttpResponse, http::header::ContentType, web::Data};
use neonchat_common::{error::ApiError, telemetry::Metrics};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    db::{Db, PoolUsage},
    http::routes::{Routes, routes},
    notifier::Notifier,
    readiness::{Readiness, ReadinessState},
};

/// The timeout for the check of a dependency.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// What the operations endpoints report on.
#[derive(Clone)]
pub(crate) struct Health {
    pub(crate) db: Db,
    /// For Redis and notification-service.
    pub(crate) notifier: Notifier,
    pub(crate) readiness: Readiness,
    pub(crate) metrics: Metrics,
}

pub(crate) fn routes() -> Routes {
    routes!(health, live, ready, metrics)
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Healthy,
    Unhealthy,
}

impl From<bool> for Verdict {
    fn from(is_healthy: bool) -> Self {
        if is_healthy { Self::Healthy } else { Self::Unhealthy }
    }
}

/// The health of the service and of its dependencies.
#[derive(Serialize, ToSchema)]
struct Report {
    status: Verdict,
    database: Verdict,
    /// Why the database cannot be used although it answers. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples("Postgres is a standby and accepts no writes"))]
    database_problem: Option<String>,
    redis: Verdict,
    /// The error that Redis returned, such as `WRONGPASS`, or `unreachable`. Absent if Redis works.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples("WRONGPASS"))]
    redis_error: Option<String>,
    notification_service: Verdict,
}

/// Returns the health of the service and of its dependencies.
#[utoipa::path(
    get, path = "/health", tag = "operations", operation_id = "get_health",
    responses(
        (status = 200, description = "The service and all dependencies are healthy.", body = Report),
        (status = 503, description = "At least one dependency is unhealthy.", body = Report),
    ),
)]
async fn health(health: Data<Health>) -> HttpResponse {
    let (database, redis, notification_service) = tokio::join!(
        within_timeout(health.db.is_healthy()),
        within_timeout(health.notifier.is_redis_healthy()),
        within_timeout(health.notifier.is_notification_service_healthy()),
    );
    let database_problem = health.readiness.problem();
    let database = if database_problem.is_some() { Verdict::Unhealthy } else { database };
    let is_healthy = [database, redis, notification_service].into_iter().all(|verdict| verdict == Verdict::Healthy);
    let redis_error = health.notifier.redis_error_code();
    let report =
        Report { status: is_healthy.into(), database, database_problem, redis, redis_error, notification_service };
    if is_healthy { HttpResponse::Ok().json(report) } else { HttpResponse::ServiceUnavailable().json(report) }
}

async fn within_timeout(check: impl Future<Output = bool>) -> Verdict {
    tokio::time::timeout(CHECK_TIMEOUT, check).await.unwrap_or(false).into()
}

#[derive(Serialize, ToSchema)]
struct ProcessStatus {
    #[schema(examples("ready"))]
    status: &'static str,
}

/// Returns whether the process is alive.
///
/// Dependencies are not checked: if one is unavailable, a restart does not help.
#[utoipa::path(
    get, path = "/live", tag = "operations", operation_id = "get_live",
    responses((status = 200, description = "The process is alive.", body = ProcessStatus)),
)]
async fn live() -> HttpResponse {
    HttpResponse::Ok().json(ProcessStatus { status: "live" })
}

/// Returns whether the process can serve requests.
#[utoipa::path(
    get, path = "/ready", tag = "operations", operation_id = "get_ready",
    responses(
        (status = 200, description = "The process is ready.", body = ProcessStatus),
        (status = 503, description = "The process is starting, cannot use the database, or is draining.", body = ProcessStatus),
    ),
)]
async fn ready(health: Data<Health>) -> HttpResponse {
    match health.readiness.state() {
        ReadinessState::Ready => HttpResponse::Ok().json(ProcessStatus { status: "ready" }),
        ReadinessState::Starting => HttpResponse::ServiceUnavailable().json(ProcessStatus { status: "starting" }),
        ReadinessState::NotReady => HttpResponse::ServiceUnavailable().json(ProcessStatus { status: "not ready" }),
        ReadinessState::Draining => HttpResponse::ServiceUnavailable().json(ProcessStatus { status: "draining" }),
    }
}

/// Returns the metrics of the process in the text format of Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "operations", operation_id = "get_metrics",
    responses((status = 200, description = "The metrics.", content_type = "text/plain", body = String)),
)]
async fn metrics(health: Data<Health>) -> Result<HttpResponse, ApiError> {
    let PoolUsage { idle, used, waiting } = health.db.usage();
    // These gauges are set here, when they are read, instead of at each change.
    metrics::gauge!("db_pool_connections", "state" => "idle").set(idle);
    metrics::gauge!("db_pool_connections", "state" => "used").set(used);
    metrics::gauge!("db_pool_waiting").set(waiting);
    metrics::gauge!("service_ready").set(u8::from(health.readiness.state() == ReadinessState::Ready));
    let text = "text/plain; version=0.0.4".parse().map_err(ApiError::internal)?;
    Ok(HttpResponse::Ok().insert_header(ContentType(text)).body(health.metrics.render()))
}
