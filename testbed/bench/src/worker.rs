//! Worker processes that hold sockets. One process has too few file descriptors for the sockets of three instances.
//!
//! A worker reads from its standard input what to open (a line of JSON) and when (another line). It writes `ready` and `opened`
//! (with the number of 503 answers) to its standard output, and holds its sockets until its input ends.

use std::{
    io::{BufRead as _, stdin},
    net::SocketAddr,
    os::fd::AsFd as _,
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use neonchat_testbed::{
    client::text,
    process::{Process, Signal},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStdin, ChildStdout},
    time::timeout,
};

use super::generator::connections::{Connections, IgnoreFrames};

/// The longest that any step of a worker may take.
const TIMEOUT: Duration = Duration::from_mins(2);

/// Runs a worker.
///
/// # Errors
/// A socket is refused or closed.
pub fn work() -> anyhow::Result<()> {
    let mut input = stdin().lock();
    let mut line = String::new();
    input.read_line(&mut line)?;
    let plan: Value = serde_json::from_str(&line).context("the plan")?;
    let address = text(&plan["address"])?.parse()?;
    let tokens =
        plan["tokens"].as_array().context("no tokens")?.iter().map(text).collect::<anyhow::Result<Vec<_>>>()?;
    let mut connections = Connections::new()?;
    println!("ready");
    input.read_line(&mut line)?;
    connections.open_all(&[address], &tokens, &mut IgnoreFrames)?;
    println!("opened {}", connections.refused);
    connections.hold_until(stdin().as_fd(), &mut IgnoreFrames)
}

/// A running worker.
#[derive(Debug)]
pub(crate) struct Worker {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Worker {
    /// Starts a worker for these tokens and waits until it is ready.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) async fn start(address: SocketAddr, tokens: &[String]) -> anyhow::Result<Self> {
        let mut command = Process::command(&std::env::current_exe()?, Signal::SIGKILL);
        command.arg("--worker").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().context("start a worker")?;
        let (input, output) = child.stdin.take().zip(child.stdout.take()).context("open the pipes of a worker")?;
        let mut worker = Self { child, input, output: BufReader::new(output) };
        worker.write_line(&json!({ "address": address, "tokens": tokens }).to_string()).await?;
        worker.read_line("ready").await?;
        Ok(worker)
    }

    /// Returns the process ID.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Lets the worker open its sockets.
    ///
    /// # Errors
    /// It has ended.
    pub(crate) async fn begin(&mut self) -> anyhow::Result<()> {
        self.write_line("begin").await
    }

    /// Waits until all sockets are open. Returns the number of 503 answers.
    ///
    /// # Errors
    /// A handshake was refused. The worker has written the reason to its standard error.
    pub(crate) async fn opened(&mut self) -> anyhow::Result<usize> {
        Ok(self.read_line("opened ").await?.parse()?)
    }

    /// Closes the sockets.
    ///
    /// # Errors
    /// A socket was closed by the server.
    pub(crate) async fn end(self) -> anyhow::Result<()> {
        let Self { mut child, input, .. } = self;
        drop(input);
        let status = timeout(TIMEOUT, child.wait()).await.context("a worker did not end in time")??;
        ensure!(status.success(), "a worker ended with {status}");
        Ok(())
    }

    async fn write_line(&mut self, line: &str) -> anyhow::Result<()> {
        let line = format!("{line}\n");
        timeout(TIMEOUT, self.input.write_all(line.as_bytes()))
            .await
            .context("a worker did not read its input in time")??;
        Ok(())
    }

    /// Reads a line that starts with `wanted`. Returns the rest.
    async fn read_line(&mut self, wanted: &str) -> anyhow::Result<String> {
        let mut line = String::new();
        timeout(TIMEOUT, self.output.read_line(&mut line))
            .await
            .with_context(|| format!("a worker is not {wanted}"))??;
        let rest = line.trim_end_matches('\n').strip_prefix(wanted);
        rest.map(str::to_owned).with_context(|| format!("a worker ended before it was {wanted}"))
    }
}
