//! Builds, runs and drains the process.

mod build;
mod drain;
mod http_servers;
mod serve;

use std::{net::SocketAddr, time::Duration};

use actix_web::{dev::Server, web::Data};
use anyhow::Context as _;
use fred::prelude::Client;
use neonchat_common::{grpc::listener::Listener, lifecycle};
use tokio_util::sync::CancellationToken;

use self::drain::Servers;
use crate::{config::Settings, state::AppState};

/// How long sockets may take to close while the process drains.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// The service, bound to its ports but not serving yet.
pub struct App {
    state: Data<AppState>,
    subscriber: Client,
    http: Server,
    http_addr: SocketAddr,
    operations: Option<Server>,
    operations_addr: Option<SocketAddr>,
    grpc: Listener,
    grpc_addr: SocketAddr,
    settings: Settings,
}

impl App {
    /// Returns the address of HTTP and WebSocket.
    #[must_use]
    pub const fn http_addr(&self) -> SocketAddr {
        self.http_addr
    }

    /// Returns the address of the operations endpoints, if they have a port of their own.
    #[must_use]
    pub const fn operations_addr(&self) -> Option<SocketAddr> {
        self.operations_addr
    }

    /// Returns the address of gRPC.
    #[must_use]
    pub const fn grpc_addr(&self) -> SocketAddr {
        self.grpc_addr
    }

    /// Serves until `shutdown` resolves, then drains.
    ///
    /// # Errors
    /// Fails if a listener fails.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Self { state, subscriber, http, operations, grpc, settings, .. } = self;
        serve::start_workers(&state, &subscriber, settings.common.redis_namespace.clone());
        let servers = Servers {
            http: http.handle(),
            operations: operations.as_ref().map(Server::handle),
            grpc: CancellationToken::new(),
        };
        let mut http = state.tasks.spawn(http);
        let mut operations = operations.map(|server| state.tasks.spawn(server));
        let mut grpc = serve::serve_grpc(grpc, &settings, &state, servers.grpc.clone()).await?;
        let operations_addr = self.operations_addr.map(tracing::field::display);
        tracing::info!(http.addr = %self.http_addr, operations.addr = operations_addr, grpc.addr = %self.grpc_addr,
            "listening");

        let ended = tokio::select! {
            () = shutdown => Ok(()),
            result = &mut http => lifecycle::flatten(result).context("HTTP"),
            result = &mut grpc => lifecycle::flatten(result).context("gRPC"),
            result = lifecycle::join_optional(&mut operations) => lifecycle::flatten(result).context("the operations server"),
        };
        drain::drain(&state, &subscriber, servers).await;
        ended
    }
}
