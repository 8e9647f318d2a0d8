//! Runs a chat-service and one or more notification-services in the test process.

use std::time::Duration;

use chat_service::app::App as ChatApp;
use neonchat_common::{grpc::client::GrpcClient, redis::namespace::Namespace, settings::SettingsSource};
use neonchat_testbed::{
    client::{Api, Socket, User},
    harness, port,
    process::{Process, Signal},
    system::binary,
};
use notification_service::app::App;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};
use tokio_postgres::NoTls;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Both services.
pub(crate) struct TestApp {
    pub(crate) api: Api,
    chat: Option<Running>,
    pub(crate) notification: Notification,
    database: String,
    redis_url: String,
    namespace: String,
    pub(crate) chat_grpc: u16,
}

/// A running service.
pub(crate) struct Running {
    stop: DropGuard,
    ended: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    fn start<F>(run: impl FnOnce(CancellationToken) -> F) -> Self
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let stop = CancellationToken::new();
        let ended = tokio::spawn(run(stop.clone()));
        Self { stop: stop.drop_guard(), ended }
    }

    /// Starts the shutdown.
    pub(crate) fn end(self) -> JoinHandle<anyhow::Result<()>> {
        drop(self.stop);
        self.ended
    }

    /// Shuts the service down and waits for its end.
    pub(crate) async fn stop(self) {
        self.end().await.expect("join task").expect("end without error");
    }
}

/// An instance of notification-service.
pub(crate) struct Notification {
    pub(crate) running: Running,
    pub(crate) http: Api,
    /// The operations endpoints, if they have a port of their own.
    pub(crate) operations: Option<Api>,
    pub(crate) websocket: String,
    pub(crate) grpc: String,
}

/// An instance of notification-service in a process of its own.
pub(crate) struct NotificationProcess {
    pub(crate) process: Process,
    pub(crate) websocket: String,
    _log: TempDir,
}

impl NotificationProcess {
    async fn start(redis_url: &str, namespace: &str, chat_grpc: u16) -> Self {
        let log = tempfile::tempdir().expect("create directory");
        let (chat, port) = (format!("127.0.0.1:{chat_grpc}"), port::reserve().expect("reserve port"));
        let mut command = Process::command(&binary("notification-service").expect("find binary"), Signal::SIGKILL);
        command.envs(defaults(redis_url, &chat)).env("NOTIFICATION_WS_PORT", port.to_string());
        command.env("REDIS_NAMESPACE", namespace);
        let process = Process::spawn("notification-service", &mut command, &log.path().join("log"));
        let process = process.expect("spawn process");
        Api::new(format!("http://127.0.0.1:{port}")).until_ready().await.expect("become ready");
        Self { process, websocket: format!("ws://127.0.0.1:{port}"), _log: log }
    }

    /// Kills the process, like a power failure.
    pub(crate) async fn kill(mut self) {
        self.process.signal(Signal::SIGKILL).expect("kill process");
        self.process.wait().await.expect("end");
    }
}

/// Settings for several instances on one machine and for fast tests.
fn defaults<'a>(redis_url: &'a str, chat_service: &'a str) -> [(&'static str, &'a str); 7] {
    [
        ("NOTIFICATION_SERVICE_HOST", "127.0.0.1"),
        ("NOTIFICATION_WS_PORT", "0"),
        ("NOTIFICATION_GRPC_PORT", "0"),
        ("CHAT_SERVICE_ADDR", chat_service),
        ("REDIS_URL", redis_url),
        ("PRESENCE_OFFLINE_GRACE", "100ms"),
        ("WS_MESSAGES_PER_SECOND", "0"),
    ]
}

impl Notification {
    pub(crate) async fn start(redis_url: &str, chat_grpc: u16, settings: &[(&str, &str)]) -> Self {
        let chat = format!("127.0.0.1:{chat_grpc}");
        let mut values: Vec<(&str, &str)> = defaults(redis_url, &chat).into();
        values.extend(settings);
        let settings =
            notification_service::config::Settings::read(SettingsSource::from_values(values)).expect("read settings");
        let app = App::build(settings).await.expect("build app");
        let (http, grpc) = (app.http_addr(), app.grpc_addr());
        let operations = app.operations_addr().map(|address| Api::new(format!("http://{address}")));
        Self {
            running: Running::start(|stop| app.run(async move { stop.cancelled().await })),
            http: Api::new(format!("http://{http}")),
            operations,
            websocket: format!("ws://{http}"),
            grpc: grpc.to_string(),
        }
    }
}

impl Notification {
    /// Returns whether `grpc.health.v1` reports that the instance serves.
    pub(crate) async fn is_serving(&self) -> bool {
        let settings = notification_service::config::Settings::read(SettingsSource::from_values([]));
        let grpc = settings.expect("read settings").common.grpc;
        let client = GrpcClient::new(std::slice::from_ref(&self.grpc), &grpc).expect("create client");
        client.is_serving(Duration::from_secs(5)).await
    }
}

impl TestApp {
    pub(crate) async fn start() -> Self {
        Self::start_with(&harness::redis_url(), &[]).await
    }

    /// Starts both services with this Redis and these settings of notification-service.
    pub(crate) async fn start_with(redis_url: &str, settings: &[(&str, &str)]) -> Self {
        // A Redis of a single test needs no namespace, so its keys are those of the specification.
        let is_shared = redis_url == harness::redis_url();
        let namespace = if is_shared { harness::redis_namespace() } else { String::new() };
        Self::start_in(&namespace, redis_url, settings).await
    }

    /// Like [`TestApp::start_with`], in this namespace of Redis.
    pub(crate) async fn start_in(namespace: &str, redis_url: &str, settings: &[(&str, &str)]) -> Self {
        let (database, chat_grpc) = (harness::test_database().await, port::reserve().expect("reserve port"));
        let (api, chat) = start_chat_service(&database, redis_url, namespace, chat_grpc).await;
        let notification = Notification::start(redis_url, chat_grpc, &in_namespace(namespace, settings)).await;
        let (redis_url, namespace) = (redis_url.to_owned(), namespace.to_owned());
        Self { api, chat: Some(chat), notification, database, redis_url, namespace, chat_grpc }
    }

    /// Starts a further instance of notification-service.
    pub(crate) async fn another(&self) -> Notification {
        self.another_with(&[]).await
    }

    /// Starts a further instance with another Redis than chat-service.
    pub(crate) async fn another_beside(&self, redis_url: &str) -> Notification {
        Notification::start(redis_url, self.chat_grpc, &in_namespace(&self.namespace, &[])).await
    }

    /// Starts a further instance that connects to chat-service at this port.
    pub(crate) async fn another_at(&self, chat_grpc: u16) -> Notification {
        Notification::start(&self.redis_url, chat_grpc, &in_namespace(&self.namespace, &[])).await
    }

    /// Starts a further instance of notification-service with these settings.
    pub(crate) async fn another_with(&self, settings: &[(&str, &str)]) -> Notification {
        Notification::start(&self.redis_url, self.chat_grpc, &in_namespace(&self.namespace, settings)).await
    }

    /// Starts a further instance of notification-service in a process that can be killed.
    pub(crate) async fn another_process(&self) -> NotificationProcess {
        NotificationProcess::start(&self.redis_url, &self.namespace, self.chat_grpc).await
    }

    /// Returns the name of a key in the test's namespace.
    pub(crate) fn key(&self, name: &str) -> String {
        Namespace::parse(&self.namespace).unwrap_or_default().name(name)
    }

    /// Stops chat-service.
    pub(crate) async fn stop_chat_service(&mut self) {
        self.chat.take().expect("have running chat-service").stop().await;
    }

    /// Starts chat-service again on the same port.
    pub(crate) async fn restart_chat_service(&mut self) {
        self.chat = Some(start_chat_service(&self.database, &self.redis_url, &self.namespace, self.chat_grpc).await.1);
    }

    /// Runs statements in the database of chat-service.
    pub(crate) async fn sql(&self, statements: &str) {
        let (client, connection) = tokio_postgres::connect(&self.database, NoTls).await.expect("connect to Postgres");
        let connection = tokio::spawn(connection);
        client.batch_execute(statements).await.expect("run statements");
        drop(client);
        connection.await.expect("join task").expect("end without error");
    }

    /// Registers two users and creates their chat. Returns both users and the chat's ID.
    pub(crate) async fn two_users(&self) -> (User, User, String) {
        let (alice, bob) =
            (self.api.any_user().await.expect("register user"), self.api.any_user().await.expect("register user"));
        let chat = self.api.chat(&alice, &bob).await.expect("create chat");
        (alice, bob, chat)
    }

    /// Opens a socket that covers all chats of a user.
    pub(crate) async fn socket(&self, user: &User) -> Socket {
        Socket::open(&self.notification.websocket, user, None).await.expect("open socket")
    }

    /// Sends bytes after the handshake and returns everything received until the server closes TCP.
    pub(crate) async fn raw(&self, user: &User, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.handshake(user).await;
        stream.write_all(bytes).await.expect("send");
        let mut received = Vec::new();
        let ended = timeout(Duration::from_secs(10), stream.read_to_end(&mut received)).await;
        ended.expect("end").expect("end without error");
        received
    }

    /// Returns the status line and the headers of the answer to a handshake.
    pub(crate) async fn raw_head(&self, user: &User) -> String {
        self.raw_head_of(user, "1.1", "Upgrade: websocket\r\n", "").await
    }

    /// Like [`TestApp::raw_head`], with this version of HTTP, these headers and this body.
    pub(crate) async fn raw_head_of(&self, user: &User, version: &str, headers: &str, body: &str) -> String {
        let mut stream = self.handshake_with(user, version, headers, body).await;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("call API"));
        }
        String::from_utf8(head).expect("decode text")
    }

    async fn handshake(&self, user: &User) -> TcpStream {
        self.handshake_with(user, "1.1", "Upgrade: websocket\r\n", "").await
    }

    async fn handshake_with(&self, user: &User, version: &str, headers: &str, body: &str) -> TcpStream {
        let authority = self.notification.websocket.trim_start_matches("ws://");
        let mut stream = TcpStream::connect(authority).await.expect("connect");
        let upgrade = format!(
            "GET /ws?token={} HTTP/{version}\r\nHost: {authority}\r\nConnection: Upgrade\r\n{headers}\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n{body}",
            user.token
        );
        stream.write_all(upgrade.as_bytes()).await.expect("send");
        stream
    }
}

/// Adds the namespace to the settings of an instance.
fn in_namespace<'a>(namespace: &'a str, settings: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    settings.iter().copied().chain([("REDIS_NAMESPACE", namespace)]).collect()
}

async fn start_chat_service(database: &str, redis_url: &str, namespace: &str, grpc_port: u16) -> (Api, Running) {
    let settings = chat_service::config::Settings::from_values([
        ("CHAT_SERVICE_HOST", "127.0.0.1"),
        ("CHAT_SERVICE_PORT", "0"),
        ("CHAT_GRPC_PORT", &grpc_port.to_string()),
        ("DATABASE_URL", database),
        ("DB_MAX_CONNS", "5"),
        ("REDIS_URL", redis_url),
        ("REDIS_NAMESPACE", namespace),
        ("BCRYPT_COST", "4"),
        ("RATE_LIMIT_PER_MINUTE", "0"),
    ]);
    let app = ChatApp::build(settings.expect("read settings")).await.expect("build app");
    let api = Api::new(format!("http://{}", app.http_addr().expect("read address")));
    let running = Running::start(|stop| app.run(async move { stop.cancelled().await }));
    api.until_ready().await.expect("become ready");
    (api, running)
}
