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

/// Whether new sockets can be opened: chat-service, without which none can, is there, and no drain has begun. Without
/// Redis sockets are served all the same.
async fn ready(state: Data<State>) -> HttpResponse {
    if state.readiness.is_draining() {
        return HttpResponse::ServiceUnavailable().json(serde_json::json!({ "status": "draining" }));
    }
    if state.delivery.chat_service.is_healthy().await {
        HttpResponse::Ok().json(serde_json::json!({ "status": "ready" }))
    } else {
        HttpResponse::ServiceUnavailable().json(serde_json::json!({ "status": "waiting for chat-service" }))
    }
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
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(state.metrics.render())
}
