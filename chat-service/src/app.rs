//! Builds, runs and drains the process.

use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use actix_web::{App as HttpApp, dev::Server, middleware::from_fn};
use anyhow::Context as _;
use fred::{clients::Client, interfaces::ClientLike as _};
use neonchat_common::{
    deployment::OwnDeployment,
    grpc::{self, client::GrpcClient, listener::Listener},
    http::{
        answer_head_and_options, base_middleware, refuse_encoded_bodies, security_headers,
        server::{self, ServerLimits},
    },
    lifecycle,
    redis::{self, monitor::Monitor},
    settings::{Environment, GrpcSettings},
    tasks::Tasks,
    telemetry::Metrics,
    token::Tokens,
};
use tokio_util::sync::CancellationToken;

use crate::{
    changes::service::Changes,
    chats::service::Chats,
    client_config::WebSocketUrl,
    config::Settings,
    db::{Connector, Db, Replica},
    groups::{self, cleanup::CleanupSignal, service::Groups},
    grpc::Api,
    health::Health,
    http::cors,
    limits::{limiter::Limiter, logins::LoginLimit},
    messages::{expiry, service::Messages},
    metrics::start_counters,
    notifier::Notifier,
    pins::service::PinService,
    prefs::service::Prefs,
    reactions::service::ReactionService,
    readiness::{Readiness, ReadinessState},
    request_limit::RequestLimit,
    router::{operations_routes, routes},
    scheduled::service::Scheduled,
    services::Services,
    sessions::{cookie::PublicHttps, service::Sessions},
    timeline::service::Timeline,
    users::{password::Hasher, service::Users},
    web::Web,
};

/// The timeout for background tasks at the end of the drain, when no request is under way.
const TASKS_DRAIN: Duration = Duration::from_secs(3);

/// A chat-service that is bound to its ports but does not serve yet.
pub struct App {
    http: TcpListener,
    operations: Option<TcpListener>,
    grpc: Listener,
    grpc_addr: SocketAddr,
    grpc_settings: GrpcSettings,
    environment: Environment,
    services: Services,
    redis: Client,
    tasks: Tasks,
}

impl App {
    /// Binds the ports and creates the clients. They connect to the dependencies in the background, so the order in
    /// which processes start does not matter.
    ///
    /// # Errors
    /// A port is taken, or a setting is invalid.
    pub async fn build(settings: Settings) -> anyhow::Result<Self> {
        let Settings { common, database, .. } = settings;
        let http = server::bind(&settings.host, common.chat_port, "CHAT_SERVICE_PORT").await?;
        let operations = server::bind_operations(settings.operations.as_ref(), "CHAT_METRICS_PORT").await?;
        let (grpc, grpc_addr) = grpc::server::bind(&settings.grpc_host, settings.grpc_port, "CHAT_GRPC_PORT").await?;

        let tasks = Tasks::new();
        let metrics = Metrics::install()?;
        metrics.keep_up(&tasks);
        start_counters(database.replica.is_some());
        let connector = Connector::new(&database.connection)?;
        let db = Db::new(connector.clone(), &database)?;
        let replica = match &database.replica {
            Some(replica) => Some(Replica::new(Connector::new(replica)?, &database)?),
            None => None,
        };
        let redis = redis::client(&common.redis_url).context("REDIS_URL")?;
        let notification_service =
            GrpcClient::new(&settings.notification_addresses, &common.grpc).context("NOTIFICATION_SERVICE_ADDR")?;
        let (namespace, deployment) = (common.redis_namespace, OwnDeployment::default());
        let monitor = Monitor::start(&redis, "commands", Some(namespace.name("probe")), &tasks);
        let notifier = Notifier::new(notification_service, redis.clone(), namespace.clone(), deployment.clone())
            .monitored_by(monitor);
        let tokens = Tokens::new(&common.jwt_secret, common.jwt_lifetime);
        let readiness = Readiness::watch(&tasks, connector, deployment.clone());
        let limiter = Limiter::new(redis.clone(), namespace);
        let limits = settings.limits;
        let login_limit = LoginLimit::new(limiter.clone(), limits.failures_per_name, limits.failures_per_address);
        let messages =
            Messages::new(db.clone(), notifier.clone(), settings.messages, tasks.clone()).with_replica(replica);
        let scheduled = Scheduled::start(&db, &messages, &notifier, &tasks, settings.messages.schedule_min);
        expiry::start(&tasks, db.clone());
        let timeline = Timeline::new(db.clone());
        let events = settings.messages.events;
        let chats = Chats::new(db.clone(), notifier.clone(), tasks.clone(), settings.max_chats);
        groups::purge::start(&tasks, db.clone());
        let changes = Changes::new(messages.clone(), timeline.clone(), notifier.clone(), tasks.clone(), events);
        let cleanups = CleanupSignal::default();
        if events {
            groups::cleanup::start(&tasks, db.clone(), changes.clone(), cleanups.clone());
        }
        let reactions = ReactionService::new(
            db.clone(),
            (messages.clone(), timeline.clone()),
            notifier.clone(),
            (limiter.clone(), limits.reactions_per_second),
            tasks.clone(),
            events,
        );
        let dependencies = (db.clone(), notifier.clone(), tasks.clone());
        let sessions = Sessions::start(dependencies, tokens, settings.sessions, &limiter, limits);
        let services = Services {
            web: Web::of(settings.web_client),
            public_https: PublicHttps(common.public_url.starts_with("https:")),
            websocket_url: WebSocketUrl { public: settings.websocket_url, port: common.websocket_port },
            sessions: sessions.clone(),
            users: Users::new(
                db.clone(),
                Hasher::new(settings.bcrypt_cost, settings.hash_permits),
                sessions,
                login_limit,
                notifier.clone(),
                tasks.clone(),
            ),
            groups: Groups {
                db: db.clone(),
                chats: chats.clone(),
                timeline: timeline.clone(),
                notifier: notifier.clone(),
                tasks: tasks.clone(),
                limits: settings.groups,
                enabled: events,
                limiter: limiter.clone(),
                cleanups,
                public_url: common.public_url.clone(),
                timer_min_s: settings.messages.timer_min_s,
            },
            prefs: Prefs { db: db.clone(), chats: chats.clone(), notifier: notifier.clone(), tasks: tasks.clone() },
            pins: PinService {
                db: db.clone(),
                timeline: timeline.clone(),
                notifier: notifier.clone(),
                tasks: tasks.clone(),
                is_enabled: events,
            },
            reactions,
            chats,
            changes,
            messages,
            scheduled,
            timeline,
            db: db.clone(),
            deployment,
            health: Health { db, notifier, readiness, metrics },
            request_limit: RequestLimit::new(limiter, limits.requests_per_minute, limits.auth_per_minute),
            trusted_proxies: settings.trusted_proxies,
            allowed_origins: common.allowed_origins,
        };
        let (grpc_settings, environment) = (common.grpc, common.environment);
        Ok(Self { http, operations, grpc, grpc_addr, grpc_settings, environment, services, redis, tasks })
    }

    /// Returns the address of REST.
    ///
    /// # Errors
    /// The operating system does not report it.
    pub fn http_addr(&self) -> std::io::Result<SocketAddr> {
        self.http.local_addr()
    }

    /// Returns the address of the operations endpoints, if it is not that of REST.
    ///
    /// # Errors
    /// The operating system does not report it.
    pub fn operations_addr(&self) -> std::io::Result<Option<SocketAddr>> {
        self.operations.as_ref().map(TcpListener::local_addr).transpose()
    }

    /// Returns the address of gRPC.
    #[must_use]
    pub const fn grpc_addr(&self) -> SocketAddr {
        self.grpc_addr
    }

    /// Serves until `shutdown` resolves, and then drains.
    ///
    /// # Errors
    /// A server failed.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Self { http, operations, grpc, grpc_settings, environment, services, redis, tasks, .. } = self;
        let Health { db, readiness, .. } = services.health.clone();
        let grpc_health =
            grpc::health::service(&tasks, &[""], readiness.subscribe(), |state| *state == ReadinessState::Ready).await;
        let stop_grpc = CancellationToken::new();
        let mut grpc = tasks.spawn(
            grpc::server::builder(&grpc_settings)?
                .add_service(grpc_health)
                .add_service(Api::server(&services))
                .serve_with_incoming_shutdown(grpc.incoming(), stop_grpc.clone().cancelled_owned()),
        );
        let has_operations = operations.is_none();
        let operations = operations.map(|listener| serve_operations(listener, environment, services.clone()));
        let operations = operations.transpose()?;
        let operations_handle = operations.as_ref().map(Server::handle);
        let mut operations = operations.map(|server| tasks.spawn(server));
        let http = serve_http(http, environment, services, has_operations)?;
        let http_handle = http.handle();
        let mut http = tasks.spawn(http);

        let ended = tokio::select! {
            () = shutdown => Ok(()),
            result = &mut http => lifecycle::flatten(result).context("the HTTP server"),
            result = &mut grpc => lifecycle::flatten(result).context("the gRPC server"),
            result = lifecycle::join_optional(&mut operations) => lifecycle::flatten(result).context("the operations server"),
        };
        readiness.drain();
        stop_grpc.cancel();
        http_handle.stop(true).await;
        // Last, so that the drain can be observed.
        if let Some(operations) = operations_handle {
            operations.stop(true).await;
        }
        tasks.finish(TASKS_DRAIN).await;
        let _ = redis.quit().await;
        db.close();
        tracing::info!("drained");
        ended
    }
}

/// Serves REST, and the operations endpoints if `has_operations`.
fn serve_http(
    listener: TcpListener,
    environment: Environment,
    services: Services,
    has_operations: bool,
) -> std::io::Result<Server> {
    server::server(listener, ServerLimits::default(), move || {
        let app = HttpApp::new().configure(|config| routes(config, &services, has_operations));
        // The last middleware is the outermost one.
        let app = app.wrap(from_fn(refuse_encoded_bodies)).wrap(from_fn(answer_head_and_options));
        app.wrap(from_fn(cors)).wrap(from_fn(base_middleware)).wrap(security_headers(environment))
    })
}

/// Serves only the operations endpoints.
fn serve_operations(listener: TcpListener, environment: Environment, services: Services) -> std::io::Result<Server> {
    server::server(listener, ServerLimits::for_operations(), move || {
        let app = HttpApp::new().configure(|config| operations_routes(config, &services));
        let app = app.wrap(from_fn(refuse_encoded_bodies)).wrap(from_fn(answer_head_and_options));
        app.wrap(from_fn(base_middleware)).wrap(security_headers(environment))
    })
}
