//! What stands in for another service, and what is in its place when it is away.

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use neonchat_common::{
    grpc::{
        client::GrpcClient,
        listener::{Caller, Listener},
        server::{self, AuthLayer},
    },
    settings::GrpcSettings,
};
use neonchat_proto::notification::v1::{
    GetUsersStatusRequest, GetUsersStatusResponse, notification_service_server::NotificationServiceServer,
};
use neonchat_testbed::stand_in::NotificationStandIn;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Status,
    metadata::MetadataMap,
    transport::{Server, server::TlsConnectInfo},
};
use tower::layer::util::{Identity, Stack};

/// The secret that the services of a test share.
pub(crate) const TOKEN: &str = "a-token";

/// Where nobody listens.
pub(crate) const NOWHERE: &str = "127.0.0.1:1";

/// A server to which services can be added.
pub(crate) type Builder = Server<Stack<AuthLayer, Identity>>;

/// What a call is answered.
pub(crate) type Answer = Result<(), Status>;

/// A notification-service that answers `GetUsersStatus` as it is told to, and nothing else.
pub(crate) struct StandIn {
    /// Where it is.
    pub(crate) address: SocketAddr,
    calls: Arc<Mutex<Vec<MetadataMap>>>,
    callers: Arc<Mutex<HashSet<SocketAddr>>>,
    stop: CancellationToken,
    running: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl StandIn {
    /// One that answers each call by its number, from 0.
    pub(crate) async fn start<A: Future<Output = Answer> + Send>(
        answer: impl Fn(usize) -> A + Send + Sync + 'static,
    ) -> Self {
        Self::start_at("127.0.0.1:0".parse().expect("an address"), answer).await
    }

    /// As [`StandIn::start`], at a port that another one had.
    pub(crate) async fn start_at<A: Future<Output = Answer> + Send>(
        address: SocketAddr,
        answer: impl Fn(usize) -> A + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(&settings(), address, answer).await
    }

    /// As [`StandIn::start_at`], with other settings.
    pub(crate) async fn start_with<A: Future<Output = Answer> + Send>(
        settings: &GrpcSettings,
        address: SocketAddr,
        answer: impl Fn(usize) -> A + Send + Sync + 'static,
    ) -> Self {
        Self::start_from(server::builder(settings).expect("a server"), address, answer).await
    }

    /// As [`StandIn::start`], whose connections grow no older than this.
    pub(crate) async fn start_aging<A: Future<Output = Answer> + Send>(
        age: Duration,
        answer: impl Fn(usize) -> A + Send + Sync + 'static,
    ) -> Self {
        let builder = server::builder(&settings()).expect("a server").max_connection_age(age);
        Self::start_from(builder, "127.0.0.1:0".parse().expect("an address"), answer).await
    }

    async fn start_from<A: Future<Output = Answer> + Send>(
        builder: Builder,
        address: SocketAddr,
        answer: impl Fn(usize) -> A + Send + Sync + 'static,
    ) -> Self {
        let (listener, address) =
            server::bind(&address.ip().to_string(), address.port(), "PORT").await.expect("a port");
        Self::serve(builder, listener, address, answer).await
    }

    /// As [`StandIn::start`], with limits on its connections (see [`Listener::with_limits`]) and the builder's settings as
    /// they are changed.
    pub(crate) async fn start_limited(
        settings: &GrpcSettings,
        connections: usize,
        unknown: Duration,
        change: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let (listener, address) = server::bind("127.0.0.1", 0, "PORT").await.expect("a port");
        let builder = change(server::builder(settings).expect("a server"));
        Self::serve(builder, listener.with_limits(connections, unknown), address, async |_| Ok(())).await
    }

    async fn serve<A: Future<Output = Answer> + Send>(
        mut builder: Builder,
        listener: Listener,
        address: SocketAddr,
        answer: impl Fn(usize) -> A + Send + Sync + 'static,
    ) -> Self {
        let (stop, calls, callers) = (CancellationToken::new(), Arc::default(), Arc::default());
        let status = {
            let (calls, callers): (Arc<Mutex<Vec<_>>>, Arc<Mutex<HashSet<_>>>) =
                (Arc::clone(&calls), Arc::clone(&callers));
            let number = AtomicUsize::new(0);
            move |request: Request<GetUsersStatusRequest>| {
                calls.lock().expect("no panic").push(request.metadata().clone());
                callers.lock().expect("no panic").extend(caller_of(&request).map(Caller::addr));
                let answer = answer(number.fetch_add(1, Ordering::Relaxed));
                async { answer.await.map(|()| GetUsersStatusResponse::default()) }
            }
        };
        let (health, health_service) = tonic_health::server::health_reporter();
        health.set_service_status("", tonic_health::ServingStatus::Serving).await;
        let server = builder
            .add_service(health_service)
            .add_service(NotificationServiceServer::new(NotificationStandIn { status, delivered: None }))
            .serve_with_incoming_shutdown(listener.incoming(), stop.clone().cancelled_owned());
        Self { address, calls, callers, stop, running: tokio::spawn(server) }
    }

    /// By how many connections it was called.
    pub(crate) fn connections(&self) -> usize {
        self.callers.lock().expect("no panic").len()
    }

    /// How often it was called.
    pub(crate) fn calls(&self) -> usize {
        self.calls.lock().expect("no panic").len()
    }

    /// The metadata of each call.
    pub(crate) fn metadata(&self) -> Vec<MetadataMap> {
        self.calls.lock().expect("no panic").clone()
    }

    /// Ends it, with its connections.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.running.await.expect("no panic").expect("a clean end");
    }
}

fn caller_of<T>(request: &Request<T>) -> Option<&Caller> {
    let extensions = request.extensions();
    let over_tls = || extensions.get::<TlsConnectInfo<Caller>>().map(TlsConnectInfo::get_ref);
    extensions.get().or_else(over_tls)
}

/// A listener that nobody accepts from: the system connects, and nothing is ever answered. So is a process that hangs.
pub(crate) async fn black_hole() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

/// The settings of a test.
pub(crate) fn settings() -> GrpcSettings {
    GrpcSettings { internal_token: TOKEN.into(), timeout: Duration::from_secs(10), attempts: 3, tls: None }
}

/// The service at these addresses.
pub(crate) fn peer(addresses: &[impl ToString]) -> GrpcClient {
    peer_with(addresses, &settings())
}

/// The service at these addresses, called by these settings.
pub(crate) fn peer_with(addresses: &[impl ToString], settings: &GrpcSettings) -> GrpcClient {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    GrpcClient::new(&addresses, settings).expect("a peer")
}

/// Calls it.
pub(crate) async fn call(peer: &GrpcClient, within: Duration) -> Answer {
    peer.call(within, GetUsersStatusRequest::default()).await.map(drop)
}
