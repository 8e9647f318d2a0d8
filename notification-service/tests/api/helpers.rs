//! A chat-service and as many notification-services as a test wants, in this process, on ports of their own.

use std::time::Duration;

use chat_service::app::App as ChatApp;
use neonchat_common::{redis::namespace::Namespace, settings::SettingsSource};
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

/// A service that runs.
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

    /// Tells it to end.
    pub(crate) fn end(self) -> JoinHandle<anyhow::Result<()>> {
        drop(self.stop);
        self.ended
    }

    /// Tells it to end and waits until it has.
    pub(crate) async fn stop(self) {
        self.end().await.expect("no panic").expect("a clean end");
    }
}

/// An instance of notification-service.
pub(crate) struct Notification {
    pub(crate) running: Running,
    pub(crate) http: Api,
    /// Its operations port, if it has one.
    pub(crate) operations: Option<Api>,
    pub(crate) websocket: String,
    pub(crate) grpc: String,
}

/// An instance of notification-service that is a process of its own.
pub(crate) struct NotificationProcess {
    pub(crate) process: Process,
    pub(crate) websocket: String,
    _log: TempDir,
}

impl NotificationProcess {
    async fn start(redis_url: &str, namespace: &str, chat_grpc: u16) -> Self {
        let log = tempfile::tempdir().expect("a folder");
        let (chat, port) = (format!("127.0.0.1:{chat_grpc}"), port::free().expect("a port"));
        let mut command = Process::command(&binary("notification-service").expect("a binary"), Signal::SIGKILL);
        command.envs(defaults(redis_url, &chat)).env("NOTIFICATION_WS_PORT", port.to_string());
        command.env("REDIS_NAMESPACE", namespace);
        let process = Process::spawn("notification-service", &mut command, &log.path().join("log"));
        let process = process.expect("a process");
        Api::new(format!("http://127.0.0.1:{port}")).until_ready().await.expect("ready");
        Self { process, websocket: format!("ws://127.0.0.1:{port}"), _log: log }
    }

    /// Kills it, as a power cut would.
    pub(crate) async fn kill(mut self) {
        self.process.signal(Signal::SIGKILL).expect("killed");
        self.process.wait().await.expect("an end");
    }
}

/// Settings by which an instance runs beside others and is quick.
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
            notification_service::config::Settings::read(SettingsSource::from_values(values)).expect("settings");
        let app = App::build(settings).await.expect("an app");
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

impl TestApp {
    pub(crate) async fn start() -> Self {
        Self::start_with(&harness::redis_url(), &[]).await
    }

    /// With a Redis, and settings of notification-service, of the test's own.
    pub(crate) async fn start_with(redis_url: &str, settings: &[(&str, &str)]) -> Self {
        // A Redis of the test's own has one deployment, with the names of the specification.
        let is_shared = redis_url == harness::redis_url();
        let namespace = if is_shared { harness::redis_namespace() } else { String::new() };
        Self::start_in(&namespace, redis_url, settings).await
    }

    /// In this namespace of Redis.
    pub(crate) async fn start_in(namespace: &str, redis_url: &str, settings: &[(&str, &str)]) -> Self {
        let (database, chat_grpc) = (harness::test_database().await, port::free().expect("a port"));
        let (api, chat) = start_chat_service(&database, redis_url, namespace, chat_grpc).await;
        let notification = Notification::start(redis_url, chat_grpc, &in_namespace(namespace, settings)).await;
        let (redis_url, namespace) = (redis_url.to_owned(), namespace.to_owned());
        Self { api, chat: Some(chat), notification, database, redis_url, namespace, chat_grpc }
    }

    /// A further instance of notification-service.
    pub(crate) async fn another(&self) -> Notification {
        self.another_with(&[]).await
    }

    /// A further instance, which has another Redis than chat-service.
    pub(crate) async fn another_beside(&self, redis_url: &str) -> Notification {
        Notification::start(redis_url, self.chat_grpc, &in_namespace(&self.namespace, &[])).await
    }

    /// A further instance, which reaches chat-service at this port.
    pub(crate) async fn another_at(&self, chat_grpc: u16) -> Notification {
        Notification::start(&self.redis_url, chat_grpc, &in_namespace(&self.namespace, &[])).await
    }

    /// A further instance of notification-service, with settings of its own.
    pub(crate) async fn another_with(&self, settings: &[(&str, &str)]) -> Notification {
        Notification::start(&self.redis_url, self.chat_grpc, &in_namespace(&self.namespace, settings)).await
    }

    /// A further instance of notification-service that can be killed.
    pub(crate) async fn another_process(&self) -> NotificationProcess {
        NotificationProcess::start(&self.redis_url, &self.namespace, self.chat_grpc).await
    }

    /// The name in Redis of a key.
    pub(crate) fn key(&self, name: &str) -> String {
        Namespace::parse(&self.namespace).unwrap_or_default().name(name)
    }

    /// Stops chat-service.
    pub(crate) async fn stop_chat_service(&mut self) {
        self.chat.take().expect("a running chat-service").stop().await;
    }

    /// Starts it again behind notification-service.
    pub(crate) async fn start_chat_service_again(&mut self) {
        self.chat = Some(start_chat_service(&self.database, &self.redis_url, &self.namespace, self.chat_grpc).await.1);
    }

    /// Runs statements in the database of chat-service.
    pub(crate) async fn sql(&self, statements: &str) {
        let (client, connection) = tokio_postgres::connect(&self.database, NoTls).await.expect("connect to Postgres");
        let connection = tokio::spawn(connection);
        client.batch_execute(statements).await.expect("run statements");
        drop(client);
        connection.await.expect("no panic").expect("a clean end");
    }

    /// Two users, and the id of their chat.
    pub(crate) async fn two_users(&self) -> (User, User, String) {
        let (alice, bob) = (self.api.any_user().await.expect("a user"), self.api.any_user().await.expect("a user"));
        let chat = self.api.chat(&alice, &bob).await.expect("a chat");
        (alice, bob, chat)
    }

    /// A socket for all of a user's chats.
    pub(crate) async fn socket(&self, user: &User) -> Socket {
        Socket::open(&self.notification.websocket, user, None).await.expect("a socket")
    }

    /// What is received by a client that sends these bytes after the handshake, and then waits for the server to close TCP.
    pub(crate) async fn raw(&self, user: &User, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.handshake(user).await;
        stream.write_all(bytes).await.expect("sent");
        let mut received = Vec::new();
        let ended = timeout(Duration::from_secs(10), stream.read_to_end(&mut received)).await;
        ended.expect("an end").expect("a clean end");
        received
    }

    /// The status and the headers of the answer to a handshake.
    pub(crate) async fn raw_head(&self, user: &User) -> String {
        self.raw_head_of(user, "1.1", "Upgrade: websocket\r\n", "").await
    }

    /// The same for one of this version of HTTP, with these headers and this body.
    pub(crate) async fn raw_head_of(&self, user: &User, version: &str, headers: &str, body: &str) -> String {
        let mut stream = self.handshake_with(user, version, headers, body).await;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("an answer"));
        }
        String::from_utf8(head).expect("text")
    }

    async fn handshake(&self, user: &User) -> TcpStream {
        self.handshake_with(user, "1.1", "Upgrade: websocket\r\n", "").await
    }

    async fn handshake_with(&self, user: &User, version: &str, headers: &str, body: &str) -> TcpStream {
        let authority = self.notification.websocket.trim_start_matches("ws://");
        let mut stream = TcpStream::connect(authority).await.expect("a connection");
        let upgrade = format!(
            "GET /ws?token={} HTTP/{version}\r\nHost: {authority}\r\nConnection: Upgrade\r\n{headers}\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n{body}",
            user.token
        );
        stream.write_all(upgrade.as_bytes()).await.expect("sent");
        stream
    }
}

/// Settings of an instance in a namespace of Redis.
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
    let app = ChatApp::build(settings.expect("settings")).await.expect("an app");
    let api = Api::new(format!("http://{}", app.http_addr().expect("an address")));
    let running = Running::start(|stop| app.run(async move { stop.cancelled().await }));
    api.until_ready().await.expect("a ready chat-service");
    (api, running)
}
