//! Child processes. Each has its own log, and none outlives this process.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use anyhow::{Context as _, bail};
pub use nix::sys::signal::Signal;
use nix::{sys::signal::kill, unistd::Pid};
use tokio::{
    process::{Child, Command},
    time::{Instant, timeout},
};

use crate::poll::POLL_INTERVAL;

/// A running child process.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` and appends its output to `log`.
    ///
    /// The child has its own process group, so that Ctrl-C reaches only this process, which then stops its children in the
    /// right order. If this process is killed, the kernel ends the child (see [`Process::command`]).
    ///
    /// # Errors
    /// The program or the log cannot be opened.
    pub fn spawn(name: impl Into<String>, command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let name = name.into();
        let output = File::options().create(true).append(true).open(log);
        let output = output.with_context(|| format!("{} cannot be written", log.display()))?;
        command.stdin(std::process::Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.process_group(0).kill_on_drop(true).spawn();
        let child = child.with_context(|| format!("{name} cannot be started"))?;
        Ok(Self { name, child, log: log.to_owned() })
    }

    /// Returns a command whose process gets `signal` from the kernel when the thread that spawned it ends.
    #[must_use]
    pub fn command(program: &Path, signal: Signal) -> Command {
        let mut command = Command::new("setpriv");
        command.arg("--pdeathsig").arg(signal.as_str().trim_start_matches("SIG")).arg("--").arg(program);
        command
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the path of the log.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Returns the process ID, while it is running.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Sends a signal, if it is still running.
    ///
    /// # Errors
    /// As kill(2).
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        if let Some(id) = self.child.id() {
            kill(Pid::from_raw(i32::try_from(id)?), signal)?;
        }
        Ok(())
    }

    /// Returns whether it has ended.
    ///
    /// # Errors
    /// As waitpid(2).
    pub fn has_ended(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Waits until it ends.
    ///
    /// # Errors
    /// As waitpid(2).
    pub async fn wait(&mut self) -> anyhow::Result<ExitStatus> {
        Ok(self.child.wait().await?)
    }

    /// Sends a signal and waits until the process ends. Kills it after `limit`.
    ///
    /// # Errors
    /// The process did not end within `limit`.
    pub async fn stop(&mut self, signal: Signal, limit: Duration) -> anyhow::Result<ExitStatus> {
        self.signal(signal)?;
        if let Ok(status) = timeout(limit, self.child.wait()).await {
            return Ok(status?);
        }
        self.child.kill().await?;
        bail!("{} did not end within {limit:?} of {signal}", self.name)
    }

    /// Waits until `is_ready` returns true.
    ///
    /// # Errors
    /// The process ended, or was not ready within `limit`. The error has the last lines of the log.
    pub async fn ready_when(&mut self, limit: Duration, is_ready: impl AsyncFn() -> bool) -> anyhow::Result<()> {
        let deadline = Instant::now() + limit;
        while !is_ready().await {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended during its start ({status}):\n{}", self.name, self.tail());
            }
            if Instant::now() > deadline {
                bail!("{} was not ready within {limit:?}:\n{}", self.name, self.tail());
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }

    /// Returns the last lines of the log.
    #[must_use]
    pub fn tail(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}
