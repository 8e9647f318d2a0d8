//! The process put together: built, run, drained.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use actix_web::{App as ActixApp, dev::Server, middleware::from_fn, web::Data};
use anyhow::Context as _;
use fred::{
    interfaces::{ClientLike as _, EventInterface as _},
    prelude::Client,
};
use neonchat_common::{
    grpc::{client::GrpcClient, listener::Listener, server},
    http::{self as edge, server::Bounds},
    ids::InstanceId,
    lifecycle::{self, Readiness, Tasks},
    redis::{self, monitor::Monitor, namespace::Namespace},
    telemetry::Metrics,
    token::Tokens,
};
use neonchat_proto::notification::v1::notification_service_server::NotificationServiceServer;
use tokio::sync::Semaphore;

use crate::{
    bus::{Inbox, Publisher, Subscriptions},
    chat_service::ChatService,
    close::{CloseReason, RECONNECT_DELAY_MS},
    config::Settings,
    connection::{handshake::MAX_HANDSHAKES, places::Places, wire::DISCONNECT_TIMEOUT},
    delivery::Delivery,
    grpc, http,
    hub::Hub,
    limits::Limits,
    measures::start_counters,
    presence::Presence,
    resync::Resync,
    sending::Sending,
    state::State,
};

/// The longest that sockets take to close while the process drains.
const CLOSE_LIMIT: Duration = Duration::from_secs(10);

/// The longest that what is still running then takes.
const TASKS_LIMIT: Duration = Duration::from_secs(10);

/// Clients that come back after a restart do so at no more than this many a second, and not all in the first one.
const RECONNECTS_PER_SECOND: u64 = 2000;

/// Connections that are no sockets: probes, metrics, handshakes that are refused.
const OTHER_CONNECTIONS: usize = 1024;

/// notification-service, bound to its ports and not yet serving.
pub struct App {
    state: Data<State>,
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
    /// Binds the ports and makes the clients. Nothing that it depends on needs to be there yet.
    ///
    /// # Errors
    /// A port is taken, or an address is malformed.
    pub async fn build(settings: Settings) -> anyhow::Result<Self> {
        let common = &settings.common;
        let tasks = Tasks::new();
        let instance = InstanceId::new();
        let metrics = Metrics::install()?;
        start_counters();
        let peer = GrpcClient::new(&settings.chat_service, &common.grpc).context("CHAT_SERVICE_ADDR")?;
        let chat_service = ChatService::new(peer);
        let commands = redis::client(&common.redis_url).context("REDIS_URL")?;
        let subscriber = redis::client(&common.redis_url).context("REDIS_URL")?;

        // Or what the first sockets cause would not be published.
        redis::wait_briefly(&[&commands, &subscriber]).await;
        let hub = Arc::new(Hub::default());
        let resync = Arc::new(Resync::new(Arc::clone(&hub), chat_service.clone()));
        let namespace = common.redis_namespace.clone();
        let subscriptions =
            Subscriptions::new(subscriber.clone(), namespace.clone(), Arc::clone(&hub), Arc::clone(&resync));
        let subscriptions = Arc::new(subscriptions);
        let delivery = Delivery {
            instance,
            deployments: Arc::default(),
            hub: Arc::clone(&hub),
            chat_service,
            publisher: Publisher::new(commands.clone(), namespace.clone()),
            tasks: tasks.clone(),
        };
        let presence = Presence::new(commands.clone(), namespace.clone(), delivery.clone(), settings.offline_grace);
        let presence = Arc::new(presence);
        let redis_monitors = [
            Monitor::start(&commands, "commands", Some(namespace.name("probe")), &tasks),
            Monitor::start(&subscriber, "subscriber", None, &tasks),
        ];
        let state = Data::new(State {
            tokens: Tokens::new(&common.jwt_secret, common.jwt_lifetime),
            allowed_origins: common.allowed_origins.clone(),
            settings: settings.socket,
            hub,
            subscriptions,
            resync,
            sending: Sending::start(&delivery),
            delivery,
            presence,
            redis: commands,
            redis_monitors,
            metrics,
            tasks,
            readiness: Readiness::default(),
            handshakes: Semaphore::new(MAX_HANDSHAKES),
            limits: Limits::new(settings.socket),
            places: Places::new(settings.socket),
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

    /// Where HTTP and WebSocket are served.
    #[must_use]
    pub const fn http_addr(&self) -> SocketAddr {
        self.http_addr
    }

    /// Where the operations endpoints are served, if not where WebSocket is.
    #[must_use]
    pub const fn operations_addr(&self) -> Option<SocketAddr> {
        self.operations_addr
    }

    /// Where gRPC is served.
    #[must_use]
    pub const fn grpc_addr(&self) -> SocketAddr {
        self.grpc_addr
    }

    /// Serves until `shutdown` resolves, then drains.
    ///
    /// # Errors
    /// A listener broke.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Self { state, subscriber, http, operations, grpc, settings, .. } = self;
        start_workers(&state, &subscriber, settings.common.redis_namespace.clone());

        let http_handle = http.handle();
        let mut http = state.tasks.spawn(http);
        let operations_handle = operations.as_ref().map(Server::handle);
        let mut operations = operations.map(|server| state.tasks.spawn(server));
        let grpc_stop = tokio_util::sync::CancellationToken::new();
        let stopped = grpc_stop.clone().cancelled_owned();
        let service = grpc::Service { delivery: state.delivery.clone(), presence: Arc::clone(&state.presence) };
        let (health, health_service) = tonic_health::server::health_reporter();
        health.set_serving::<NotificationServiceServer<grpc::Service>>().await;
        let grpc = server::builder(&settings.common.grpc)?
            .add_service(health_service)
            .add_service(NotificationServiceServer::new(service))
            .serve_with_incoming_shutdown(grpc.incoming(), stopped);
        let mut grpc = state.tasks.spawn(grpc);
        let operations_addr = self.operations_addr.map(tracing::field::display);
        tracing::info!(http.addr = %self.http_addr, operations.addr = operations_addr, grpc.addr = %self.grpc_addr,
            "listening");

        let ended = tokio::select! {
            () = shutdown => Ok(()),
            result = &mut http => lifecycle::outcome(result).context("HTTP"),
            result = &mut grpc => lifecycle::outcome(result).context("gRPC"),
            result = lifecycle::end_of(&mut operations) => lifecycle::outcome(result).context("the operations server"),
        };

        health.set_not_serving::<NotificationServiceServer<grpc::Service>>().await;
        close_sockets(&state).await;
        http_handle.stop(true).await;
        grpc_stop.cancel();
        state.presence.withdraw().await;
        // Last, so that the drain can be watched.
        if let Some(operations) = operations_handle {
            operations.stop(true).await;
        }
        state.tasks.finish(TASKS_LIMIT).await;
        for client in [&state.redis, &subscriber] {
            if let Err(error) = client.quit().await {
                tracing::debug!(error.cause = %error, "redis: quit");
            }
        }
        tracing::info!("ended");
        ended
    }
}

fn start_workers(state: &Data<State>, subscriber: &Client, namespace: Namespace) {
    let tasks = &state.tasks;
    state.metrics.keep_up(tasks);
    state.resync.start(tasks);
    // Listened to before the subscriber connects, so that nothing is missed.
    let messages = subscriber.message_rx();
    let Delivery { instance, deployments, chat_service, publisher, .. } = state.delivery.clone();
    let (hub, resync) = (Arc::clone(&state.hub), Arc::clone(&state.resync));
    let inbox = Inbox { instance, namespace, deployments: Arc::clone(&deployments), hub, resync };
    tasks.spawn_until_stopped(async move { inbox.receive(messages).await });
    let subscriptions = Arc::clone(&state.subscriptions);
    tasks.spawn_until_stopped(async move { subscriptions.run().await });
    let subscriptions = Arc::clone(&state.subscriptions);
    tasks.spawn_until_stopped(async move {
        deployments.run(instance, chat_service, publisher, &subscriptions).await;
    });
    state.presence.start(tasks);
    let delivery = state.delivery.clone();
    tasks.spawn_until_stopped(async move { delivery.tell_typing().await });
}

fn serve_http(listener: TcpListener, settings: &Settings, state: Data<State>) -> std::io::Result<Server> {
    let environment = settings.common.environment;
    let trusted_proxies = Data::new(settings.trusted_proxies.clone());
    let has_operations = settings.operations.is_none();
    let bounds = Bounds::default();
    let bounds = Bounds {
        disconnect: DISCONNECT_TIMEOUT,
        // A socket is written to at each ping.
        silence: bounds.silence + settings.socket.heartbeat,
        drain: CLOSE_LIMIT,
        // One worker may have all of them.
        connections_per_worker: settings.socket.max_connections + OTHER_CONNECTIONS,
        ..bounds
    };
    edge::server::server(listener, bounds, move || {
        ActixApp::new()
            .app_data(state.clone())
            .app_data(trusted_proxies.clone())
            .app_data(edge::query_config())
            .wrap(from_fn(edge::refuse_encoded_bodies))
            .wrap(from_fn(edge::answer_head_and_options))
            .wrap(from_fn(edge::edge))
            .wrap(edge::security_headers(environment))
            .configure(http::websocket)
            .configure(|config| {
                if has_operations {
                    http::operations(config);
                }
            })
    })
}

/// Serves the operations endpoints alone.
fn serve_operations(listener: TcpListener, settings: &Settings, state: Data<State>) -> std::io::Result<Server> {
    let environment = settings.common.environment;
    edge::server::server(listener, Bounds::of_operations(), move || {
        ActixApp::new()
            .app_data(state.clone())
            .wrap(from_fn(edge::refuse_encoded_bodies))
            .wrap(from_fn(edge::answer_head_and_options))
            .wrap(from_fn(edge::edge))
            .wrap(edge::security_headers(environment))
            .configure(http::operations)
    })
}

/// Ends all connections: each finishes what it does, and is told to come back at a time of its own.
async fn close_sockets(state: &State) {
    state.readiness.drain();
    state.places.close();
    let window = (state.places.taken() as u64 * 1000 / RECONNECTS_PER_SECOND).max(1000);
    for socket in state.hub.sockets() {
        let after_ms = RECONNECT_DELAY_MS + fastrand::u64(0..window);
        socket.outbox.close(CloseReason::Restart { after_ms });
    }
    if tokio::time::timeout(CLOSE_LIMIT, state.places.until_all_free()).await.is_err() {
        tracing::warn!(sockets = state.places.taken(), "sockets did not close in time");
    }
}
