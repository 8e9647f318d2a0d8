//! The system under test as private processes: Postgres, Redis and several instances of each service. Every link between
//! them goes through a proxy.

mod endpoints;
mod links;
mod memory;
mod service;

use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use neonchat_common::lifecycle::raise_file_limit;
use neonchat_testbed::{
    port,
    postgres::{self, Postgres},
    redis::{Persistence, Redis},
};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

pub use self::{
    endpoints::Endpoints,
    links::{Link, Links},
    memory::Memory,
    service::Service,
};
use self::{endpoints::Ports, memory::Pids};

/// The number of running instances of each service.
pub const INSTANCES: usize = 2;

/// One more instance of each service is prepared for the fault `add-instance`.
const PREPARED: usize = INSTANCES + 1;

const DATABASE: &str = "neondb";

/// Settings that differ from the defaults: fast password hashing, and no limits that would slow the traffic down.
const SETTINGS: [(&str, &str); 8] = [
    ("BCRYPT_COST", "4"),
    ("DB_MAX_CONNS", "10"),
    ("RATE_LIMIT_PER_MINUTE", "0"),
    ("GROUP_ADDS_PER_DAY", "0"),
    ("WS_MESSAGES_PER_SECOND", "0"),
    ("WS_MAX_CONNECTIONS_PER_USER", "0"),
    ("PRESENCE_OFFLINE_GRACE", "1s"),
    ("SCHEDULE_MIN", "0s"),
];

/// The system under test.
#[derive(Debug)]
pub struct Cluster {
    /// Postgres.
    pub postgres: Postgres,
    /// Redis.
    pub redis: Redis,
    /// The instances of chat-service. The last one runs only during a fault that starts it.
    pub chat: Vec<Service>,
    /// The instances of notification-service. The last one runs only during a fault that starts it.
    pub notification: Vec<Service>,
    /// The links between the processes.
    pub links: Links,
    /// The addresses of the services for clients.
    pub endpoints: Endpoints,
    /// The ports of the proxies in front of each instance of notification-service.
    socket_ports: Vec<u16>,
    pids: Pids,
    folder: TempDir,
}

/// The ports of an instance.
struct InstancePorts {
    http: u16,
    grpc: u16,
}

impl InstancePorts {
    fn several() -> anyhow::Result<Vec<Self>> {
        (0..PREPARED).map(|_| Ok(Self { http: port::reserve()?, grpc: port::reserve()? })).collect()
    }
}

impl Cluster {
    /// Starts the cluster with additional settings and waits until it is ready. The services log to `logs`, or to the
    /// temporary directory of the cluster.
    ///
    /// # Errors
    /// A program is not installed, not built, or does not start.
    pub async fn start(settings: &[(&str, String)], logs: Option<&Path>) -> anyhow::Result<Self> {
        raise_file_limit()?;
        let folder = tempfile::Builder::new().prefix("neonchat-chaos-").tempdir()?;
        // Postgres may run as another user, who needs access.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        let logs = logs.map_or_else(|| folder.path().join("logs"), Path::to_owned);
        std::fs::create_dir_all(&logs)?;
        let postgres = Postgres::start(&folder.path().join("postgres"), Some(port::reserve()?)).await?;
        postgres::create_database(&postgres.url("postgres"), DATABASE).await?;
        let redis = Redis::start(&folder.path().join("redis"), Some(port::reserve()?), Persistence::None).await?;

        let pids = Pids::default();
        let mut links = Links::default();
        let (chat_ports, notification_ports) = (InstancePorts::several()?, InstancePorts::several()?);
        let mut socket_ports = Vec::new();
        let (mut chat, mut notification) = (Vec::new(), Vec::new());
        for (index, ports) in chat_ports.iter().enumerate() {
            let database = links.add(Link::Postgres, index, postgres.port())?;
            let mut environment = common_environment(&mut links, index, redis.port(), settings)?;
            environment.extend([
                ("DATABASE_URL".to_owned(), postgres::url(database, DATABASE)),
                ("CHAT_SERVICE_PORT".to_owned(), ports.http.to_string()),
                ("CHAT_GRPC_PORT".to_owned(), ports.grpc.to_string()),
            ]);
            let peers = addresses(&mut links, Link::NotificationGrpc, index, &notification_ports)?;
            environment.push(("NOTIFICATION_SERVICE_ADDR".to_owned(), peers));
            chat.push(Service::new("chat-service", index, ports.http, environment, &logs, pids.clone()));
        }
        for (index, ports) in notification_ports.iter().enumerate() {
            socket_ports.push(links.add(Link::Socket, index, ports.http)?);
            let mut environment = common_environment(&mut links, index, redis.port(), settings)?;
            environment.extend([
                ("NOTIFICATION_WS_PORT".to_owned(), ports.http.to_string()),
                ("NOTIFICATION_GRPC_PORT".to_owned(), ports.grpc.to_string()),
            ]);
            let peers = addresses(&mut links, Link::ChatGrpc, index, &chat_ports)?;
            environment.push(("CHAT_SERVICE_ADDR".to_owned(), peers));
            notification.push(Service::new(
                "notification-service",
                index,
                ports.http,
                environment,
                &logs,
                pids.clone(),
            ));
        }
        let endpoints = Endpoints::default();
        let mut this = Self { postgres, redis, chat, notification, links, endpoints, socket_ports, pids, folder };
        this.start_services().await?;
        this.reset_endpoints();
        Ok(this)
    }

    async fn start_services(&mut self) -> anyhow::Result<()> {
        for service in self.chat[..INSTANCES].iter_mut().chain(&mut self.notification[..INSTANCES]) {
            service.spawn(&[])?;
        }
        self.ready().await
    }

    /// Directs clients to the [`INSTANCES`] regular instances only.
    pub fn reset_endpoints(&self) {
        let rest = self.chat[..INSTANCES].iter().map(|service| service.http_port).collect();
        let sockets = self.socket_ports[..INSTANCES].to_vec();
        self.endpoints.change(|ports| *ports = Ports { rest, sockets });
    }

    /// Directs clients also to this instance of both services.
    pub fn add_endpoints(&self, index: usize) {
        let (rest, socket) = (self.chat[index].http_port, self.socket_ports[index]);
        self.endpoints.change(|ports| {
            ports.rest.push(rest);
            ports.sockets.push(socket);
        });
    }

    /// Directs clients no longer to this instance of both services.
    pub fn remove_endpoints(&self, index: usize) {
        let (rest, socket) = (self.chat[index].http_port, self.socket_ports[index]);
        self.endpoints.change(|ports| {
            ports.rest.retain(|port| *port != rest);
            ports.sockets.retain(|port| *port != socket);
        });
    }

    /// Restarts Postgres after it has ended, with these environment variables.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start_postgres(&mut self, environment: &[(String, String)]) -> anyhow::Result<()> {
        let (folder, port) = (self.folder.path().join("postgres"), self.postgres.port());
        let postgres = Postgres::start_with(&folder, Some(port), environment, &[]).await?;
        ensure!(postgres.port() == port, "another process listens on the port of Postgres");
        self.postgres = postgres;
        Ok(())
    }

    /// Restarts Redis after it has ended.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start_redis(&mut self) -> anyhow::Result<()> {
        let (folder, port) = (self.folder.path().join("redis"), self.redis.port());
        let redis = Redis::start(&folder, Some(port), Persistence::None).await?;
        ensure!(redis.port() == port, "another process listens on the port of Redis");
        self.redis = redis;
        Ok(())
    }

    /// Waits until all regular instances are ready.
    ///
    /// # Errors
    /// An instance is not ready in time.
    pub async fn ready(&mut self) -> anyhow::Result<()> {
        for service in self.chat[..INSTANCES].iter_mut().chain(&mut self.notification[..INSTANCES]) {
            service.ready().await?;
        }
        Ok(())
    }

    /// Opens a connection to the database that bypasses the proxies.
    ///
    /// # Errors
    /// Postgres is not available.
    pub async fn sql(&self) -> anyhow::Result<Client> {
        let (client, connection) = tokio_postgres::connect(&self.postgres.url(DATABASE), NoTls).await?;
        // The task ends with the client.
        tokio::spawn(connection);
        Ok(client)
    }

    /// Starts to measure the memory of the services.
    #[must_use]
    pub fn watch_memory(&self) -> Memory {
        Memory::watch(self.pids.clone())
    }

    /// Returns the temporary directory of the cluster.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the path of the log of Postgres.
    #[must_use]
    pub fn postgres_log(&self) -> PathBuf {
        self.folder.path().join("postgres/postgres.log")
    }

    /// Stops the cluster.
    ///
    /// # Errors
    /// A process does not end in time, or ends with an error.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        for service in self.notification.iter_mut().chain(&mut self.chat) {
            service.stop().await?;
        }
        self.redis.stop().await?;
        self.postgres.stop().await?;
        self.folder.close().context("remove the directory of the cluster")
    }
}

fn common_environment(
    links: &mut Links,
    index: usize,
    redis: u16,
    settings: &[(&str, String)],
) -> anyhow::Result<Vec<(String, String)>> {
    let mut environment: Vec<_> = SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    environment.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    let redis = links.add(Link::Redis, index, redis)?;
    environment.push(("REDIS_URL".to_owned(), format!("redis://127.0.0.1:{redis}/0")));
    Ok(environment)
}

/// Returns the comma-separated addresses of the regular instances, each through a proxy.
fn addresses(links: &mut Links, link: Link, from: usize, to: &[InstancePorts]) -> anyhow::Result<String> {
    let mut addresses = Vec::new();
    for ports in &to[..INSTANCES] {
        addresses.push(format!("127.0.0.1:{}", links.add(link, from, ports.grpc)?));
    }
    Ok(addresses.join(","))
}
