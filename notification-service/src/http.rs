//! The operations endpoints over HTTP: liveness, readiness, health and metrics; and the route of the WebSocket.

use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, ServiceConfig, get, resource},
};
use neonchat_common::redis::{self, monitor::Monitor};
use serde::Serialize;

use crate::{connection::handshake, readiness::SHARED_REDIS, state::AppState};

/// Adds the route of the WebSocket.
pub(crate) fn websocket(config: &mut ServiceConfig) {
    config.service(resource("/ws").route(get().to(handshake::connect)));
}

/// Adds the routes of the operations endpoints.
pub(crate) fn operations(config: &mut ServiceConfig) {
    config
        .service(resource("/live").route(get().to(live)))
        .service(resource("/ready").route(get().to(ready)))
        .service(resource("/health").route(get().to(health)))
        .service(resource("/metrics").route(get().to(metrics)));
}

/// Reports that the process can answer. An unavailable dependency is no reason to restart it.
async fn live() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "status": "live" }))
}

async fn ready(state: Data<AppState>) -> HttpResponse {
    match state.readiness.check().await {
        Ok(()) => HttpResponse::Ok().json(serde_json::json!({ "status": "ready" })),
        Err(reason) => HttpResponse::ServiceUnavailable().json(serde_json::json!({ "status": reason })),
    }
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    redis: &'static str,
    /// The error of the Redis connection: an error code of Redis, such as `WRONGPASS`, or a description.
    #[serde(skip_serializing_if = "Option::is_none")]
    redis_error: Option<String>,
    chat_service: &'static str,
}

impl Health {
    fn new(redis_answers: bool, redis_error: Option<String>, chat_service: bool) -> Self {
        let word = |healthy| if healthy { "healthy" } else { "unhealthy" };
        let redis = redis_answers && redis_error.is_none();
        Self { status: word(redis && chat_service), redis: word(redis), redis_error, chat_service: word(chat_service) }
    }
}

async fn health(state: Data<AppState>) -> HttpResponse {
    let (redis, chat_service) = tokio::join!(redis::is_healthy(&state.redis), state.chat_service.is_healthy());
    let shared = state.deployments.must_yield().then(|| SHARED_REDIS.to_owned());
    let redis_error = shared.or_else(|| state.redis_monitors.iter().find_map(Monitor::error_code));
    let health = Health::new(redis, redis_error, chat_service);
    let status = if health.status == "healthy" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    HttpResponse::build(status).json(health)
}

async fn metrics(state: Data<AppState>) -> HttpResponse {
    metrics::gauge!("service_ready").set(u8::from(state.readiness.check().await.is_ok()));
    // The setting has a maximum of one million.
    let max_connections = u32::try_from(state.settings.max_connections).unwrap_or(u32::MAX);
    metrics::gauge!("websocket_connections_max").set(max_connections);
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(state.metrics.render())
}
