//! The drain: the orderly end of the process.

use std::time::Duration;

use actix_web::dev::ServerHandle;
use fred::{interfaces::ClientLike as _, prelude::Client};
use tokio_util::sync::CancellationToken;

use super::CLOSE_TIMEOUT;
use crate::{
    close::{CloseReason, RECONNECT_DELAY_MS},
    state::AppState,
};

/// How long the remaining tasks may take after the sockets have closed.
const TASKS_TIMEOUT: Duration = Duration::from_secs(10);

/// The highest rate at which clients reconnect after a restart. Their delays are spread over at least one second.
const RECONNECTS_PER_SECOND: u64 = 2000;

/// The servers to stop.
pub(super) struct Servers {
    pub(super) http: ServerHandle,
    pub(super) operations: Option<ServerHandle>,
    pub(super) grpc: CancellationToken,
}

/// Closes all sockets, then stops the servers, the tasks and the connections to Redis.
pub(super) async fn drain(state: &AppState, subscriber: &Client, servers: Servers) {
    close_sockets(state).await;
    servers.http.stop(true).await;
    servers.grpc.cancel();
    tokio::join!(state.presence.withdraw(), state.receipts.drain());
    // The operations server stops last, so that the drain can be observed.
    if let Some(operations) = servers.operations {
        operations.stop(true).await;
    }
    state.tasks.finish(TASKS_TIMEOUT).await;
    for client in [&state.redis, subscriber] {
        if let Err(error) = client.quit().await {
            tracing::debug!(error.cause = %error, "redis quit failed");
        }
    }
    tracing::info!("stopped");
}

/// Closes all sockets. Each one finishes its work in progress and gets a reconnect time of its own.
async fn close_sockets(state: &AppState) {
    state.readiness.drain();
    state.slots.close();
    let window = (state.slots.in_use() as u64 * 1000 / RECONNECTS_PER_SECOND).max(1000);
    for socket in state.hub.sockets() {
        let after_ms = RECONNECT_DELAY_MS + fastrand::u64(0..window);
        socket.outbox.close(CloseReason::Restart { after_ms });
    }
    if tokio::time::timeout(CLOSE_TIMEOUT, state.slots.until_all_released()).await.is_err() {
        tracing::warn!(sockets = state.slots.in_use(), "sockets did not close in time");
    }
}
