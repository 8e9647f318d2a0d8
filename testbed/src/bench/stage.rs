//! What a scenario is played on: the whole system of its own, on Postgres and Redis of its own.

use std::{net::SocketAddr, path::Path};

use anyhow::Context as _;
use tokio_postgres::Client;

use super::{
    population::{self, Population},
    usage::Processes,
};
use crate::{
    exec::Servers,
    system::{Ports, System},
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
const SETTINGS: [(&str, &str); 5] = [
    ("JWT_SECRET", SECRET),
    ("RATE_LIMIT_PER_MINUTE", "0"),
    ("WS_MESSAGES_PER_SECOND", "0"),
    ("WS_MAX_CONNECTIONS_PER_USER", "0"),
    ("WS_MAX_CONNECTIONS", "19000"),
];

/// A running system with people in it.
#[derive(Debug)]
pub(crate) struct Stage {
    servers: Servers,
    system: System,
    database: Client,
    /// Who is there.
    pub(crate) population: Population,
}

impl Stage {
    /// Starts it, with so many pairs of users. The services' logs are in `logs`, or go with it.
    ///
    /// # Errors
    /// Something does not start.
    pub(crate) async fn start(pairs: usize, logs: Option<&Path>) -> anyhow::Result<Self> {
        let servers = Servers::start_with(&POSTGRES_SETTINGS).await?;
        let (database, redis) = (servers.postgres.url("postgres"), servers.redis.url());
        let logs = logs.map_or_else(|| servers.folder().join("logs"), Path::to_owned);
        let mut settings = SETTINGS.to_vec();
        settings.extend([("DATABASE_URL", database.as_str()), ("REDIS_URL", redis.as_str())]);
        let system = System::start(&logs, Ports::free()?, &settings).await?;
        let database = population::connect(&database).await?;
        let population = population::populate(&database, pairs, SECRET).await?;
        Ok(Self { servers, system, database, population })
    }

    /// Where the WebSocket is.
    pub(crate) fn websocket(&self) -> SocketAddr {
        self.system.websocket_address()
    }

    /// What is measured.
    pub(crate) fn processes(&self) -> anyhow::Result<Processes> {
        let [chat, notification] = self.system.ids();
        let ended = "a server has ended";
        Ok(Processes {
            chat: vec![chat.context(ended)?],
            notification: vec![notification.context(ended)?],
            postgres: self.servers.postgres.id().context(ended)?,
            redis: self.servers.redis.id().context(ended)?,
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
