//! What a scenario is played on: the whole system of its own, on Postgres and Redis of its own.

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

/// What Postgres has beside its defaults. All that makes a commit safe is as it is by default: `fsync`,
/// `synchronous_commit` and `full_page_writes` are on.
const POSTGRES_SETTINGS: [&str; 2] = ["shared_buffers=512MB", "max_wal_size=4GB"];

/// What is printed of Postgres' settings, as it says itself.
const SHOWN: &str = "SELECT string_agg(name || '=' || current_setting(name), ' ' ORDER BY name) FROM pg_settings
    WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers', 'max_wal_size', 'wal_level',
                   'commit_delay', 'autovacuum')";

/// Signs the tokens.
const SECRET: &str = "a-secret-of-the-benchmark-alone";

/// The services' settings: no limit that a load generator meets and a user does not.
const SETTINGS: [(&str, &str); 6] = [
    ("JWT_SECRET", SECRET),
    ("RATE_LIMIT_PER_MINUTE", "0"),
    ("WS_MESSAGES_PER_SECOND", "0"),
    ("WS_MAX_CONNECTIONS_PER_USER", "0"),
    ("WS_MAX_CONNECTIONS", "19000"),
    // At every loopback address: the generator spreads its sockets over them.
    ("NOTIFICATION_SERVICE_HOST", "0.0.0.0"),
];

/// A running system, and the database beneath it.
#[derive(Debug)]
pub(crate) struct Stage {
    servers: Servers,
    system: System,
    /// Past the services.
    pub(crate) database: Client,
}

impl Stage {
    /// Starts it, with so many instances of notification-service. The services' logs are in `logs`, or go with it.
    ///
    /// # Errors
    /// Something does not start.
    pub(crate) async fn start(instances: usize, logs: Option<&Path>) -> anyhow::Result<Self> {
        raise_file_limit()?;
        let servers = Servers::start_with(&POSTGRES_SETTINGS).await?;
        let (database, redis) = (servers.postgres.url("postgres"), servers.redis.url());
        let logs = logs.map_or_else(|| servers.folder().join("logs"), Path::to_owned);
        let mut settings = SETTINGS.to_vec();
        settings.extend([("DATABASE_URL", database.as_str()), ("REDIS_URL", redis.as_str())]);
        let mut system = System::start(&logs, Ports::free()?, &settings).await?;
        for _ in 1..instances {
            system.add_notification_service().await?;
        }
        let database = population::connect(&database).await?;
        Ok(Self { servers, system, database })
    }

    /// Puts so many pairs of users into it, each with a chat.
    ///
    /// # Errors
    /// The database refuses them.
    pub(crate) async fn pairs(&self, pairs: usize) -> anyhow::Result<Population> {
        population::pairs(&self.database, pairs, SECRET).await
    }

    /// Puts so many users into it, each of whom has a chat with each other one.
    ///
    /// # Errors
    /// The database refuses them.
    pub(crate) async fn circle(&self, people: usize) -> anyhow::Result<Population> {
        population::circle(&self.database, people, SECRET).await
    }

    /// Gives each of these chats so many further messages, of which all but a few are read.
    ///
    /// # Errors
    /// The database refuses them.
    pub(crate) async fn history(&mut self, chats: &[Uuid], messages: i64) -> anyhow::Result<()> {
        population::history(&mut self.database, chats, messages).await
    }

    /// The base of REST.
    pub(crate) fn rest(&self) -> String {
        self.system.rest()
    }

    /// Where the Redis is.
    pub(crate) const fn redis_port(&self) -> u16 {
        self.servers.redis.port()
    }

    /// The URL of the database.
    pub(crate) fn database_url(&self) -> String {
        self.servers.postgres.url("postgres")
    }

    /// Where the sockets of each instance are.
    pub(crate) fn websockets(&self) -> Vec<SocketAddr> {
        self.system.websocket_addresses()
    }

    /// Where the WebSocket is.
    pub(crate) fn websocket(&self) -> SocketAddr {
        self.websockets()[0]
    }

    /// What is measured.
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

    /// How many messages are stored.
    pub(crate) async fn stored(&self) -> anyhow::Result<usize> {
        let count: i64 = self.database.query_one("SELECT count(*) FROM messages", &[]).await?.get(0);
        Ok(usize::try_from(count)?)
    }

    /// Postgres' settings, as it says itself.
    pub(crate) async fn postgres_settings(&self) -> anyhow::Result<String> {
        Ok(self.database.query_one(SHOWN, &[]).await?.get(0))
    }

    /// Ends it.
    ///
    /// # Errors
    /// Something does not end well.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.system.stop().await?;
        drop(self.database);
        self.servers.stop().await
    }
}
