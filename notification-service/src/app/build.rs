//! Binds the ports, creates the clients, and connects the parts of the service.

use std::{net::TcpListener, sync::Arc};

use actix_web::web::Data;
use anyhow::Context as _;
use fred::prelude::Client;
use neonchat_common::{
    grpc::{client::GrpcClient, server},
    http as edge,
    ids::InstanceId,
    redis::{self, monitor::Monitor},
    tasks::Tasks,
    telemetry::Metrics,
    token::Tokens,
};
use tokio::sync::Semaphore;

use super::{
    App,
    http_servers::{serve_http, serve_operations},
};
use crate::{
    bus::{Publisher, Subscriptions},
    chat_service::ChatService,
    config::Settings,
    connection::handshake::{MAX_CONCURRENT_HANDSHAKES, MAX_REFUSED_HANDSHAKES},
    connection_slots::ConnectionSlots,
    delivery::Delivery,
    deployment::Deployments,
    drafts::Drafts,
    fresh_heads::FreshHeads,
    hub::Hub,
    limits::Limits,
    metrics::start_counters,
    presence::{Dependencies, Presence},
    readiness::Readiness,
    receipts::Receipts,
    request_queue::RequestQueue,
    resync::Resync,
    state::AppState,
};

impl App {
    /// Binds the ports and creates the clients. No dependency has to be available yet.
    ///
    /// # Errors
    /// Fails if a port is in use or an address is malformed.
    pub async fn build(settings: Settings) -> anyhow::Result<Self> {
        let common = &settings.common;
        let metrics = Metrics::install()?;
        start_counters();
        let grpc = GrpcClient::new(&settings.chat_service, &common.grpc).context("CHAT_SERVICE_ADDR")?;
        let commands = redis::client(&common.redis_url).context("REDIS_URL")?;
        let subscriber = redis::client(&common.redis_url).context("REDIS_URL")?;
        // Without a connection to Redis, the first sockets could not publish their presence.
        redis::wait_for_connections(&[&commands, &subscriber]).await;
        let state = Data::new(new_state(&settings, ChatService::new(grpc), commands, &subscriber, metrics));

        let listener =
            edge::server::bind(&settings.host, settings.common.websocket_port, "NOTIFICATION_WS_PORT").await?;
        let http_addr = listener.local_addr()?;
        let http = serve_http(listener, &settings, state.clone())?;
        let address = settings.operations.as_ref();
        let listener = edge::server::bind_operations(address, "NOTIFICATION_METRICS_PORT").await?;
        let operations_addr = listener.as_ref().map(TcpListener::local_addr).transpose()?;
        let operations = listener.map(|listener| serve_operations(listener, &settings, state.clone())).transpose()?;
        let (grpc, grpc_addr) = server::bind(&settings.grpc_host, settings.grpc_port, "NOTIFICATION_GRPC_PORT").await?;
        Ok(Self { state, subscriber, http, http_addr, operations, operations_addr, grpc, grpc_addr, settings })
    }
}

/// Connects the parts of the service.
fn new_state(
    settings: &Settings,
    chat_service: ChatService,
    commands: Client,
    subscriber: &Client,
    metrics: Metrics,
) -> AppState {
    let common = &settings.common;
    let (tasks, instance) = (Tasks::new(), InstanceId::new());
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
        Monitor::start(subscriber, "subscriber", None, &tasks),
    ];
    let readiness = Arc::new(Readiness::new(Arc::clone(&deployments), chat_service.clone()));
    let receipts = Receipts::new(Arc::clone(&hub), chat_service.clone(), delivery.clone(), tasks.clone());
    let drafts = Drafts { chat_service: chat_service.clone(), delivery: delivery.clone() };
    AppState {
        tokens: Tokens::new(&common.jwt_secret, common.jwt_lifetime),
        client_origins: common.client_origins(),
        settings: settings.socket,
        requests: RequestQueue::start(&hub, &chat_service, &delivery, &tasks),
        fresh_heads: FreshHeads::start(&chat_service, &tasks),
        instance,
        hub,
        chat_service,
        deployments,
        subscriptions,
        resync,
        publisher,
        delivery,
        receipts: Arc::new(receipts),
        drafts,
        presence,
        redis: commands,
        redis_monitors,
        metrics,
        tasks,
        readiness,
        handshakes: Semaphore::new(MAX_CONCURRENT_HANDSHAKES),
        refused_handshakes: Arc::new(Semaphore::new(MAX_REFUSED_HANDSHAKES)),
        limits: Limits::new(settings.socket),
        slots: ConnectionSlots::new(settings.socket),
    }
}
