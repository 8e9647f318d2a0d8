//! `testbed exec`: runs a command with a private Postgres and Redis.

use std::{
    env,
    fs::Permissions,
    os::unix::{fs::PermissionsExt as _, process::ExitStatusExt as _},
    path::{Path, PathBuf},
    process::ExitStatus,
};

use anyhow::Context as _;
use nix::sys::statvfs::statvfs;
use tempfile::TempDir;
use tokio::{process::Command, signal::unix::SignalKind};

use crate::{
    harness::{DATABASE_VARIABLE, REDIS_VARIABLE},
    postgres::Postgres,
    process::Signal,
    redis::{Persistence, Redis},
};

/// The free memory from which the data is kept there, in bytes: twice of what the whole suite writes.
const MEMORY_NEEDED: u64 = 12 << 30;

/// A private Postgres and Redis in a temporary directory.
#[derive(Debug)]
pub struct Servers {
    /// Postgres.
    pub postgres: Postgres,
    /// Redis.
    pub redis: Redis,
    folder: TempDir,
}

impl Servers {
    /// Starts both.
    ///
    /// # Errors
    /// A server is not installed, or does not start.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(&[]).await
    }

    /// Starts both, Postgres with these settings (`name=value`).
    ///
    /// # Errors
    /// As [`Servers::start`].
    pub async fn start_with(postgres_settings: &[&str]) -> anyhow::Result<Self> {
        Self::start_in(&env::temp_dir(), postgres_settings).await
    }

    async fn start_in(parent: &Path, postgres_settings: &[&str]) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("neonchat-").tempdir_in(parent)?;
        // Postgres may run as another user, who needs access.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        let postgres = Postgres::start_with(&folder.path().join("postgres"), None, &[], postgres_settings).await?;
        let redis = Redis::start(&folder.path().join("redis"), None, Persistence::None).await?;
        Ok(Self { postgres, redis, folder })
    }

    /// Returns the temporary directory, which is removed with the servers.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Stops both and removes the directory.
    ///
    /// # Errors
    /// A server does not stop.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.redis.stop().await?;
        self.postgres.discard().await?;
        Ok(self.folder.close()?)
    }
}

/// Returns where the servers keep what is thrown away afterwards: in memory, if there is enough. Each test makes a database of some 900
/// files, which takes more than twice as long on a disk.
fn parent() -> PathBuf {
    let has_space = |folder: &&str| {
        statvfs(*folder).is_ok_and(|system| system.blocks_available() * system.fragment_size() >= MEMORY_NEEDED)
    };
    Some("/dev/shm").filter(has_space).map_or_else(env::temp_dir, PathBuf::from)
}

/// Runs a command. Returns its exit code like a shell.
///
/// # Errors
/// The servers or the command do not start.
pub async fn exec(program: &str, arguments: &[String]) -> anyhow::Result<u8> {
    let servers = Servers::start_in(&parent(), &[]).await?;
    let mut child = Command::new(program)
        .args(arguments)
        .env(DATABASE_VARIABLE, servers.postgres.url("postgres"))
        .env(REDIS_VARIABLE, servers.redis.url())
        .spawn()
        .with_context(|| format!("{program} cannot be started"))?;
    let mut terminate = tokio::signal::unix::signal(SignalKind::terminate())?;
    // Ctrl-C reaches the command too, which is in the same process group. This process waits for it, then cleans up.
    let mut interrupt = tokio::signal::unix::signal(SignalKind::interrupt())?;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            _ = interrupt.recv() => {}
            _ = terminate.recv() => forward(&child, Signal::SIGTERM)?,
        }
    };
    servers.stop().await?;
    Ok(code(status))
}

fn forward(child: &tokio::process::Child, signal: Signal) -> anyhow::Result<()> {
    if let Some(id) = child.id() {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(i32::try_from(id)?), signal)?;
    }
    Ok(())
}

/// Returns the exit code, or 128 plus the signal that ended the process.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
