//! Both services as processes.

mod ports;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, ensure};

pub use self::ports::Ports;
pub(crate) use self::ports::{HOSTS, THIS_MACHINE};
use crate::{
    client::Api,
    port,
    process::{Process, Signal},
};

/// The longest start of a service, which includes migrations.
pub const START_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest drain of a service.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// Both services as running processes.
#[derive(Debug)]
pub struct System {
    chat: Process,
    notification: Process,
    /// Additional instances of chat-service.
    further_chats: Vec<Process>,
    /// Additional instances of notification-service with their WebSocket ports.
    further: Vec<(Process, u16)>,
    ports: Ports,
    launch: Launch,
}

/// The environment and the log directory of the services.
#[derive(Debug)]
struct Launch {
    environment: Vec<(String, String)>,
    logs: PathBuf,
}

impl Launch {
    fn spawn(&self, name: &str) -> anyhow::Result<Process> {
        self.spawn_with(name, &[], &[], name)
    }

    /// Overrides some ports and other variables. The log has the name `log`.
    fn spawn_with(
        &self,
        name: &str,
        ports: &[(&str, u16)],
        environment: &[(String, String)],
        log: &str,
    ) -> anyhow::Result<Process> {
        let mut command = Process::command(&binary(name)?, Signal::SIGTERM);
        command.envs(self.environment.iter().chain(environment).map(|(name, value)| (name, value)));
        command.envs(ports.iter().map(|(name, port)| (name, port.to_string())));
        Process::spawn(log, &mut command, &self.logs.join(format!("{log}.log")))
    }
}

impl System {
    /// Starts both services with additional settings and waits until they are ready. They log to the directory `logs`.
    ///
    /// # Errors
    /// A service is not built, or does not start.
    pub async fn start(logs: &Path, ports: Ports, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        std::fs::create_dir_all(logs)?;
        let mut environment = ports.environment();
        environment.extend(settings.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let environment = environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let launch = Launch { environment, logs: logs.to_owned() };
        let (chat, notification) = (launch.spawn("chat-service")?, launch.spawn("notification-service")?);
        let mut system = Self { chat, notification, further_chats: Vec::new(), further: Vec::new(), ports, launch };
        for (process, port) in
            [(&mut system.chat, ports.chat_ready()), (&mut system.notification, ports.notification_ready())]
        {
            process.ready_when(START_TIMEOUT, async || is_ready(port).await).await?;
        }
        Ok(system)
    }

    /// Returns the ports of both services.
    #[must_use]
    pub const fn ports(&self) -> Ports {
        self.ports
    }

    /// Returns the gRPC port of notification-service.
    #[must_use]
    pub const fn notification_grpc_port(&self) -> u16 {
        self.ports.notification_grpc
    }

    /// Returns the base URL of chat-service.
    #[must_use]
    pub fn rest(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.rest)
    }

    /// Returns a client of chat-service.
    #[must_use]
    pub fn api(&self) -> Api {
        Api::new(self.rest())
    }

    /// Returns an HTTP client of notification-service.
    #[must_use]
    pub fn notification(&self) -> Api {
        Api::new(format!("http://127.0.0.1:{}", self.ports.websocket))
    }

    /// Returns the WebSocket base URL of notification-service.
    #[must_use]
    pub fn websocket(&self) -> String {
        format!("ws://127.0.0.1:{}", self.ports.websocket)
    }

    /// Kills chat-service with SIGKILL.
    ///
    /// # Errors
    /// As kill(2) and waitpid(2).
    pub async fn kill_chat_service(&mut self) -> anyhow::Result<()> {
        kill(&mut self.chat).await
    }

    /// As [`System::kill_chat_service`], for notification-service.
    ///
    /// # Errors
    /// As kill(2) and waitpid(2).
    pub async fn kill_notification_service(&mut self) -> anyhow::Result<()> {
        kill(&mut self.notification).await
    }

    /// Kills chat-service with SIGKILL and restarts it.
    ///
    /// # Errors
    /// It does not start.
    pub async fn kill_and_restart_chat_service(&mut self) -> anyhow::Result<()> {
        self.kill_chat_service().await?;
        start(&mut self.chat, self.ports.chat_ready(), || self.launch.spawn("chat-service")).await
    }

    /// As [`System::kill_and_restart_chat_service`], for notification-service.
    ///
    /// # Errors
    /// It does not start.
    pub async fn kill_and_restart_notification_service(&mut self) -> anyhow::Result<()> {
        self.kill_notification_service().await?;
        let port = self.ports.notification_ready();
        start(&mut self.notification, port, || self.launch.spawn("notification-service")).await
    }

    /// Stops notification-service with SIGTERM, restarts it on the same ports, and waits until it is ready.
    ///
    /// # Errors
    /// It ends with an error, or does not start.
    pub async fn restart_notification_service(&mut self) -> anyhow::Result<()> {
        let port = self.ports.notification_ready();
        restart(&mut self.notification, port, || self.launch.spawn("notification-service")).await
    }

    /// As [`System::restart_notification_service`], for chat-service.
    ///
    /// # Errors
    /// It ends with an error, or does not start.
    pub async fn restart_chat_service(&mut self) -> anyhow::Result<()> {
        let port = self.ports.chat_ready();
        restart(&mut self.chat, port, || self.launch.spawn("chat-service")).await
    }

    /// Starts another instance of notification-service and waits until it is ready.
    ///
    /// # Errors
    /// It does not start.
    pub async fn add_notification_service(&mut self) -> anyhow::Result<()> {
        let (grpc, websocket) = (port::reserve()?, port::reserve()?);
        let log = format!("notification-service-{}", self.further.len() + 1);
        let ports = [("NOTIFICATION_GRPC_PORT", grpc), ("NOTIFICATION_WS_PORT", websocket)];
        let mut process = self.launch.spawn_with("notification-service", &ports, &[], &log)?;
        process.ready_when(START_TIMEOUT, async || is_ready(websocket).await).await?;
        self.further.push((process, websocket));
        Ok(())
    }

    /// Starts another instance of chat-service with these variables and waits until it is ready. Returns a client of it.
    ///
    /// # Errors
    /// It does not start.
    pub async fn add_chat_service(&mut self, environment: &[(String, String)]) -> anyhow::Result<Api> {
        let (grpc, rest) = (port::reserve()?, port::reserve()?);
        let log = format!("chat-service-{}", self.further_chats.len() + 1);
        let ports = [("CHAT_GRPC_PORT", grpc), ("CHAT_SERVICE_PORT", rest)];
        let mut process = self.launch.spawn_with("chat-service", &ports, environment, &log)?;
        process.ready_when(START_TIMEOUT, async || is_ready(rest).await).await?;
        self.further_chats.push(process);
        Ok(Api::new(format!("http://127.0.0.1:{rest}")))
    }

    /// Returns the WebSocket address of each instance of notification-service.
    #[must_use]
    pub fn websocket_addresses(&self) -> Vec<SocketAddr> {
        let further = self.further.iter().map(|(_, port)| *port);
        std::iter::once(self.ports.websocket).chain(further).map(|port| (Ipv4Addr::LOCALHOST, port).into()).collect()
    }

    /// Returns the process ID of chat-service, while it is running.
    #[must_use]
    pub fn chat_id(&self) -> Option<u32> {
        self.chat.id()
    }

    /// Returns the process IDs of notification-service, while all instances are running.
    #[must_use]
    pub fn notification_ids(&self) -> Option<Vec<u32>> {
        std::iter::once(&self.notification)
            .chain(self.further.iter().map(|(process, _)| process))
            .map(Process::id)
            .collect()
    }

    /// Waits until a service ends unexpectedly. Returns a description with the last lines of its log.
    ///
    /// # Errors
    /// As waitpid(2).
    pub async fn failed(&mut self) -> anyhow::Result<String> {
        let (name, status, tail) = tokio::select! {
            status = self.chat.wait() => (self.chat.name(), status?, self.chat.tail()),
            status = self.notification.wait() => (self.notification.name(), status?, self.notification.tail()),
        };
        Ok(format!("{name} ended unexpectedly ({status}):\n{tail}"))
    }

    /// Stops both services. notification-service stops first, because it needs chat-service to store the last messages.
    ///
    /// # Errors
    /// A service does not end in time, or ends with an error.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let further = self.further.iter_mut().map(|(process, _)| process);
        for process in further.chain([&mut self.notification]).chain(&mut self.further_chats).chain([&mut self.chat]) {
            drain(process).await?;
        }
        Ok(())
    }
}

async fn kill(process: &mut Process) -> anyhow::Result<()> {
    process.signal(Signal::SIGKILL)?;
    process.wait().await.map(drop)
}

async fn drain(process: &mut Process) -> anyhow::Result<()> {
    let status = process.stop(Signal::SIGTERM, STOP_TIMEOUT).await?;
    ensure!(status.success(), "{} ended with {status}:\n{}", process.name(), process.tail());
    Ok(())
}

async fn restart(
    process: &mut Process,
    port: u16,
    spawn: impl FnOnce() -> anyhow::Result<Process>,
) -> anyhow::Result<()> {
    drain(process).await?;
    start(process, port, spawn).await
}

/// Starts a service again, and waits until it is ready.
async fn start(
    process: &mut Process,
    port: u16,
    spawn: impl FnOnce() -> anyhow::Result<Process>,
) -> anyhow::Result<()> {
    *process = spawn()?;
    process.ready_when(START_TIMEOUT, async || is_ready(port).await).await
}

/// Returns whether the service that answers `/ready` on this port is ready.
pub async fn is_ready(port: u16) -> bool {
    let api = Api::new(format!("http://127.0.0.1:{port}"));
    api.call("GET", "/ready", None, None).await.is_ok_and(|answer| answer.status == 200)
}

/// Returns the path of a binary of the workspace with the build profile of this one.
///
/// # Errors
/// The binary is not built.
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe()?;
    // Tests are one directory deeper than binaries.
    let mut directories = this.ancestors().skip(1).take(2);
    directories
        .find_map(|folder| Some(folder.join(name)).filter(|path| path.is_file()))
        .with_context(|| format!("{name} is not built: cargo build --workspace --bins"))
}
