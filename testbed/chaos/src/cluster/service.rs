//! One instance of a service. It can be killed, frozen, stopped and restarted.

use std::path::{Path, PathBuf};

use anyhow::ensure;
use neonchat_testbed::{
    process::{Process, Signal},
    system::{START_TIMEOUT, STOP_TIMEOUT, binary, is_ready},
};

use super::memory::Pids;

/// One instance of a service.
#[derive(Debug)]
pub struct Service {
    name: String,
    program: &'static str,
    /// The HTTP port.
    pub http_port: u16,
    environment: Vec<(String, String)>,
    logs: PathBuf,
    pids: Pids,
    process: Option<Process>,
}

impl Service {
    /// Returns instance `index` of a program. It is not running yet.
    pub(super) fn new(
        program: &'static str,
        index: usize,
        http_port: u16,
        environment: Vec<(String, String)>,
        logs: &Path,
        pids: Pids,
    ) -> Self {
        let name = format!("{program}-{index}");
        Self { name, program, http_port, environment, logs: logs.to_owned(), pids, process: None }
    }

    /// Returns the name, such as `chat-service-0`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts the process with additional environment variables. Does not wait until it is ready.
    ///
    /// # Errors
    /// The binary has not been built.
    pub fn spawn(&mut self, further: &[(String, String)]) -> anyhow::Result<()> {
        let mut command = Process::command(&binary(self.program)?, Signal::SIGTERM);
        command.envs(self.environment.iter().chain(further).map(|(name, value)| (name, value)));
        let process = Process::spawn(&self.name, &mut command, &self.logs.join(format!("{}.log", self.name)))?;
        self.pids.set(&self.name, process.id());
        self.process = Some(process);
        Ok(())
    }

    /// Waits until it is ready.
    ///
    /// # Errors
    /// It is not ready within [`START_TIMEOUT`].
    pub async fn ready(&mut self) -> anyhow::Result<()> {
        let port = self.http_port;
        match &mut self.process {
            Some(process) => process.ready_when(START_TIMEOUT, async || is_ready(port).await).await,
            None => anyhow::bail!("{} is not running", self.name),
        }
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// As [`Service::spawn`] and [`Service::ready`].
    pub async fn start(&mut self, further: &[(String, String)]) -> anyhow::Result<()> {
        self.spawn(further)?;
        self.ready().await
    }

    /// Sends a signal, if it is running.
    ///
    /// # Errors
    /// As kill(2).
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        self.process.as_ref().map_or(Ok(()), |process| process.signal(signal))
    }

    /// Kills the process with SIGKILL, if it is running.
    ///
    /// # Errors
    /// As kill(2) and waitpid(2).
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut process) = self.process.take() {
            self.pids.set(&self.name, None);
            process.signal(Signal::SIGKILL)?;
            process.wait().await?;
        }
        Ok(())
    }

    /// Stops the process with SIGTERM, if it is running, and waits until it has drained.
    ///
    /// # Errors
    /// It does not end within [`STOP_TIMEOUT`], or ends with an error.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        if let Some(mut process) = self.process.take() {
            let status = process.stop(Signal::SIGTERM, STOP_TIMEOUT).await;
            self.pids.set(&self.name, None);
            let status = status?;
            ensure!(status.success(), "{} ended with {status}:\n{}", self.name, process.tail());
        }
        Ok(())
    }
}
