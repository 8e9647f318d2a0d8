//! The HTTP servers of the process.

use std::net::TcpListener;

use actix_web::{App as ActixApp, dev::Server, middleware::from_fn, rt, web::Data};
use neonchat_common::http::{self as edge, server::ServerLimits};

use super::CLOSE_TIMEOUT;
use crate::{config::Settings, connection::socket_io::DISCONNECT_TIMEOUT, http, hub::WakeQueue, state::AppState};

/// Connections besides the sockets: probes, metrics, refused handshakes.
const OTHER_CONNECTIONS: usize = 1024;

/// Serves WebSocket, and the operations endpoints unless they have a port of their own.
pub(super) fn serve_http(listener: TcpListener, settings: &Settings, state: Data<AppState>) -> std::io::Result<Server> {
    let environment = settings.common.environment;
    let trusted_proxies = Data::new(settings.trusted_proxies.clone());
    let has_operations = settings.operations.is_none();
    let bounds = ServerLimits::default();
    let bounds = ServerLimits {
        disconnect: DISCONNECT_TIMEOUT,
        // The server writes to a socket at each ping.
        silence: bounds.silence + settings.socket.heartbeat,
        drain: CLOSE_TIMEOUT,
        // In the worst case one worker gets all connections.
        connections_per_worker: settings.socket.max_connections + OTHER_CONNECTIONS,
        ..bounds
    };
    edge::server::server(listener, bounds, move || {
        ActixApp::new()
            .app_data(state.clone())
            .app_data(trusted_proxies.clone())
            .app_data(start_wake_queue())
            .app_data(edge::query_config())
            .wrap(from_fn(edge::refuse_encoded_bodies))
            .wrap(from_fn(edge::answer_head_and_options))
            .wrap(from_fn(edge::base_middleware))
            .wrap(edge::security_headers(environment))
            .configure(http::websocket)
            .configure(|config| {
                if has_operations {
                    http::operations(config);
                }
            })
    })
}

/// Serves the operations endpoints on a port of their own.
pub(super) fn serve_operations(
    listener: TcpListener,
    settings: &Settings,
    state: Data<AppState>,
) -> std::io::Result<Server> {
    let environment = settings.common.environment;
    edge::server::server(listener, ServerLimits::for_operations(), move || {
        ActixApp::new()
            .app_data(state.clone())
            .wrap(from_fn(edge::refuse_encoded_bodies))
            .wrap(from_fn(edge::answer_head_and_options))
            .wrap(from_fn(edge::base_middleware))
            .wrap(edge::security_headers(environment))
            .configure(http::operations)
    })
}

/// Starts the wake queue of the worker that calls it.
fn start_wake_queue() -> Data<WakeQueue> {
    let wake_queue = Data::new(WakeQueue::default());
    let running = wake_queue.clone();
    #[expect(clippy::disallowed_methods, reason = "it ends with its worker, after the worker's sockets")]
    rt::spawn(async move { running.run().await });
    wake_queue
}
