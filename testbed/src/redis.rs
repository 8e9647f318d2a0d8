//! A private Redis, of the machine's own binary.

use std::{fs, path::Path, time::Duration};

use anyhow::ensure;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

use crate::{
    port,
    process::{Process, Signal},
};

const START_LIMIT: Duration = Duration::from_secs(20);
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// Whether what Redis holds outlives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// An append-only file.
    AppendOnly,
    /// Nothing.
    None,
}

/// A running Redis. It listens on 127.0.0.1 alone.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    port: u16,
}

impl Redis {
    /// Starts one with its files in `folder`. `preferred_port` is taken if it is free.
    ///
    /// # Errors
    /// There is no Redis on this machine, or it does not start.
    pub async fn start(folder: &Path, preferred_port: Option<u16>, persistence: Persistence) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        let port = match preferred_port {
            Some(port) if port::require_free("", port).is_ok() => port,
            _ => port::free()?,
        };
        let append_only = if persistence == Persistence::AppendOnly { "yes" } else { "no" };
        let mut command = Process::command(Path::new("redis-server"), Signal::SIGTERM);
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", append_only, "--port"]);
        command.arg(port.to_string()).arg("--dir").arg(folder);
        let mut process = Process::spawn("redis", &mut command, &folder.join("redis.log"))?;
        process.ready_when(START_LIMIT, async || answers(port).await).await?;
        Ok(Self { process, port })
    }

    /// Where it listens.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Gives it a command, without arguments that need quoting, and returns the first line of the answer.
    ///
    /// # Errors
    /// It does not answer, or answers with an error.
    pub async fn command(&self, command: &str) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.write_all(format!("{command}\r\n").as_bytes()).await?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).await?;
        ensure!(!answer.is_empty() && !answer.starts_with('-'), "redis answers {command} with {answer:?}");
        Ok(answer.trim_end().to_owned())
    }

    /// Its process id, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// The process, for faults.
    pub const fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Ends it.
    ///
    /// # Errors
    /// It does not end.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let status = self.process.stop(Signal::SIGTERM, STOP_LIMIT).await?;
        ensure!(status.success(), "redis ended with {status}:\n{}", self.process.tail());
        Ok(())
    }
}

/// While it loads its file it takes connections, and answers with an error.
async fn answers(port: u16) -> bool {
    let ping = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(b"PING\r\n").await?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).await?;
        std::io::Result::Ok(&answer == b"+PONG")
    };
    ping.await.unwrap_or(false)
}
