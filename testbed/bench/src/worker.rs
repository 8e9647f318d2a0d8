//! Sockets in processes of their own: a process has not enough files for as many as three instances hold.
//!
//! A worker is told by its standard input what to open (a line of JSON) and when (another line), says on its standard
//! output `ready` and `opened` (with how often
//! the server was too busy), and holds its sockets until its input ends.

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

use super::generator::connections::{Connections, Deaf};

/// The longest that a worker takes for anything.
const LIMIT: Duration = Duration::from_mins(2);

/// What a worker does.
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
    connections.open_all(address, &tokens, &mut Deaf)?;
    println!("opened {}", connections.refused);
    connections.hold_until(stdin().as_fd(), &mut Deaf)
}

/// A worker, as who started it sees it.
#[derive(Debug)]
pub(crate) struct Worker {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Worker {
    /// Starts one that is to open a socket for each token, and waits until it is ready.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) async fn start(address: SocketAddr, tokens: &[String]) -> anyhow::Result<Self> {
        let mut command = Process::command(&std::env::current_exe()?, Signal::SIGKILL);
        command.arg("--worker").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().context("a worker cannot be started")?;
        let (input, output) = child.stdin.take().zip(child.stdout.take()).context("a worker without pipes")?;
        let mut worker = Self { child, input, output: BufReader::new(output) };
        worker.tell(&json!({ "address": address, "tokens": tokens }).to_string()).await?;
        worker.says("ready").await?;
        Ok(worker)
    }

    /// Its process id.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Makes it open its sockets.
    ///
    /// # Errors
    /// It has ended.
    pub(crate) async fn begin(&mut self) -> anyhow::Result<()> {
        self.tell("begin").await
    }

    /// Waits until it has opened all. Returns how often the server was too busy.
    ///
    /// # Errors
    /// One was refused; the worker has said which on its standard error.
    pub(crate) async fn opened(&mut self) -> anyhow::Result<usize> {
        Ok(self.says("opened ").await?.parse()?)
    }

    /// Closes the sockets.
    ///
    /// # Errors
    /// One was closed before.
    pub(crate) async fn end(self) -> anyhow::Result<()> {
        let Self { mut child, input, .. } = self;
        drop(input);
        let status = timeout(LIMIT, child.wait()).await.context("a worker does not end")??;
        ensure!(status.success(), "a worker ended with {status}");
        Ok(())
    }

    async fn tell(&mut self, line: &str) -> anyhow::Result<()> {
        let line = format!("{line}\n");
        timeout(LIMIT, self.input.write_all(line.as_bytes())).await.context("a worker does not listen")??;
        Ok(())
    }

    /// Reads a line that begins so; returns the rest.
    async fn says(&mut self, wanted: &str) -> anyhow::Result<String> {
        let mut line = String::new();
        timeout(LIMIT, self.output.read_line(&mut line))
            .await
            .with_context(|| format!("a worker is not {wanted}"))??;
        let rest = line.trim_end_matches('\n').strip_prefix(wanted);
        rest.map(str::to_owned).with_context(|| format!("a worker ended before it was {wanted}"))
    }
}
