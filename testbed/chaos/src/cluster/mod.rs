//! The whole system as processes of its own: Postgres, Redis, and several instances of each service, every link between
//! them through a proxy.

mod links;
mod memory;
mod service;

use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
};

use anyhow::{Context as _, ensure};
use neonchat_common::lifecycle::raise_file_limit;
use neonchat_testbed::{
    client::Api,
    port,
    postgres::{self, Postgres},
    redis::{Persistence, Redis},
};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

use self::memory::Pids;
pub use self::{
    links::{Link, Links},
    memory::Memory,
    service::Service,
};

/// How many instances of each service run.
pub const INSTANCES: usize = 2;

/// One more of each, that is started by the fault that adds an instance.
const PREPARED: usize = INSTANCES + 1;

const DATABASE: &str = "neondb";

/// What is not as by default: quicker, and without the limits that would slow the traffic down.
const SETTINGS: [(&str, &str); 6] = [
    ("BCRYPT_COST", "4"),
    ("DB_MAX_CONNS", "10"),
    ("RATE_LIMIT_PER_MINUTE", "0"),
    ("WS_MESSAGES_PER_SECOND", "0"),
    ("WS_MAX_CONNECTIONS_PER_USER", "0"),
    ("PRESENCE_OFFLINE_GRACE", "1s"),
];

/// Where clients find the services. Shared with them: instances come and go.
#[derive(Clone, Debug, Default)]
pub struct Endpoints(Arc<RwLock<Ports>>);

#[derive(Debug, Default)]
struct Ports {
    rest: Vec<u16>,
    sockets: Vec<u16>,
}

impl Endpoints {
    /// chat-service over REST, one instance at random.
    pub fn api(&self, rng: &mut fastrand::Rng) -> Api {
        let ports = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        Api::new(format!("http://127.0.0.1:{}", rng.choice(&ports.rest).copied().unwrap_or(0)))
    }

    /// notification-service over WebSocket, one instance at random.
    pub fn socket(&self, rng: &mut fastrand::Rng) -> String {
        let ports = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        format!("ws://127.0.0.1:{}", rng.choice(&ports.sockets).copied().unwrap_or(0))
    }

    /// notification-service over WebSocket, each instance.
    #[must_use]
    pub fn sockets(&self) -> Vec<String> {
        let ports = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        ports.sockets.iter().map(|port| format!("ws://127.0.0.1:{port}")).collect()
    }

    fn change(&self, change: impl FnOnce(&mut Ports)) {
        change(&mut self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner));
    }
}

/// See the module.
#[derive(Debug)]
pub struct Cluster {
    /// Postgres.
    pub postgres: Postgres,
    /// Redis.
    pub redis: Redis,
    /// The instances of chat-service; the last one does not run, unless a fault starts it.
    pub chat: Vec<Service>,
    /// The instances of notification-service; the last one does not run, unless a fault starts it.
    pub notification: Vec<Service>,
    /// What is between all these.
    pub links: Links,
    /// Where clients find the services.
    pub endpoints: Endpoints,
    /// The proxies before the sockets of each instance of notification-service.
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
        (0..PREPARED).map(|_| Ok(Self { http: port::kept()?, grpc: port::kept()? })).collect()
    }
}

impl Cluster {
    /// Starts all of it, with these settings beside its own, and waits until it is ready. The logs of the services are
    /// in `logs`, or go with the cluster.
    ///
    /// # Errors
    /// Something is not installed, not built, or does not start.
    pub async fn start(settings: &[(&str, String)], logs: Option<&Path>) -> anyhow::Result<Self> {
        raise_file_limit()?;
        let folder = tempfile::Builder::new().prefix("neonchat-chaos-").tempdir()?;
        // Postgres may run as another user, who has to be able to enter.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        let logs = logs.map_or_else(|| folder.path().join("logs"), Path::to_owned);
        std::fs::create_dir_all(&logs)?;
        let postgres = Postgres::start(&folder.path().join("postgres"), Some(port::kept()?)).await?;
        postgres::create_database(&postgres.url("postgres"), DATABASE).await?;
        let redis = Redis::start(&folder.path().join("redis"), Some(port::kept()?), Persistence::None).await?;

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

    /// Sends clients to all instances that run as a rule, and to no other.
    pub fn reset_endpoints(&self) {
        let rest = self.chat[..INSTANCES].iter().map(|service| service.http_port).collect();
        let sockets = self.socket_ports[..INSTANCES].to_vec();
        self.endpoints.change(|ports| *ports = Ports { rest, sockets });
    }

    /// Sends clients to this instance of both services, too.
    pub fn add_endpoints(&self, index: usize) {
        let (rest, socket) = (self.chat[index].http_port, self.socket_ports[index]);
        self.endpoints.change(|ports| {
            ports.rest.push(rest);
            ports.sockets.push(socket);
        });
    }

    /// Sends clients to this instance of either service no longer.
    pub fn remove_endpoints(&self, index: usize) {
        let (rest, socket) = (self.chat[index].http_port, self.socket_ports[index]);
        self.endpoints.change(|ports| {
            ports.rest.retain(|port| *port != rest);
            ports.sockets.retain(|port| *port != socket);
        });
    }

    /// Starts Postgres again, after it has ended in whatever way, with these variables in its environment.
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

    /// Starts Redis again, after it has ended in whatever way.
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

    /// Waits until all instances that run as a rule are ready.
    ///
    /// # Errors
    /// One is not, within a while.
    pub async fn ready(&mut self) -> anyhow::Result<()> {
        for service in self.chat[..INSTANCES].iter_mut().chain(&mut self.notification[..INSTANCES]) {
            service.ready().await?;
        }
        Ok(())
    }

    /// A connection to the database that no fault of a link touches.
    ///
    /// # Errors
    /// Postgres is away.
    pub async fn sql(&self) -> anyhow::Result<Client> {
        let (client, connection) = tokio_postgres::connect(&self.postgres.url(DATABASE), NoTls).await?;
        // It ends with the client.
        tokio::spawn(connection);
        Ok(client)
    }

    /// Watches how much memory the services take, from here on.
    #[must_use]
    pub fn watch_memory(&self) -> Memory {
        Memory::watch(self.pids.clone())
    }

    /// Its folder, for what else goes with it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the log of Postgres is.
    #[must_use]
    pub fn postgres_log(&self) -> PathBuf {
        self.folder.path().join("postgres/postgres.log")
    }

    /// Ends all of it.
    ///
    /// # Errors
    /// Something does not end, or not well.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        for service in self.notification.iter_mut().chain(&mut self.chat) {
            service.stop().await?;
        }
        self.redis.stop().await?;
        self.postgres.stop().await?;
        self.folder.close().context("the folder of the cluster")
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

/// The list of those instances that run as a rule, each through a proxy.
fn addresses(links: &mut Links, link: Link, from: usize, to: &[InstancePorts]) -> anyhow::Result<String> {
    let mut addresses = Vec::new();
    for ports in &to[..INSTANCES] {
        addresses.push(format!("127.0.0.1:{}", links.add(link, from, ports.grpc)?));
    }
    Ok(addresses.join(","))
}
