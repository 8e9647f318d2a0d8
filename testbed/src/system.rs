//! Both services as processes of their own.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use neonchat_common::settings::Reader;

use crate::{
    client::Api,
    port,
    process::{Process, Signal},
};

/// The longest that a service takes to be ready. The database may have to be migrated first.
const START_LIMIT: Duration = Duration::from_secs(30);

/// The longest that a service takes to drain (contract, section 5).
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Where the services listen.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// `CHAT_SERVICE_PORT`: REST.
    pub rest: u16,
    /// `CHAT_GRPC_PORT`
    pub chat_grpc: u16,
    /// `NOTIFICATION_GRPC_PORT`
    pub notification_grpc: u16,
    /// `NOTIFICATION_WS_PORT`: WebSocket.
    pub websocket: u16,
}

impl Ports {
    /// Those of the contract, or as they are set.
    pub fn configured(reader: &mut Reader) -> Self {
        Self {
            rest: reader.port("CHAT_SERVICE_PORT", 8080),
            chat_grpc: reader.port("CHAT_GRPC_PORT", 8083),
            notification_grpc: reader.port("NOTIFICATION_GRPC_PORT", 8081),
            websocket: reader.port("NOTIFICATION_WS_PORT", 8082),
        }
    }

    /// Four that are free.
    ///
    /// # Errors
    /// The system has none.
    pub fn free() -> anyhow::Result<Self> {
        Ok(Self {
            rest: port::free()?,
            chat_grpc: port::free()?,
            notification_grpc: port::free()?,
            websocket: port::free()?,
        })
    }

    /// Each by the name of its setting.
    #[must_use]
    pub const fn named(self) -> [(&'static str, u16); 4] {
        [
            ("CHAT_SERVICE_PORT", self.rest),
            ("CHAT_GRPC_PORT", self.chat_grpc),
            ("NOTIFICATION_GRPC_PORT", self.notification_grpc),
            ("NOTIFICATION_WS_PORT", self.websocket),
        ]
    }

    fn environment(self) -> Vec<(&'static str, String)> {
        let mut variables: Vec<_> = self.named().map(|(name, port)| (name, port.to_string())).into();
        variables.push(("CHAT_SERVICE_ADDR", format!("127.0.0.1:{}", self.chat_grpc)));
        variables.push(("NOTIFICATION_SERVICE_ADDR", format!("127.0.0.1:{}", self.notification_grpc)));
        variables
    }
}

/// Both services, running.
#[derive(Debug)]
pub struct System {
    chat: Process,
    notification: Process,
    ports: Ports,
}

impl System {
    /// Starts both, with further settings, and waits until they are ready. Their logs are in `logs`.
    ///
    /// # Errors
    /// One is not built, or does not start.
    pub async fn start(logs: &Path, ports: Ports, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        std::fs::create_dir_all(logs)?;
        let spawn = |name: &str| {
            let mut command = Process::command(&binary(name)?, Signal::SIGTERM);
            command.envs(ports.environment()).envs(settings.iter().copied());
            Process::spawn(name, &mut command, &logs.join(format!("{name}.log")))
        };
        let mut system = Self { chat: spawn("chat-service")?, notification: spawn("notification-service")?, ports };
        for (process, port) in [(&mut system.chat, ports.rest), (&mut system.notification, ports.websocket)] {
            process.ready_when(START_LIMIT, async || is_ready(port).await).await?;
        }
        Ok(system)
    }

    /// A client of the REST API.
    #[must_use]
    pub fn api(&self) -> Api {
        Api::new(format!("http://127.0.0.1:{}", self.ports.rest))
    }

    /// The base of notification-service over HTTP.
    #[must_use]
    pub fn notification(&self) -> Api {
        Api::new(format!("http://127.0.0.1:{}", self.ports.websocket))
    }

    /// The base of notification-service over WebSocket.
    #[must_use]
    pub fn websocket(&self) -> String {
        format!("ws://127.0.0.1:{}", self.ports.websocket)
    }

    /// chat-service, for faults.
    pub const fn chat_process(&mut self) -> &mut Process {
        &mut self.chat
    }

    /// notification-service, for faults.
    pub const fn notification_process(&mut self) -> &mut Process {
        &mut self.notification
    }

    /// Waits until one of the two ends by itself; says which, and how.
    ///
    /// # Errors
    /// As waitpid(2).
    pub async fn failed(&mut self) -> anyhow::Result<String> {
        let (name, status, tail) = tokio::select! {
            status = self.chat.wait() => (self.chat.name(), status?, self.chat.tail()),
            status = self.notification.wait() => (self.notification.name(), status?, self.notification.tail()),
        };
        Ok(format!("{name} ended by itself ({status}):\n{tail}"))
    }

    /// Ends both, the one that holds the sockets first, since it needs the other until the last message is stored.
    ///
    /// # Errors
    /// One does not end in time, or not well.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        for process in [&mut self.notification, &mut self.chat] {
            let status = process.stop(Signal::SIGTERM, STOP_LIMIT).await?;
            ensure!(status.success(), "{} ended with {status}:\n{}", process.name(), process.tail());
        }
        Ok(())
    }
}

async fn is_ready(port: u16) -> bool {
    let api = Api::new(format!("http://127.0.0.1:{port}"));
    api.call("GET", "/ready", None, None).await.is_ok_and(|answer| answer.status == 200)
}

/// A binary of the workspace, built with the same profile as this one.
fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe()?;
    // Tests are one folder deeper than binaries.
    let mut folders = this.ancestors().skip(1).take(2);
    folders
        .find_map(|folder| Some(folder.join(name)).filter(|path| path.is_file()))
        .with_context(|| format!("{name} is not built: cargo build --workspace --bins"))
}
