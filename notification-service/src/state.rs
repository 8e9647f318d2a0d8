//! The state that the HTTP, WebSocket and gRPC handlers share.

use std::sync::Arc;

use fred::prelude::Client;
use neonchat_common::{
    ids::InstanceId, origin::ClientOrigins, redis::monitor::Monitor, tasks::Tasks, telemetry::Metrics, token::Tokens,
};
use tokio::sync::Semaphore;

use crate::{
    bus::{Publisher, Subscriptions},
    chat_service::ChatService,
    config::SocketSettings,
    connection_slots::ConnectionSlots,
    delivery::Delivery,
    deployment::Deployments,
    drafts::Drafts,
    fresh_heads::FreshHeads,
    hub::Hub,
    limits::Limits,
    presence::Presence,
    readiness::Readiness,
    receipts::Receipts,
    request_queue::RequestQueue,
    resync::Resync,
};

/// The shared state of one process.
pub(crate) struct AppState {
    pub(crate) tokens: Tokens,
    /// The origins whose pages may open a WebSocket.
    pub(crate) client_origins: ClientOrigins,
    pub(crate) settings: SocketSettings,
    pub(crate) instance: InstanceId,
    pub(crate) hub: Arc<Hub>,
    pub(crate) chat_service: ChatService,
    pub(crate) deployments: Arc<Deployments>,
    pub(crate) subscriptions: Arc<Subscriptions>,
    pub(crate) resync: Arc<Resync>,
    pub(crate) fresh_heads: FreshHeads,
    pub(crate) publisher: Publisher,
    pub(crate) delivery: Delivery,
    pub(crate) receipts: Arc<Receipts>,
    pub(crate) drafts: Drafts,
    pub(crate) requests: RequestQueue,
    pub(crate) presence: Arc<Presence>,
    pub(crate) redis: Client,
    /// The monitors of both Redis connections: the one for commands, then the subscriber.
    pub(crate) redis_monitors: [Monitor; 2],
    pub(crate) metrics: Metrics,
    pub(crate) tasks: Tasks,
    pub(crate) readiness: Arc<Readiness>,
    /// Permits for handshakes that call chat-service.
    pub(crate) handshakes: Semaphore,
    /// Permits for connections that are opened only to be refused.
    pub(crate) refused_handshakes: Arc<Semaphore>,
    /// The rate limiters of each user.
    pub(crate) limits: Limits,
    /// The slots of open sockets and of handshakes under way.
    pub(crate) slots: ConnectionSlots,
}
