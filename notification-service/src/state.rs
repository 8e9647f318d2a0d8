//! What the handlers of HTTP, WebSocket and gRPC use.

use std::sync::Arc;

use fred::prelude::Client;
use neonchat_common::{
    lifecycle::{Readiness, Tasks},
    origin::AllowedOrigins,
    redis::monitor::Monitor,
    telemetry::Metrics,
    token::Tokens,
};
use tokio::sync::Semaphore;

use crate::{
    bus::Subscriptions, config::SocketSettings, connection::places::Places, delivery::Delivery, hub::Hub,
    limits::Limits, presence::Presence, resync::Resync, sending::Sending,
};

/// See the module.
pub(crate) struct State {
    pub(crate) tokens: Tokens,
    pub(crate) allowed_origins: AllowedOrigins,
    pub(crate) settings: SocketSettings,
    pub(crate) hub: Arc<Hub>,
    pub(crate) subscriptions: Arc<Subscriptions>,
    pub(crate) resync: Arc<Resync>,
    pub(crate) delivery: Delivery,
    pub(crate) sending: Sending,
    pub(crate) presence: Arc<Presence>,
    pub(crate) redis: Client,
    /// What is wrong with its connections, first the one for commands.
    pub(crate) redis_monitors: [Monitor; 2],
    pub(crate) metrics: Metrics,
    pub(crate) tasks: Tasks,
    pub(crate) readiness: Readiness,
    /// Handshakes that may ask chat-service at the same time.
    pub(crate) handshakes: Semaphore,
    /// The limits of each user.
    pub(crate) limits: Limits,
    /// The sockets that are open, and those that are about to be.
    pub(crate) places: Places,
}
