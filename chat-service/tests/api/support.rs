//! A chat-service inside the test's process, and clients of its ports.

use std::{fmt, net::SocketAddr, time::Duration};

use chat_service::{app::App, config::Settings};
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

/// The internal token where none is set.
const INTERNAL_TOKEN: &str = "internal-token-for-development";

/// Where nobody listens.
const NOWHERE: &str = "127.0.0.1:1";

/// The longest that a test waits for something.
const PATIENCE: Duration = Duration::from_secs(15);

/// A running chat-service. It ends with the test.
pub(crate) struct TestApp {
    /// Its REST port.
    pub(crate) api: Api,
    /// Its REST port, for what `api` cannot say.
    pub(crate) base: String,
    /// Its operations port, if it has one.
    pub(crate) operations: Option<String>,
    /// Its gRPC port.
    pub(crate) grpc: Grpc,
    /// Where that is.
    pub(crate) grpc_addr: SocketAddr,
    /// Its database.
    pub(crate) database: String,
    stop: oneshot::Sender<()>,
    running: JoinHandle<anyhow::Result<()>>,
}

impl TestApp {
    /// One with a database of its own, ready to work.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// As [`TestApp::start`], with other settings.
    pub(crate) async fn start_with(settings: &[(&str, &str)]) -> Self {
        let database = harness::test_database().await;
        let app = Self::launch(&database, settings).await;
        app.api.until_ready().await.expect("ready");
        app
    }

    /// As [`TestApp::start_with`]. Hashes one password at a time, on a machine of any number of cores.
    pub(crate) async fn start_with_one_hash_at_a_time(settings: &[(&str, &str)]) -> Self {
        let database = harness::test_database().await;
        let settings = Settings { hash_permits: 1, ..Self::settings(&database, settings) };
        let app = Self::launch_as(&database, settings).await;
        app.api.until_ready().await.expect("ready");
        app
    }

    /// One that has only just begun.
    pub(crate) async fn launch(database: &str, settings: &[(&str, &str)]) -> Self {
        Self::launch_as(database, Self::settings(database, settings)).await
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
            // All tests come from one address.
            ("RATE_LIMIT_PER_MINUTE", "0"),
        ];
        Settings::from_values(defaults.into_iter().chain(settings.iter().copied())).expect("settings")
    }

    async fn launch_as(database: &str, settings: Settings) -> Self {
        let app = App::build(settings).await.expect("an app");
        let base = format!("http://{}", app.http_addr().expect("an address"));
        let operations = app.operations_addr().expect("an address").map(|address| format!("http://{address}"));
        let grpc_addr = app.grpc_addr();
        let grpc = Grpc::new(&grpc_addr.to_string(), INTERNAL_TOKEN);
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(app.run(async {
            // A test that ends without stopping its app drops the sender.
            let _ = stopped.await;
        }));
        Self { api: Api::new(&base), base, operations, grpc, grpc_addr, database: database.to_owned(), stop, running }
    }

    /// Waits until it has reached Redis, of which `/ready` says nothing.
    pub(crate) async fn until_redis(&self) {
        let health = async || self.api.call("GET", "/health", None, None).await.expect("an answer").body;
        until("Redis is reached", async || health().await["redis"] == "healthy").await;
    }

    /// Begins to drain. What is returned resolves when that is done.
    pub(crate) fn stop(self) -> JoinHandle<anyhow::Result<()>> {
        self.stop.send(()).expect("it runs");
        self.running
    }

    /// Two users and the id of their chat.
    pub(crate) async fn pair(&self) -> (User, User, String) {
        let (a, b) = (self.user().await, self.user().await);
        let chat = self.api.chat(&a, &b).await.expect("a chat");
        (a, b, chat)
    }

    /// A new user.
    pub(crate) async fn user(&self) -> User {
        self.api.any_user().await.expect("a user")
    }

    /// `GET`, as a user.
    pub(crate) async fn get(&self, path: &str, user: &User) -> Answer {
        self.api.get(path, user).await.expect("an answer")
    }

    /// `POST`, as a user.
    pub(crate) async fn post(&self, path: &str, user: &User, body: &Value) -> Answer {
        self.api.post(path, user, body).await.expect("an answer")
    }

    /// `PUT`, as a user.
    pub(crate) async fn put(&self, path: &str, user: &User, body: &Value) -> Answer {
        self.api.call("PUT", path, Some(&user.token), Some(body)).await.expect("an answer")
    }

    /// A client of the gRPC port.
    pub(crate) fn chat_service(&self) -> ChatServiceClient<Transport> {
        ChatServiceClient::new(self.grpc.channel())
    }

    /// Sends a message under a new `request_id`.
    pub(crate) async fn send(&self, chat: &str, sender: &User, text: &str) -> ValidateAndStoreMessageResponse {
        self.send_again(chat, sender, text, Uuid::new_v4()).await.expect("a message")
    }

    /// Sends a message under a `request_id`.
    pub(crate) async fn send_again(
        &self,
        chat: &str,
        sender: &User,
        text: &str,
        request: Uuid,
    ) -> Result<ValidateAndStoreMessageResponse, ApiError> {
        let message = ValidateAndStoreMessageRequest {
            chat_id: chat.to_owned(),
            sender_id: sender.id.clone(),
            text: text.to_owned(),
            request_id: request.to_string(),
            traceparent: None,
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

    /// A connection to its database.
    pub(crate) async fn sql(&self) -> tokio_postgres::Client {
        sql(&self.database).await
    }
}

/// A connection to a database.
pub(crate) async fn sql(database: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(database, NoTls).await.expect("Postgres");
    tokio::spawn(connection);
    client
}

/// A gRPC port, called with a token. Unlike by `GrpcClient`, each call is one attempt.
#[derive(Clone)]
pub(crate) struct Grpc {
    channel: Transport,
    token: MetadataValue<Ascii>,
}

impl Grpc {
    pub(crate) fn new(address: &str, token: &str) -> Self {
        let channel = Transport::from_shared(format!("http://{address}")).expect("an address").connect_lazy();
        Self { channel, token: token.parse().expect("a token") }
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

/// What matters of a problem: status, code, and for each wrong field its name and code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    status: u16,
    code: String,
    fields: Vec<(String, String)>,
}

/// Which fields are wrong, and the codes of the rules that they break.
pub(crate) type Fields<'a> = &'a [(&'a str, &'a str)];

/// The problem that should be the answer.
pub(crate) fn problem(status: u16, code: &str, fields: Fields<'_>) -> Problem {
    let fields = fields.iter().map(|(field, code)| ((*field).to_owned(), (*code).to_owned())).collect();
    Problem { status, code: code.to_owned(), fields }
}

impl From<&Answer> for Problem {
    fn from(Answer { status, body }: &Answer) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        assert_eq!(body["status"], *status, "the body tells the status too: {body}");
        assert_eq!(body["type"], format!("urn:neonchat:error:{}", text(&body["code"])));
        let fields = body["errors"].as_array().into_iter().flatten();
        Self {
            status: *status,
            code: text(&body["code"]),
            fields: fields.map(|error| (text(&error["field"]), text(&error["code"]))).collect(),
        }
    }
}

/// Panics where the answer is not this problem.
#[track_caller]
pub(crate) fn assert_problem(answer: &Answer, status: u16, code: &str, fields: Fields<'_>) {
    assert_eq!(Problem::from(answer), problem(status, code, fields), "{}", Shown(answer));
}

struct Shown<'a>(&'a Answer);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:#}", self.0.status, self.0.body)
    }
}

/// What is published on some channels.
pub(crate) struct Listener {
    messages: broadcast::Receiver<fred::types::Message>,
    _client: SubscriberClient,
}

impl Listener {
    /// Hears everything from here on.
    pub(crate) async fn on(channels: impl IntoIterator<Item = Channel>) -> Self {
        let config = Config::from_url(&harness::redis_url()).expect("a URL");
        let client = Builder::from_config(config).build_subscriber_client().expect("a client");
        client.init().await.expect("Redis");
        let messages = client.message_rx();
        for channel in channels {
            client.subscribe(channel.to_string()).await.expect("subscribed");
        }
        Self { messages, _client: client }
    }

    /// The next publication: on which channel, and an [`Envelope`](neonchat_common::bus::Envelope) as text.
    pub(crate) async fn next(&mut self) -> (Channel, String) {
        let next = tokio::time::timeout(PATIENCE, self.messages.recv());
        let message = next.await.expect("a publication in time").expect("a message");
        let channel = Channel::parse(&message.channel).expect("a channel of ours");
        (channel, message.value.convert().expect("text"))
    }
}

/// A Redis of the test's own, in its folder.
pub(crate) async fn own_redis() -> (Redis, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let redis = Redis::start(folder.path(), None, Persistence::None).await.expect("Redis");
    (redis, folder)
}

/// A folder that Postgres, which may run as another user, can enter.
pub(crate) fn folder() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("permissions");
    folder
}
