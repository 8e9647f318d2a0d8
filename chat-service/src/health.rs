//! What an operator's tools ask: is it healthy, alive, ready, and what does it measure (contract, section 4).

use std::time::Duration;

use actix_web::{
    HttpResponse,
    http::header::ContentType,
    web::{self, Data, ServiceConfig},
};
use diesel::{dsl::sql, sql_types::Integer};
use diesel_async::RunQueryDsl as _;
use neonchat_common::{error::ApiError, telemetry::Metrics};
use serde::Serialize;

use crate::{
    db::{Db, Usage},
    notifier::Notifier,
    readiness::{Readiness, State},
};

/// The longest that a dependency may take to say that it is well.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// What is asked.
#[derive(Clone)]
pub struct Health {
    /// Postgres.
    pub db: Db,
    /// Redis and notification-service.
    pub notifier: Notifier,
    /// Whether this process can work.
    pub readiness: Readiness,
    /// What it measures.
    pub metrics: Metrics,
}

/// The paths.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(web::resource("/health").route(web::get().to(health)))
        .service(web::resource("/live").route(web::get().to(live)))
        .service(web::resource("/ready").route(web::get().to(ready)))
        .service(web::resource("/metrics").route(web::get().to(metrics)));
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
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

#[derive(Serialize)]
struct Report {
    status: Verdict,
    database: Verdict,
    redis: Verdict,
    notification_service: Verdict,
}

async fn health(health: Data<Health>) -> HttpResponse {
    let (database, redis, notification_service) = tokio::join!(
        within_timeout(is_database_healthy(&health.db)),
        within_timeout(health.notifier.is_redis_healthy()),
        within_timeout(health.notifier.is_peer_healthy()),
    );
    let is_healthy = [database, redis, notification_service].into_iter().all(|verdict| verdict == Verdict::Healthy);
    let report = Report { status: is_healthy.into(), database, redis, notification_service };
    if is_healthy { HttpResponse::Ok().json(report) } else { HttpResponse::ServiceUnavailable().json(report) }
}

async fn within_timeout(check: impl Future<Output = bool>) -> Verdict {
    tokio::time::timeout(CHECK_TIMEOUT, check).await.unwrap_or(false).into()
}

async fn is_database_healthy(db: &Db) -> bool {
    let one = db.query(async |connection| diesel::select(sql::<Integer>("1")).get_result::<i32>(connection).await);
    one.await.is_ok()
}

#[derive(Serialize)]
struct Status {
    status: &'static str,
}

/// As long as this answers, a restart would help nobody: what is away is away for the next process too.
async fn live() -> HttpResponse {
    HttpResponse::Ok().json(Status { status: "live" })
}

async fn ready(health: Data<Health>) -> HttpResponse {
    match health.readiness.state() {
        State::Ready => HttpResponse::Ok().json(Status { status: "ready" }),
        State::Starting => HttpResponse::ServiceUnavailable().json(Status { status: "starting" }),
        State::NotReady => HttpResponse::ServiceUnavailable().json(Status { status: "not ready" }),
        State::Draining => HttpResponse::ServiceUnavailable().json(Status { status: "draining" }),
    }
}

async fn metrics(health: Data<Health>) -> Result<HttpResponse, ApiError> {
    let Usage { idle, used, waiting } = health.db.usage();
    // Read off here and not kept up: nobody sees what they were in between.
    metrics::gauge!("db_pool_connections", "state" => "idle").set(idle);
    metrics::gauge!("db_pool_connections", "state" => "used").set(used);
    metrics::gauge!("db_pool_waiting").set(waiting);
    let text = "text/plain; version=0.0.4".parse().map_err(ApiError::internal)?;
    Ok(HttpResponse::Ok().insert_header(ContentType(text)).body(health.metrics.render()))
}
