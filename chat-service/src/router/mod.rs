//! The router: the paths of all handlers, and the `OpenAPI` document of them.

mod openapi;
mod swagger_ui;

use actix_web::{
    http::header::CACHE_CONTROL,
    middleware::{DefaultHeaders, from_fn},
    web::{self, Data, ServiceConfig},
};
use neonchat_common::http::{json_config, path_config, query_config};
use utoipa::openapi::OpenApi;

use crate::{
    changes, chats, client_config, groups, health, http::routes::Routes, messages, pins, prefs, reactions,
    request_limit::limit_requests, scheduled, services::Services, sessions, timeline, users, web as client,
};

/// The prefix of the API.
const API: &str = "/api/v1";

/// Registers the operations endpoints and the data of their handlers.
pub(crate) fn operations_routes(config: &mut ServiceConfig, services: &Services) {
    let (operations, _) = health::routes().split();
    config.app_data(Data::new(services.health.clone())).configure(operations);
}

/// Registers the paths for clients and the data of their handlers, and the operations endpoints if `has_operations`.
pub(crate) fn routes(config: &mut ServiceConfig, services: &Services, has_operations: bool) {
    let operations = if has_operations { health::routes() } else { Routes::default() };
    let (operations, operations_document) = operations.split();
    let (api, api_document) = api_routes().split();
    let document = openapi::document(operations_document, API, api_document);
    config
        .app_data(json_config())
        .app_data(path_config())
        .app_data(query_config())
        .app_data(Data::new(services.allowed_origins.clone()))
        .app_data(Data::new(services.public_https))
        .app_data(Data::new(services.websocket_url.clone()))
        .app_data(Data::new(services.trusted_proxies.clone()))
        .app_data(Data::new(services.request_limit.clone()))
        .app_data(Data::new(services.sessions.clone()))
        .app_data(Data::new(services.users.clone()))
        .app_data(Data::new(services.chats.clone()))
        .app_data(Data::new(services.prefs.clone()))
        .app_data(Data::new(services.messages.clone()))
        .app_data(Data::new(services.scheduled.clone()))
        .app_data(Data::new(services.timeline.clone()))
        .app_data(Data::new(services.changes.clone()))
        .app_data(Data::new(services.reactions.clone()))
        .app_data(Data::new(services.pins.clone()))
        .app_data(Data::new(services.groups.clone()))
        .app_data(Data::new(services.health.clone()))
        .configure(operations)
        .configure(|config| swagger_ui::routes(config, &document))
        .service(
            web::scope(API)
                .wrap(from_fn(limit_requests))
                .wrap(DefaultHeaders::new().add((CACHE_CONTROL, "no-store")))
                .configure(api),
        );
    if let Some(web) = &services.web {
        // Last, because it matches every path.
        client::http::routes(config, web);
    }
}

/// Returns the paths below [`API`].
fn api_routes() -> Routes {
    users::http::routes()
        .and(sessions::http::routes())
        .and(client_config::routes())
        .and(chats::http::routes())
        .and(prefs::http::routes())
        .and(chats::receipts_http::routes())
        .and(messages::http::routes())
        .and(changes::http::routes())
        .and(messages::lookup_http::routes())
        .and(reactions::http::routes())
        .and(pins::http::routes())
        .and(scheduled::http::routes())
        .and(groups::http::routes())
        .and(timeline::http::routes())
}

/// Returns the `OpenAPI` document that `/openapi.json` serves.
#[must_use]
pub fn openapi() -> OpenApi {
    let (_, operations) = health::routes().split();
    let (_, api) = api_routes().split();
    openapi::document(operations, API, api)
}
