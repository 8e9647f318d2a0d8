//! Redis clients that reconnect automatically and fail a command after a short timeout.
//!
//! The URL selects a single Redis, one behind Sentinel, or a cluster. No command has keys of two slots. All other differences of a
//! cluster are in [`pubsub`].

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

/// The timeout of a command.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(1);

/// The number of attempts of a command: a command without an answer is not retried.
const ATTEMPTS: u32 = 1;

/// The number of attempts on a cluster, where another node may have the key in the meantime.
const CLUSTER_ATTEMPTS: u32 = 2;

/// The capacity of the queue of received publications. When it is full, the receiver gets a `Lagged` error.
const BROADCAST_CAPACITY: usize = 8192;

/// The maximum number of commands that wait for their answers.
const MAX_COMMANDS_IN_FLIGHT: usize = 100_000;

/// The first and the longest delay between two attempts to connect, in milliseconds. The delay doubles with each attempt.
const RECONNECT_DELAY_MS: (u32, u32) = (20, 2000);

/// The maximum jitter of that delay, in milliseconds. It keeps instances from reconnecting at the same time.
const RECONNECT_JITTER_MS: u32 = 50;

/// The longest time that a starting process waits for Redis.
const FIRST_CONNECT_WAIT: Duration = Duration::from_millis(500);

fn builder(url: &SecretString) -> Result<Builder, Error> {
    let mut config = Config::from_url(url.expose_secret())?;
    // The first connection is retried like any later one, so that start order does not matter.
    config.fail_fast = false;
    let mut attempts = ATTEMPTS;
    if let ServerConfig::Clustered { policy, .. } = &mut config.server {
        // Otherwise a client could not reconnect after the nodes in the URL are gone.
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

/// Returns a client, which connects in the background on the current runtime.
///
/// # Errors
/// The URL is invalid.
pub fn client(url: &SecretString) -> Result<Client, Error> {
    let client = builder(url)?.build()?;
    drop(client.connect());
    Ok(client)
}

/// Waits up to 500 ms until the clients are connected. Returns in any case.
pub async fn wait_for_connections(clients: &[&Client]) {
    let connected = join_all(clients.iter().map(|client| client.wait_for_connect()));
    let _ = tokio::time::timeout(FIRST_CONNECT_WAIT, connected).await;
}

/// Returns whether Redis answers.
pub async fn is_healthy(client: &Client) -> bool {
    client.is_connected() && client.ping::<String>(None).await.is_ok()
}
