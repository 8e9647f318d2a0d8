//! A private Redis from the binary of this machine: a single server, a cluster, or under Sentinel.

pub mod cluster;
pub mod sentinel;

use std::{fs, path::Path, process::Stdio, time::Duration};

use anyhow::{Context as _, ensure};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    process::Command,
    time::timeout,
};

use crate::{
    poll::try_until,
    port,
    process::{Process, Signal},
};

const START_TIMEOUT: Duration = Duration::from_secs(20);
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest until several servers agree.
const AGREEMENT_TIMEOUT: Duration = Duration::from_mins(1);

/// Whether the data of Redis survives a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// It does, in an append-only file.
    AppendOnly,
    /// It does not.
    None,
}

/// A running Redis. It listens on 127.0.0.1 only.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    port: u16,
}

impl Redis {
    /// Starts Redis with its files in `folder`. Uses `preferred_port` if it is free.
    ///
    /// # Errors
    /// Redis is not installed, or does not start.
    pub async fn start(folder: &Path, preferred_port: Option<u16>, persistence: Persistence) -> anyhow::Result<Self> {
        Self::start_with(folder, preferred_port, persistence, &[]).await
    }

    /// As [`Redis::start`], with additional arguments of redis-server.
    ///
    /// # Errors
    /// As [`Redis::start`].
    pub async fn start_with(
        folder: &Path,
        preferred_port: Option<u16>,
        persistence: Persistence,
        arguments: &[&str],
    ) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        let port = match preferred_port {
            Some(port) if port::require_free("", port).is_ok() => port,
            _ => port::reserve()?,
        };
        let append_only = if persistence == Persistence::AppendOnly { "yes" } else { "no" };
        let mut command = Process::command(Path::new("redis-server"), Signal::SIGTERM);
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", append_only, "--port"]);
        command.arg(port.to_string()).arg("--dir").arg(folder).args(arguments);
        Self::spawn(&mut command, folder, port).await
    }

    /// Starts a sentinel with its files in `folder` and these lines of configuration.
    async fn start_sentinel(folder: &Path, settings: &[String]) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        let (port, file) = (port::reserve()?, folder.join("sentinel.conf"));
        // The sentinel rewrites this file.
        fs::write(&file, format!("port {port}\nbind 127.0.0.1\n{}\n", settings.join("\n")))?;
        let mut command = Process::command(Path::new("redis-server"), Signal::SIGTERM);
        command.arg(file).arg("--sentinel");
        Self::spawn(&mut command, folder, port).await
    }

    async fn spawn(command: &mut Command, folder: &Path, port: u16) -> anyhow::Result<Self> {
        let mut process = Process::spawn("redis", command, &folder.join("redis.log"))?;
        process.ready_when(START_TIMEOUT, async || answers(port).await).await?;
        Ok(Self { process, port })
    }

    /// Returns the port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Returns the URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Sends a command, whose arguments must not need quoting. Returns the first line of the answer.
    ///
    /// # Errors
    /// It does not answer, or answers with an error.
    pub async fn command(&self, command: &str) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.write_all(format!("{command}\r\n").as_bytes()).await?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).await?;
        ensure!(!answer.is_empty() && !answer.starts_with('-'), "redis answered {command} with {answer:?}");
        Ok(answer.trim_end().to_owned())
    }

    /// Returns the whole answer to a command, as `redis-cli` prints it.
    ///
    /// # Errors
    /// It does not answer, or answers with an error.
    pub async fn cli(&self, arguments: &[&str]) -> anyhow::Result<String> {
        cli(self.port, arguments).await
    }

    /// Kills Redis with SIGKILL.
    ///
    /// # Errors
    /// As kill(2).
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.process.signal(Signal::SIGKILL)?;
        self.process.wait().await?;
        Ok(())
    }

    /// Returns the process ID, while it is running.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Returns the process, for fault injection.
    pub const fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Stops Redis.
    ///
    /// # Errors
    /// It does not stop.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let status = self.process.stop(Signal::SIGTERM, STOP_TIMEOUT).await?;
        ensure!(status.success(), "redis ended with {status}:\n{}", self.process.tail());
        Ok(())
    }
}

/// Waits until several servers agree.
async fn until(what: &str, condition: impl AsyncFn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    timeout(AGREEMENT_TIMEOUT, try_until(condition)).await.with_context(|| format!("not in time: {what}"))?
}

async fn cli(port: u16, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new("redis-cli");
    command.args(["-e", "--raw", "-p"]).arg(port.to_string()).args(arguments);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.context("redis-cli")?;
    // It prints an empty line for an empty list.
    let answer = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let problem = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "redis-cli {arguments:?}: {answer}{problem}");
    Ok(answer)
}

/// Returns whether Redis is ready. While it loads its data it accepts connections and answers with an error.
async fn answers(port: u16) -> bool {
    let ping = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(b"PING\r\n").await?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).await?;
        // The second answer asks for a password.
        std::io::Result::Ok(&answer == b"+PONG" || &answer == b"-NOAU")
    };
    ping.await.unwrap_or(false)
}
