//! nginx in front of two instances of each service.

use neonchat_testbed::{
    client::{Api, Socket, User},
    harness, port,
    system::{Ports, System},
};
use tempfile::TempDir;

use crate::{
    helpers::{QUICK, folder},
    nginx::Nginx,
};

/// The system behind nginx.
pub(crate) struct Site {
    pub(crate) nginx: Nginx,
    /// The port of the tunnel to nginx, without TLS.
    pub(crate) port: u16,
    pub(crate) instances: Vec<System>,
    _folder: TempDir,
}

impl Site {
    pub(crate) async fn start() -> Self {
        let (folder, database, redis) = (folder(), harness::test_database().await, harness::redis_url());
        let namespace = harness::redis_namespace();
        let ports = [(); 2].map(|()| kept_ports());
        let addresses = |port: fn(Ports) -> u16| ports.map(|ports| format!("127.0.0.1:{}", port(ports))).join(",");
        let (chat, notification) = (addresses(|ports| ports.chat_grpc), addresses(|ports| ports.notification_grpc));
        let mut settings = vec![
            ("DATABASE_URL", &*database),
            ("REDIS_URL", &*redis),
            ("REDIS_NAMESPACE", &*namespace),
            ("CHAT_SERVICE_ADDR", &*chat),
            ("NOTIFICATION_SERVICE_ADDR", &*notification),
            ("APP_ENV", "production"),
            ("JWT_SECRET", "8f3f0c1a5e7b92d64c80a1b3d5e7f901"),
            ("INTERNAL_TOKEN", "f0e1d2c3b4a5968778695a4b3c2d1e0f"),
            ("REFRESH_SECRET", "a9c1e3b5d7f90123456789abcdef0246"),
        ];
        settings.extend(QUICK);
        // Production rejects 0.
        settings.push(("RATE_LIMIT_PER_MINUTE", "1000000"));
        let mut instances = Vec::new();
        for (name, ports) in ["first", "second"].into_iter().zip(ports) {
            instances
                .push(System::start(&folder.path().join(name), ports, &settings).await.expect("start both services"));
        }
        let nginx = Nginx::start(folder.path(), &ports).await;
        Self { port: nginx.tunnel().await, nginx, instances, _folder: folder }
    }

    pub(crate) fn api(&self) -> Api {
        Api::new(format!("http://127.0.0.1:{}", self.port))
    }

    pub(crate) fn websocket(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    pub(crate) async fn open(&self, user: &User) -> Socket {
        Socket::open(&self.websocket(), user, None).await.expect("open socket")
    }

    /// Returns the number of open sockets of each instance.
    pub(crate) async fn sockets(&self) -> Vec<String> {
        let metric = async |system: &System| {
            let operations = Api::new(format!("http://127.0.0.1:{}", system.ports().notification_ready()));
            operations.metric("websocket_connections_current").await
        };
        let mut sockets = Vec::new();
        for system in &self.instances {
            // The line appears with the first socket.
            let line = metric(system).await.unwrap_or_default();
            sockets.push(line.rsplit(' ').next().unwrap_or_default().to_owned());
        }
        sockets
    }

    /// Removes and returns the instance of the only socket.
    pub(crate) async fn take_instance_of_socket(&mut self) -> System {
        let place = self.sockets().await.iter().position(|open| open == "1").expect("find instance with a socket");
        self.instances.remove(place)
    }

    /// Registers two users and creates their chat.
    pub(crate) async fn pair(&self) -> (User, User, String) {
        let api = self.api();
        let (alice, bob) = (api.any_user().await.expect("register user"), api.any_user().await.expect("register user"));
        let chat = api.chat(&alice, &bob).await.expect("create chat");
        (alice, bob, chat)
    }
}

/// Reserves ports, with operations ports as in docker-compose.yml. No other process gets the ports of a stopped instance.
pub(crate) fn kept_ports() -> Ports {
    let kept = || port::reserve().expect("reserve port");
    Ports {
        rest: kept(),
        chat_grpc: kept(),
        notification_grpc: kept(),
        websocket: kept(),
        chat_operations: Some(kept()),
        notification_operations: Some(kept()),
    }
}

/// Asserts that the log of nginx contains no token. A handshake has its token in the query.
pub(crate) fn assert_no_token(nginx: &Nginx, users: &[&User]) {
    let log = nginx.log();
    assert!(users.iter().all(|user| !log.contains(&user.token)), "nginx logged a token:\n{log}");
}
