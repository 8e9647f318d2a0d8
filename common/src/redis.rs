//! Connections to Redis that come up by themselves, whenever Redis does, and never make a caller wait for long.
//!
//! By its URL it is one Redis, one that Sentinel watches, or a cluster. No command has keys of two slots; what else is not
//! the same on a cluster is in [`pubsub`].

pub mod monitor;
pub mod namespace;
pub mod pubsub;

use std::time::Duration;

use fred::{
    interfaces::ClientLike as _,
    prelude::{Builder, Client, Config, Error, ReconnectPolicy, ServerConfig},
    types::config::ClusterDiscoveryPolicy,
};
use futures_util::future::join_all;
use secrecy::{ExposeSecret as _, SecretString};

/// The longest that a command waits for its answer.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(1);

/// How often a command is written: what Redis did not answer fails at once.
const ATTEMPTS: u32 = 1;

/// On a cluster once more: another node may have the key by now.
const CLUSTER_ATTEMPTS: u32 = 2;

/// Publications that may wait in this process to be handled. One that finds no room tells the reader that it lagged.
const BROADCAST_CAPACITY: usize = 8192;

/// Commands that may wait for their answers.
const MAX_COMMANDS_IN_FLIGHT: usize = 100_000;

/// Milliseconds between two attempts to connect, doubled from the first to the last.
const RECONNECT_DELAY_MS: (u32, u32) = (20, 2000);

/// The most that is added to it at random, so that instances do not come all at once.
const RECONNECT_JITTER_MS: u32 = 50;

/// How long a process that starts waits for Redis.
const FIRST_CONNECT_WAIT: Duration = Duration::from_millis(500);

fn builder(url: &SecretString) -> Result<Builder, Error> {
    let mut config = Config::from_url(url.expose_secret())?;
    // The first connection is retried like any later one, so that start order does not matter.
    config.fail_fast = false;
    let mut attempts = ATTEMPTS;
    if let ServerConfig::Clustered { policy, .. } = &mut config.server {
        // Or a client would be lost with the nodes that the URL names.
        *policy = ClusterDiscoveryPolicy::UseCache;
        attempts = CLUSTER_ATTEMPTS;
    }
    let (min, max) = RECONNECT_DELAY_MS;
    let mut policy = ReconnectPolicy::new_exponential(0, min, max, 2);
    policy.set_jitter(RECONNECT_JITTER_MS);
    let mut builder = Builder::from_config(config);
    builder
        .set_policy(policy)
        .with_connection_config(|connection| {
            connection.connection_timeout = COMMAND_TIMEOUT;
            connection.internal_command_timeout = COMMAND_TIMEOUT;
            connection.max_command_attempts = attempts;
            connection.max_command_buffer_len = MAX_COMMANDS_IN_FLIGHT;
            connection.tcp.nodelay = Some(true);
        })
        .with_performance_config(|performance| {
            performance.default_command_timeout = COMMAND_TIMEOUT;
            performance.broadcast_channel_capacity = BROADCAST_CAPACITY;
        });
    Ok(builder)
}

/// A client. It connects in the background, on the runtime that this is called on.
///
/// # Errors
/// The URL is none.
pub fn client(url: &SecretString) -> Result<Client, Error> {
    let client = builder(url)?.build()?;
    drop(client.connect());
    Ok(client)
}

/// Gives clients a moment to connect. Where Redis is away it goes on without.
pub async fn wait_for_connections(clients: &[&Client]) {
    let connected = join_all(clients.iter().map(|client| client.wait_for_connect()));
    let _ = tokio::time::timeout(FIRST_CONNECT_WAIT, connected).await;
}

/// Whether Redis answers.
pub async fn is_healthy(client: &Client) -> bool {
    client.is_connected() && client.ping::<String>(None).await.is_ok()
}
