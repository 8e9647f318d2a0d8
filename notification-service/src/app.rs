//! Builds, runs and drains the process.

mod http_servers;

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use actix_web::{dev::Server, web::Data};
use anyhow::Context as _;
use fred::{
    interfaces::{ClientLike as _, EventInterface as _},
    prelude::Client,
};
use neonchat_common::{
    grpc::{client::GrpcClient, health, listener::Listener, server},
    http as edge,
    ids::InstanceId,
    lifecycle::{self, Tasks},
    redis::{self, monitor::Monitor, namespace::Namespace},
    tasks::{DrainState, Tasks},
    telemetry::Metrics,
    token::Tokens,
};
use neonchat_proto::notification::v1::notification_service_server::{self, NotificationServiceServer};
use tokio::sync::Semaphore;

use self::http_servers::{serve_http, serve_operations};
use crate::{
    bus::{Publisher, Subscriptions},
    chat_service::ChatService,
    close::{CloseReason, RECONNECT_DELAY_MS},
    config::Settings,
    connection::handshake::MAX_CONCURRENT_HANDSHAKES,
    connection_slots::ConnectionSlots,
    delivery::Delivery,
    deployment::Deployments,
    grpc,
    hub::Hub,
    limits::Limits,
    metrics::start_counters,
    presence::{Dependencies, Presence},
    readiness::Readiness,
    receipts::Receipts,
    receive::Receiver,
    resync::Resync,
    send_queue::SendQueue,
    state::AppState,
};

/// How long sockets may take to close while the process drains.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the remaining tasks may take after that.
const TASKS_TIMEOUT: Duration = Duration::from_secs(10);

/// The highest rate at which clients reconnect after a restart. Their delays are spread over at least one second.
const RECONNECTS_PER_SECOND: u64 = 2000;

/// The names under which `grpc.health.v1` reports this server.
const GRPC_NAMES: [&str; 2] = ["", notification_service_server::SERVICE_NAME];

/// The service, bound to its ports but not serving yet.
pub struct App {
    state: Data<AppState>,
    subscriber: Client,
    http: Server,
    http_addr: SocketAddr,
    operations: Option<Server>,
    operations_addr: Option<SocketAddr>,
    grpc: Listener,
    grpc_addr: SocketAddr,
    settings: Settings,
}

impl App {
    /// Binds the ports and creates the clients. No dependency has to be available yet.
    ///
    /// # Errors
    /// Fails if a port is in use or an address is malformed.
    pub async fn build(settings: Settings) -> anyhow::Result<Self> {
        let common = &settings.common;
        let tasks = Tasks::new();
        let instance = InstanceId::new();
        let metrics = Metrics::install()?;
        start_counters();
        let grpc = GrpcClient::new(&settings.chat_service, &common.grpc).context("CHAT_SERVICE_ADDR")?;
        let chat_service = ChatService::new(grpc);
        let commands = redis::client(&common.redis_url).context("REDIS_URL")?;
        let subscriber = redis::client(&common.redis_url).context("REDIS_URL")?;

        // Without a connection to Redis, the first sockets could not publish their presence.
        redis::wait_for_connections(&[&commands, &subscriber]).await;
        let hub = Arc::new(Hub::default());
        let resync = Arc::new(Resync::new(Arc::clone(&hub), chat_service.clone()));
        let namespace = common.redis_namespace.clone();
        let subscriptions =
            Subscriptions::new(subscriber.clone(), namespace.clone(), Arc::clone(&hub), Arc::clone(&resync));
        let subscriptions = Arc::new(subscriptions);
        let deployments = Arc::<Deployments>::default();
        let publisher = Publisher::new(commands.clone(), namespace.clone());
        let delivery = Delivery::new(instance, Arc::clone(&deployments), Arc::clone(&hub), publisher.clone());
        let dependencies = Dependencies {
            instance,
            deployments: Arc::clone(&deployments),
            hub: Arc::clone(&hub),
            chat_service: chat_service.clone(),
            delivery: delivery.clone(),
            tasks: tasks.clone(),
        };
        let presence = Presence::new(commands.clone(), namespace.clone(), dependencies, settings.offline_grace);
        let presence = Arc::new(presence);
        let redis_monitors = [
            Monitor::start(&commands, "commands", Some(namespace.name("probe")), &tasks),
            Monitor::start(&subscriber, "subscriber", None, &tasks),
        ];
        let readiness = Arc::new(Readiness::new(Arc::clone(&deployments), chat_service.clone()));
        let receipts =
            Receipts { hub: Arc::clone(&hub), chat_service: chat_service.clone(), delivery: delivery.clone() };
        let state = Data::new(AppState {
            tokens: Tokens::new(&common.jwt_secret, common.jwt_lifetime),
            allowed_origins: common.allowed_origins.clone(),
            settings: settings.socket,
            send_queue: SendQueue::start(&hub, &chat_service, &delivery, &tasks),
            instance,
            hub,
            chat_service,
            deployments,
            subscriptions,
            resync,
            publisher,
            delivery,
            receipts,
            presence,
            redis: commands,
            redis_monitors,
            metrics,
            tasks,
            readiness,
            handshakes: Semaphore::new(MAX_CONCURRENT_HANDSHAKES),
            limits: Limits::new(settings.socket),
            slots: ConnectionSlots::new(settings.socket),
        });

        let listener = edge::server::bind(&settings.host, settings.ws_port, "NOTIFICATION_WS_PORT").await?;
        let http_addr = listener.local_addr()?;
        let http = serve_http(listener, &settings, state.clone())?;
        let address = settings.operations.as_ref();
        let listener = edge::server::bind_operations(address, "NOTIFICATION_METRICS_PORT").await?;
        let operations_addr = listener.as_ref().map(TcpListener::local_addr).transpose()?;
        let operations = listener.map(|listener| serve_operations(listener, &settings, state.clone())).transpose()?;
        let (grpc, grpc_addr) = server::bind(&settings.grpc_host, settings.grpc_port, "NOTIFICATION_GRPC_PORT").await?;
        Ok(Self { state, subscriber, http, http_addr, operations, operations_addr, grpc, grpc_addr, settings })
    }

    /// Returns the address of HTTP and WebSocket.
    #[must_use]
    pub const fn http_addr(&self) -> SocketAddr {
        self.http_addr
    }

    /// Returns the address of the operations endpoints, if they have a port of their own.
    #[must_use]
    pub const fn operations_addr(&self) -> Option<SocketAddr> {
        self.operations_addr
    }

    /// Returns the address of gRPC.
    #[must_use]
    pub const fn grpc_addr(&self) -> SocketAddr {
        self.grpc_addr
    }

    /// Serves until `shutdown` resolves, then drains.
    ///
    /// # Errors
    /// Fails if a listener fails.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Self { state, subscriber, http, operations, grpc, settings, .. } = self;
        start_workers(&state, &subscriber, settings.common.redis_namespace.clone());

        let http_handle = http.handle();
        let mut http = state.tasks.spawn(http);
        let operations_handle = operations.as_ref().map(Server::handle);
        let mut operations = operations.map(|server| state.tasks.spawn(server));
        let grpc_stop = tokio_util::sync::CancellationToken::new();
        let stopped = grpc_stop.clone().cancelled_owned();
        let service = grpc::Api {
            chat_service: state.chat_service.clone(),
            delivery: state.delivery.clone(),
            presence: Arc::clone(&state.presence),
        };
        let health =
            health::service(&state.tasks, &GRPC_NAMES, state.readiness.subscribe(), |is_ready| *is_ready).await;
        let grpc = server::builder(&settings.common.grpc)?
            .add_service(health)
            .add_service(NotificationServiceServer::new(service))
            .serve_with_incoming_shutdown(grpc.incoming(), stopped);
        let mut grpc = state.tasks.spawn(grpc);
        let operations_addr = self.operations_addr.map(tracing::field::display);
        tracing::info!(http.addr = %self.http_addr, operations.addr = operations_addr, grpc.addr = %self.grpc_addr,
            "listening");

        let ended = tokio::select! {
            () = shutdown => Ok(()),
            result = &mut http => lifecycle::flatten(result).context("HTTP"),
            result = &mut grpc => lifecycle::flatten(result).context("gRPC"),
            result = lifecycle::join_optional(&mut operations) => lifecycle::flatten(result).context("the operations server"),
        };

        close_sockets(&state).await;
        http_handle.stop(true).await;
        grpc_stop.cancel();
        state.presence.withdraw().await;
        // The operations server stops last, so that the drain can be observed.
        if let Some(operations) = operations_handle {
            operations.stop(true).await;
        }
        state.tasks.finish(TASKS_TIMEOUT).await;
        for client in [&state.redis, &subscriber] {
            if let Err(error) = client.quit().await {
                tracing::debug!(error.cause = %error, "redis quit failed");
            }
        }
        tracing::info!("stopped");
        ended
    }
}

fn start_workers(state: &Data<AppState>, subscriber: &Client, namespace: Namespace) {
    let tasks = &state.tasks;
    state.metrics.keep_up(tasks);
    state.resync.start(tasks);
    let readiness = Arc::clone(&state.readiness);
    tasks.spawn_until_stopped(async move { readiness.run().await });
    // The receiver is created before the subscriber connects, so that it gets every publication.
    let messages = subscriber.message_rx();
    let (instance, deployments) = (state.instance, Arc::clone(&state.deployments));
    let (hub, resync) = (Arc::clone(&state.hub), Arc::clone(&state.resync));
    let receiver = Receiver { instance, namespace, deployments: Arc::clone(&deployments), hub, resync };
    tasks.spawn_until_stopped(async move { receiver.run(messages).await });
    let subscriptions = Arc::clone(&state.subscriptions);
    tasks.spawn_until_stopped(async move { subscriptions.run().await });
    let subscriptions = Arc::clone(&state.subscriptions);
    let (chat_service, publisher) = (state.chat_service.clone(), state.publisher.clone());
    tasks.spawn_until_stopped(async move {
        deployments.run(instance, chat_service, publisher, &subscriptions).await;
    });
    state.presence.start(tasks);
    let delivery = state.delivery.clone();
    tasks.spawn_until_stopped(async move { delivery.publish_typing().await });
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
