//! A chat-service in the process of the test, and clients of its ports.

mod problem;

use std::{net::SocketAddr, time::Duration};

use chat_service::{app::App, config::Settings, db::Connector, migrate::migrate};
use fred::{
    clients::SubscriberClient,
    interfaces::{ClientLike as _, EventInterface as _, PubsubInterface as _},
    prelude::{Builder, Config},
};
use neonchat_common::{bus::Channel, error::ApiError};
use neonchat_proto::chat::v1::{
    StoreMessageResult, StoreMessagesRequest, ValidateAndStoreMessageRequest, ValidateAndStoreMessageResponse,
    chat_service_client::ChatServiceClient,
};
use neonchat_testbed::{
    client::{Answer, Api, User},
    harness::{self, until},
    redis::{Persistence, Redis},
};
use serde_json::Value;
use tokio::{
    sync::{broadcast, oneshot},
    task::JoinHandle,
};
use tokio_postgres::NoTls;
use tonic::{
    Request,
    metadata::{Ascii, MetadataValue},
    transport::Channel as Transport,
};
use uuid::Uuid;

pub(crate) use self::problem::{Fields, assert_problem};

/// The default internal token.
const INTERNAL_TOKEN: &str = "internal-token-for-development";

/// An address on which nothing listens.
const NOWHERE: &str = "127.0.0.1:1";

/// The timeout of a test's waits.
const WAIT_TIMEOUT: Duration = Duration::from_secs(15);

/// A running chat-service. It ends with the test.
pub(crate) struct TestApp {
    /// The client of REST.
    pub(crate) api: Api,
    /// The URL of REST, for requests that `api` cannot make.
    pub(crate) base: String,
    /// The URL of the operations endpoints, if they have their own port.
    pub(crate) operations: Option<String>,
    /// The client of gRPC.
    pub(crate) grpc: Grpc,
    /// The address of gRPC.
    pub(crate) grpc_addr: SocketAddr,
    /// The URL of the database.
    pub(crate) database: String,
    stop: oneshot::Sender<()>,
    running: JoinHandle<anyhow::Result<()>>,
}

impl TestApp {
    /// Starts a service with its own database, and waits until it is ready.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Does the same as [`TestApp::start`] with other settings.
    pub(crate) async fn start_with(settings: &[(&str, &str)]) -> Self {
        let database = Self::database().await;
        let app = Self::launch(&database, settings).await;
        app.api.until_ready().await.expect("become ready");
        app
    }

    /// Does the same as [`TestApp::start_with`], but hashes one password at a time on any number of cores.
    pub(crate) async fn start_with_one_hash_at_a_time(settings: &[(&str, &str)]) -> Self {
        let database = Self::database().await;
        let settings = Settings { hash_permits: 1, ..Self::settings(&database, settings) };
        let app = Self::launch_as(&database, settings).await;
        app.api.until_ready().await.expect("become ready");
        app
    }

    /// Starts a service without waiting until it is ready.
    pub(crate) async fn launch(database: &str, settings: &[(&str, &str)]) -> Self {
        Self::launch_as(database, Self::settings(database, settings)).await
    }

    /// Creates a database with the tables of this version.
    async fn database() -> String {
        let migrate =
            async |database: &str| migrate(&Connector::new(&Self::settings(database, &[]).database.connection)?).await;
        harness::migrated_database(migrate).await
    }

    fn settings(database: &str, settings: &[(&str, &str)]) -> Settings {
        let redis = harness::redis_url();
        let defaults = [
            ("CHAT_SERVICE_HOST", "127.0.0.1"),
            ("CHAT_SERVICE_PORT", "0"),
            ("CHAT_GRPC_PORT", "0"),
            ("DATABASE_URL", database),
            ("DB_MAX_CONNS", "8"),
            ("REDIS_URL", &redis),
            ("NOTIFICATION_SERVICE_ADDR", NOWHERE),
            ("BCRYPT_COST", "4"),
            // All tests share one address.
            ("RATE_LIMIT_PER_MINUTE", "0"),
        ];
        Settings::from_values(defaults.into_iter().chain(settings.iter().copied())).expect("read settings")
    }

    async fn launch_as(database: &str, settings: Settings) -> Self {
        let app = App::build(settings).await.expect("build app");
        let base = format!("http://{}", app.http_addr().expect("get address"));
        let operations = app.operations_addr().expect("get address").map(|address| format!("http://{address}"));
        let grpc_addr = app.grpc_addr();
        let grpc = Grpc::new(&grpc_addr.to_string(), INTERNAL_TOKEN);
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(app.run(async {
            // A test that ends without stopping its app drops the sender.
            let _ = stopped.await;
        }));
        Self { api: Api::new(&base), base, operations, grpc, grpc_addr, database: database.to_owned(), stop, running }
    }

    /// Waits until the service has connected to Redis, which `/ready` does not check.
    pub(crate) async fn until_redis(&self) {
        let health = async || self.api.call("GET", "/health", None, None).await.expect("call API").body;
        until("Redis is connected", async || health().await["redis"] == "healthy").await;
    }

    /// Starts the drain. The returned handle resolves when it is finished.
    pub(crate) fn stop(self) -> JoinHandle<anyhow::Result<()>> {
        self.stop.send(()).expect("stop app");
        self.running
    }

    /// Creates two users and their chat.
    pub(crate) async fn pair(&self) -> (User, User, String) {
        let (a, b) = (self.user().await, self.user().await);
        let chat = self.api.chat(&a, &b).await.expect("open chat");
        (a, b, chat)
    }

    /// Registers a user with a random name.
    pub(crate) async fn user(&self) -> User {
        self.api.any_user().await.expect("register user")
    }

    /// Sends a `GET` request as a user.
    pub(crate) async fn get(&self, path: &str, user: &User) -> Answer {
        self.api.get(path, user).await.expect("get answer")
    }

    /// Sends a `POST` request as a user.
    pub(crate) async fn post(&self, path: &str, user: &User, body: &Value) -> Answer {
        self.api.post(path, user, body).await.expect("get answer")
    }

    /// Sends a `PUT` request as a user.
    pub(crate) async fn put(&self, path: &str, user: &User, body: &Value) -> Answer {
        self.api.call("PUT", path, Some(&user.token), Some(body)).await.expect("call API")
    }

    /// Returns a client of the gRPC port.
    pub(crate) fn chat_service(&self) -> ChatServiceClient<Transport> {
        ChatServiceClient::new(self.grpc.channel())
    }

    /// Sends a message with a new `request_id`.
    pub(crate) async fn send(&self, chat: &str, sender: &User, text: &str) -> ValidateAndStoreMessageResponse {
        self.send_again(chat, sender, text, Uuid::new_v4()).await.expect("send message")
    }

    /// Sends a message with this `request_id`.
    pub(crate) async fn send_again(
        &self,
        chat: &str,
        sender: &User,
        text: &str,
        request: Uuid,
    ) -> Result<ValidateAndStoreMessageResponse, ApiError> {
        self.send_with(chat, sender, text, request, "").await
    }

    /// Sends a message with what a client gives beside the text.
    pub(crate) async fn send_with(
        &self,
        chat: &str,
        sender: &User,
        text: &str,
        request: Uuid,
        extra_json: &str,
    ) -> Result<ValidateAndStoreMessageResponse, ApiError> {
        let message = ValidateAndStoreMessageRequest {
            chat_id: chat.to_owned(),
            sender_id: sender.id.clone(),
            text: text.to_owned(),
            request_id: request.to_string(),
            traceparent: None,
            extra_json: extra_json.to_owned(),
        };
        Ok(self.chat_service().validate_and_store_message(self.grpc.request(message)).await?.into_inner())
    }

    /// Sends messages in one call.
    pub(crate) async fn store_messages(
        &self,
        messages: Vec<ValidateAndStoreMessageRequest>,
    ) -> Result<Vec<StoreMessageResult>, ApiError> {
        let request = self.grpc.request(StoreMessagesRequest { messages });
        Ok(self.chat_service().store_messages(request).await?.into_inner().results)
    }

    /// Connects to the database of the service.
    pub(crate) async fn sql(&self) -> tokio_postgres::Client {
        sql(&self.database).await
    }
}

/// Connects to a database.
pub(crate) async fn sql(database: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(database, NoTls).await.expect("connect to Postgres");
    tokio::spawn(connection);
    client
}

/// A gRPC client with a token. Unlike `GrpcClient`, it never repeats a call.
#[derive(Clone)]
pub(crate) struct Grpc {
    channel: Transport,
    token: MetadataValue<Ascii>,
}

impl Grpc {
    pub(crate) fn new(address: &str, token: &str) -> Self {
        let channel = Transport::from_shared(format!("http://{address}")).expect("parse address").connect_lazy();
        Self { channel, token: token.parse().expect("parse token") }
    }

    pub(crate) fn channel(&self) -> Transport {
        self.channel.clone()
    }

    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(Duration::from_secs(10));
        request.metadata_mut().insert("x-internal-token", self.token.clone());
        request
    }
}

/// The publications on some channels.
pub(crate) struct Listener {
    messages: broadcast::Receiver<fred::types::Message>,
    _client: SubscriberClient,
}

impl Listener {
    /// Subscribes to channels.
    pub(crate) async fn on(channels: impl IntoIterator<Item = Channel>) -> Self {
        let config = Config::from_url(&harness::redis_url()).expect("parse URL");
        let client = Builder::from_config(config).build_subscriber_client().expect("build client");
        client.init().await.expect("connect to Redis");
        let messages = client.message_rx();
        for channel in channels {
            client.subscribe(channel.to_string()).await.expect("subscribe");
        }
        Self { messages, _client: client }
    }

    /// Returns the channel and the text of the next publication, an [`Envelope`](neonchat_common::bus::Envelope).
    pub(crate) async fn next(&mut self) -> (Channel, String) {
        let next = tokio::time::timeout(WAIT_TIMEOUT, self.messages.recv());
        let message = next.await.expect("receive publication in time").expect("receive publication");
        let channel = Channel::parse(&message.channel).expect("known channel");
        (channel, message.value.convert().expect("read text"))
    }
}

/// Starts a Redis for one test, in its own folder.
pub(crate) async fn own_redis() -> (Redis, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("create folder");
    let redis = Redis::start(folder.path(), None, Persistence::None).await.expect("start Redis");
    (redis, folder)
}

/// Creates a folder that Postgres can enter, which may run as another user.
pub(crate) fn folder() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("create folder");
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("set permissions");
    folder
}
