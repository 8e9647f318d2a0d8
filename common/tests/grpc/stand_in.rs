//! Stand-ins for another service, and for an unavailable one.

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

/// The internal token in tests.
pub(crate) const TOKEN: &str = "a-token";

/// An address without a listener.
pub(crate) const UNUSED_ADDRESS: &str = "127.0.0.1:1";

/// A server to which services can be added.
pub(crate) type Builder = Server<Stack<AuthLayer, Identity>>;

/// The answer to a call.
pub(crate) type Answer = Result<(), Status>;

/// A notification-service that answers only `GetUsersStatus`, with a given function.
pub(crate) struct StandIn {
    /// The address of the server.
    pub(crate) address: SocketAddr,
    calls: Arc<Mutex<Vec<MetadataMap>>>,
    callers: Arc<Mutex<HashSet<SocketAddr>>>,
    stop: CancellationToken,
    running: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl StandIn {
    /// Starts a server that answers each call by its number, from 0.
    pub(crate) async fn start<A: Future<Output = Answer> + Send>(
        answer: impl Fn(usize) -> A + Send + Sync + 'static,
    ) -> Self {
        Self::start_at("127.0.0.1:0".parse().expect("read address"), answer).await
    }

    /// Like [`StandIn::start`], with the address of an earlier server.
    pub(crate) async fn start_at<A: Future<Output = Answer> + Send>(
        address: SocketAddr,
        answer: impl Fn(usize) -> A + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(&settings(), address, answer).await
    }

    /// Like [`StandIn::start_at`], with other settings.
    pub(crate) async fn start_with<A: Future<Output = Answer> + Send>(
        settings: &GrpcSettings,
        address: SocketAddr,
        answer: impl Fn(usize) -> A + Send + Sync + 'static,
    ) -> Self {
        Self::start_from(server::builder(settings).expect("build server"), address, answer).await
    }

    /// Like [`StandIn::start`], with a maximum age of connections.
    pub(crate) async fn start_aging<A: Future<Output = Answer> + Send>(
        age: Duration,
        answer: impl Fn(usize) -> A + Send + Sync + 'static,
    ) -> Self {
        let builder = server::builder(&settings()).expect("build server").max_connection_age(age);
        Self::start_from(builder, "127.0.0.1:0".parse().expect("read address"), answer).await
    }

    async fn start_from<A: Future<Output = Answer> + Send>(
        builder: Builder,
        address: SocketAddr,
        answer: impl Fn(usize) -> A + Send + Sync + 'static,
    ) -> Self {
        let (listener, address) =
            server::bind(&address.ip().to_string(), address.port(), "PORT").await.expect("bind port");
        Self::serve(builder, listener, address, answer).await
    }

    /// Like [`StandIn::start`], with limits of connections (see [`Listener::with_limits`]) and a changed builder.
    pub(crate) async fn start_limited(
        settings: &GrpcSettings,
        connections: usize,
        auth_timeout: Duration,
        change: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let (listener, address) = server::bind("127.0.0.1", 0, "PORT").await.expect("bind port");
        let builder = change(server::builder(settings).expect("build server"));
        Self::serve(builder, listener.with_limits(connections, auth_timeout), address, async |_| Ok(())).await
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
                calls.lock().expect("lock is not poisoned").push(request.metadata().clone());
                callers.lock().expect("lock is not poisoned").extend(caller_of(&request).map(Caller::addr));
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

    /// Returns the number of connections with a call.
    pub(crate) fn connections(&self) -> usize {
        self.callers.lock().expect("lock is not poisoned").len()
    }

    /// Returns the number of calls.
    pub(crate) fn calls(&self) -> usize {
        self.calls.lock().expect("lock is not poisoned").len()
    }

    /// Returns the metadata of each call.
    pub(crate) fn metadata(&self) -> Vec<MetadataMap> {
        self.calls.lock().expect("lock is not poisoned").clone()
    }

    /// Stops the server and its connections.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.running.await.expect("lock is not poisoned").expect("server stops without error");
    }
}

fn caller_of<T>(request: &Request<T>) -> Option<&Caller> {
    let extensions = request.extensions();
    let over_tls = || extensions.get::<TlsConnectInfo<Caller>>().map(TlsConnectInfo::get_ref);
    extensions.get().or_else(over_tls)
}

/// Returns a listener that does not accept. The system connects, but there is never an answer, as with a hanging process.
pub(crate) async fn black_hole() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind port");
    let address = listener.local_addr().expect("read address");
    (listener, address)
}

/// Returns the settings for tests.
pub(crate) fn settings() -> GrpcSettings {
    GrpcSettings { internal_token: TOKEN.into(), timeout: Duration::from_secs(10), attempts: 3, tls: None }
}

/// Returns a client for these addresses.
pub(crate) fn client(addresses: &[impl ToString]) -> GrpcClient {
    client_with(addresses, &settings())
}

/// Returns a client for these addresses, with these settings.
pub(crate) fn client_with(addresses: &[impl ToString], settings: &GrpcSettings) -> GrpcClient {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    GrpcClient::new(&addresses, settings).expect("create client")
}

/// Makes a call.
pub(crate) async fn call(client: &GrpcClient, timeout: Duration) -> Answer {
    client.call(timeout, GetUsersStatusRequest::default()).await.map(drop)
}
