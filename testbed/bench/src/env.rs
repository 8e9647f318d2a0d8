//! The environment of a scenario: a private system with its own Postgres and Redis.

use std::{net::SocketAddr, path::Path};

use anyhow::Context as _;
use neonchat_common::lifecycle::raise_file_limit;
use neonchat_testbed::{
    exec::Servers,
    system::{Ports, System},
};
use tokio_postgres::Client;
use uuid::Uuid;

use super::{
    population::{self, Population},
    usage::Processes,
};

/// The settings of Postgres that differ from the defaults. Durability is unchanged: `fsync`, `synchronous_commit` and
/// `full_page_writes` are on.
const POSTGRES_SETTINGS: [&str; 2] = ["shared_buffers=512MB", "max_wal_size=4GB"];

/// Queries the settings of Postgres that are printed.
const SHOW_SETTINGS: &str =
    "SELECT string_agg(name || '=' || current_setting(name), ' ' ORDER BY name) FROM pg_settings
    WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers', 'max_wal_size', 'wal_level',
                   'commit_delay', 'autovacuum')";

/// The key that signs the tokens.
const SECRET: &str = "a-secret-of-the-benchmark-alone";

/// The settings of the services, without the limits that a load generator would reach.
const SETTINGS: [(&str, &str); 10] = [
    ("JWT_SECRET", SECRET),
    ("RATE_LIMIT_PER_MINUTE", "0"),
    ("GROUPS_PER_DAY", "0"),
    ("GROUP_ADDS_PER_DAY", "0"),
    ("WS_MESSAGES_PER_SECOND", "0"),
    ("LARGE_CHAT_MESSAGES_PER_SECOND", "0"),
    ("WS_MAX_CONNECTIONS_PER_USER", "0"),
    ("WS_MAX_CONNECTIONS", "19000"),
    // The messages of `population::history` are old.
    ("EDIT_WINDOW", "0s"),
    // All loopback addresses, because the generator spreads its sockets over them.
    ("NOTIFICATION_SERVICE_HOST", "0.0.0.0"),
];

/// A running system and its database.
#[derive(Debug)]
pub(crate) struct Env {
    servers: Servers,
    system: System,
    /// A connection that bypasses the services.
    pub(crate) database: Client,
}

impl Env {
    /// Starts the system with `instances` instances of notification-service. The services log to `logs`, or to a temporary
    /// directory.
    ///
    /// # Errors
    /// A process does not start.
    pub(crate) async fn start(instances: usize, logs: Option<&Path>) -> anyhow::Result<Self> {
        raise_file_limit()?;
        let servers = Servers::start_with(&POSTGRES_SETTINGS).await?;
        let (database, redis) = (servers.postgres.url("postgres"), servers.redis.url());
        let logs = logs.map_or_else(|| servers.folder().join("logs"), Path::to_owned);
        let mut settings = SETTINGS.to_vec();
        settings.extend([("DATABASE_URL", database.as_str()), ("REDIS_URL", redis.as_str())]);
        let mut system = System::start(&logs, Ports::reserve()?, &settings).await?;
        for _ in 1..instances {
            system.add_notification_service().await?;
        }
        let database = population::connect(&database).await?;
        Ok(Self { servers, system, database })
    }

    /// Inserts pairs of users, each with a chat.
    ///
    /// # Errors
    /// The database refuses them.
    pub(crate) async fn pairs(&self, pairs: usize) -> anyhow::Result<Population> {
        self.chats(population::disjoint(pairs, 2)).await
    }

    /// Inserts users and chats with these members: see [`population`].
    ///
    /// # Errors
    /// The database refuses them.
    pub(crate) async fn chats(&self, members: impl Iterator<Item = Vec<usize>>) -> anyhow::Result<Population> {
        population::insert(&self.database, members, SECRET).await
    }

    /// Appends messages to each of these chats. All but a few are read.
    ///
    /// # Errors
    /// The database refuses them.
    pub(crate) async fn history(&mut self, chats: &[Uuid], messages: i64) -> anyhow::Result<()> {
        population::history(&mut self.database, chats, messages).await
    }

    /// Returns the base URL of REST.
    pub(crate) fn rest(&self) -> String {
        self.system.rest()
    }

    /// Kills chat-service with SIGKILL and restarts it.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) async fn kill_and_restart_chat_service(&mut self) -> anyhow::Result<()> {
        self.system.kill_and_restart_chat_service().await
    }

    /// Returns the value of a counter of chat-service.
    ///
    /// # Errors
    /// There is no such counter.
    pub(crate) async fn chat_counter(&self, name: &str) -> anyhow::Result<f64> {
        let line = self.system.api().metric(name).await?;
        line.split(' ').next_back().and_then(|value| value.parse().ok()).with_context(|| format!("malformed: {line}"))
    }

    /// Returns the port of Redis.
    pub(crate) const fn redis_port(&self) -> u16 {
        self.servers.redis.port()
    }

    /// Returns the URL of the database.
    pub(crate) fn database_url(&self) -> String {
        self.servers.postgres.url("postgres")
    }

    /// Returns the WebSocket address of each instance.
    pub(crate) fn websockets(&self) -> Vec<SocketAddr> {
        self.system.websocket_addresses()
    }

    /// Returns the processes to measure.
    pub(crate) fn processes(&self) -> anyhow::Result<Processes> {
        let ended = "a server has ended";
        Ok(Processes {
            chat: vec![self.system.chat_id().context(ended)?],
            notification: self.system.notification_ids().context(ended)?,
            postgres: self.servers.postgres.id().context(ended)?,
            redis: self.servers.redis.id().context(ended)?,
            workers: Vec::new(),
        })
    }

    /// Returns the number of stored messages.
    pub(crate) async fn stored(&self) -> anyhow::Result<usize> {
        let count: i64 = self.database.query_one("SELECT count(*) FROM messages", &[]).await?.get(0);
        Ok(usize::try_from(count)?)
    }

    /// Returns the number of stored events other than messages.
    pub(crate) async fn events(&self) -> anyhow::Result<usize> {
        let count: i64 = self.database.query_one("SELECT count(*) FROM chat_events", &[]).await?.get(0);
        Ok(usize::try_from(count)?)
    }

    /// Returns the settings of Postgres.
    pub(crate) async fn postgres_settings(&self) -> anyhow::Result<String> {
        Ok(self.database.query_one(SHOW_SETTINGS, &[]).await?.get(0))
    }

    /// Stops the system.
    ///
    /// # Errors
    /// A process does not stop, or ends with an error.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.system.stop().await?;
        drop(self.database);
        self.servers.stop().await
    }
}
