//! What the operator asks over HTTP: whether the process lives, is ready, is healthy, and its metrics.

use actix_web::{
    HttpResponse,
    web::{Data, ServiceConfig, get, resource},
};
use neonchat_common::redis;
use serde::Serialize;

use crate::{connection::handshake, state::State};

/// The routes.
pub(crate) fn configure(config: &mut ServiceConfig) {
    config
        .service(resource("/ws").route(get().to(handshake::connect)))
        .service(resource("/live").route(get().to(live)))
        .service(resource("/ready").route(get().to(ready)))
        .service(resource("/health").route(get().to(health)))
        .service(resource("/metrics").route(get().to(metrics)));
}

/// As long as the process can answer. A dependency that is away is no reason to restart it.
async fn live() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "status": "alive" }))
}

async fn ready(state: Data<State>) -> HttpResponse {
    match readiness(&state).await {
        Ok(()) => HttpResponse::Ok().json(serde_json::json!({ "status": "ready" })),
        Err(obstacle) => HttpResponse::ServiceUnavailable().json(serde_json::json!({ "status": obstacle })),
    }
}

/// Whether new sockets can be opened, or what keeps them from it: chat-service, without which none can, is there, and no
/// drain has begun. Without Redis sockets are served all the same.
async fn readiness(state: &State) -> Result<(), &'static str> {
    if state.readiness.is_draining() {
        return Err("draining");
    }
    if state.delivery.chat_service.is_healthy().await { Ok(()) } else { Err("waiting for chat-service") }
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    redis: &'static str,
    chat_service: &'static str,
}

async fn health(state: Data<State>) -> HttpResponse {
    let (redis, chat_service) = tokio::join!(redis::is_healthy(&state.redis), state.delivery.chat_service.is_healthy());
    let word = |healthy| if healthy { "healthy" } else { "unhealthy" };
    let health = Health { status: word(redis && chat_service), redis: word(redis), chat_service: word(chat_service) };
    if redis && chat_service {
        HttpResponse::Ok().json(health)
    } else {
        HttpResponse::ServiceUnavailable().json(health)
    }
}

async fn metrics(state: Data<State>) -> HttpResponse {
    metrics::gauge!("service_ready").set(u8::from(readiness(&state).await.is_ok()));
    // A million is the most that can be set.
    let max_connections = u32::try_from(state.settings.max_connections).unwrap_or(u32::MAX);
    metrics::gauge!("websocket_connections_max").set(max_connections);
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(state.metrics.render())
}
