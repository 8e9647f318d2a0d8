//! A private Postgres from the binaries of this machine.

mod databases;

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use nix::{
    sys::signal::kill,
    unistd::{Pid, Uid, User},
};
use tokio::{process::Command, time::timeout};
use tokio_postgres::NoTls;

pub use self::databases::{copy_database, create_database, with_database};
use crate::{
    poll::until,
    port,
    process::{Process, Signal},
};

/// The longest start, which includes crash recovery.
const START_TIMEOUT: Duration = Duration::from_mins(1);

/// The longest until the child processes of a killed server end.
const LEFTOVERS_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// A running Postgres. It listens on 127.0.0.1 only and requires no password, because it holds only test data.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    port: u16,
}

impl Postgres {
    /// Starts Postgres with its data in `folder`. Creates the data if there is none. Uses `preferred_port` if it is free.
    ///
    /// # Errors
    /// Postgres is not installed, or does not start.
    pub async fn start(folder: &Path, preferred_port: Option<u16>) -> anyhow::Result<Self> {
        Self::start_with(folder, preferred_port, &[], &[]).await
    }

    /// As [`Postgres::start`], with environment variables and settings (`name=value`).
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub async fn start_with(
        folder: &Path,
        preferred_port: Option<u16>,
        environment: &[(String, String)],
        settings: &[&str],
    ) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        let owner = owner()?;
        let data = data_folder(folder, owner.as_ref())?;
        if !data.join("PG_VERSION").exists() {
            init(&data, owner.as_ref()).await?;
        }
        leftovers_gone(&data).await;
        let port = match preferred_port {
            Some(port) if port::require_free("", port).is_ok() => port,
            _ => port::reserve()?,
        };
        let mut command = command("postgres", owner.as_ref())?;
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.arg("-D").arg(&data).arg("-p").arg(port.to_string());
        // Segments of POSIX shared memory would stay in /dev/shm after a server that is killed: 8 MB each.
        let segments = "dynamic_shared_memory_type=mmap";
        let own = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=400", segments];
        for setting in own.iter().chain(settings) {
            command.arg("-c").arg(setting);
        }
        let mut process = Process::spawn("postgres", &mut command, &folder.join("postgres.log"))?;
        let url = url(port, "postgres");
        process.ready_when(START_TIMEOUT, async || answers(&url).await).await?;
        Ok(Self { process, port })
    }

    /// Starts a hot standby replica with its data in `folder`.
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub async fn replica(&self, folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        let owner = owner()?;
        let data = data_folder(folder, owner.as_ref())?;
        fs::set_permissions(&data, Permissions::from_mode(0o700))?;
        let mut copy = command("pg_basebackup", owner.as_ref())?;
        copy.args(["--checkpoint=fast", "--write-recovery-conf", "--username=neon", "--host=127.0.0.1", "--port"]);
        let output = copy.arg(self.port.to_string()).arg("-D").arg(data).output().await.context("pg_basebackup")?;
        ensure!(output.status.success(), "pg_basebackup failed:\n{}", String::from_utf8_lossy(&output.stderr));
        Self::start(folder, None).await
    }

    /// Returns the port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Returns the URL of a database on this machine, for the superuser.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        url(self.port, database)
    }

    /// Returns the process ID of the postmaster, while it is running.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Returns the process, for fault injection.
    pub const fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Sends a signal to the postmaster and to each of its children.
    ///
    /// # Errors
    /// As kill(2).
    pub fn signal_all(&self, signal: Signal) -> anyhow::Result<()> {
        // The postmaster first, so that it starts no process in the meantime.
        self.process.signal(signal)?;
        let Some(server) = self.process.id() else { return Ok(()) };
        let children = fs::read_to_string(format!("/proc/{server}/task/{server}/children"))?;
        for child in children.split_whitespace() {
            // The child may have ended.
            let _ = kill(Pid::from_raw(child.parse()?), signal);
        }
        Ok(())
    }

    /// Stops Postgres with a fast shutdown.
    ///
    /// # Errors
    /// It does not stop.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let status = self.process.stop(Signal::SIGINT, STOP_TIMEOUT).await?;
        ensure!(status.success(), "postgres ended with {status}:\n{}", self.process.tail());
        Ok(())
    }

    /// Stops Postgres with an immediate shutdown, for data that nobody needs any more: it writes no checkpoint, which takes long
    /// for hundreds of databases on a busy disk.
    ///
    /// # Errors
    /// It does not stop.
    pub async fn discard(mut self) -> anyhow::Result<()> {
        self.process.stop(Signal::SIGQUIT, STOP_TIMEOUT).await.map(drop)
    }
}

/// Returns the URL of a database on this machine, for the superuser.
#[must_use]
pub fn url(port: u16, database: &str) -> String {
    format!("postgres://neon@127.0.0.1:{port}/{database}")
}

async fn answers(url: &str) -> bool {
    tokio_postgres::connect(url, NoTls).await.is_ok()
}

/// Waits for the children of a killed server. While one of them has the shared memory of the server, no other server starts
/// on the same data. After [`LEFTOVERS_TIMEOUT`] the start is tried anyway, and reports the error.
async fn leftovers_gone(data: &Path) {
    let _ = timeout(LEFTOVERS_TIMEOUT, until(async || !is_memory_in_use(data))).await;
}

/// The seventh line of `postmaster.pid` has the key and the ID of the shared memory. The kernel lists the number of attached
/// processes as the fifth value after the ID.
fn is_memory_in_use(data: &Path) -> bool {
    let Ok(left) = fs::read_to_string(data.join("postmaster.pid")) else { return false };
    let Some(id) = left.lines().nth(6).and_then(|memory| memory.split_whitespace().nth(1)) else { return false };
    let segments = fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    let mut segments = segments.lines().map(|segment| segment.split_whitespace().skip(1));
    segments.any(|mut segment| segment.next() == Some(id) && segment.nth(4).is_some_and(|users| users != "0"))
}

/// Returns the user that runs the server. Postgres refuses to run as root.
fn owner() -> anyhow::Result<Option<User>> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if let Some(user) = User::from_name(name)? {
            return Ok(Some(user));
        }
    }
    bail!("Postgres refuses to run as root, and there is no user postgres or nobody to run it as")
}

/// Returns the data directory. If the other user cannot enter a directory above `folder`, such as `/root`, the data is below
/// `/var/lib/neonchat`, and `folder` has a symbolic link to it.
fn data_folder(folder: &Path, owner: Option<&User>) -> anyhow::Result<PathBuf> {
    let data = fs::canonicalize(folder)?.join("data");
    if data.exists() {
        return Ok(fs::canonicalize(data)?);
    }
    let Some(owner) = owner else {
        fs::create_dir(&data)?;
        return Ok(data);
    };
    let real = if data.ancestors().skip(1).all(may_enter) {
        fs::create_dir(&data)?;
        data
    } else {
        let elsewhere = Path::new("/var/lib/neonchat").join(uuid::Uuid::new_v4().to_string());
        fs::create_dir_all(&elsewhere).with_context(|| format!("{} cannot be created", elsewhere.display()))?;
        std::os::unix::fs::symlink(&elsewhere, &data)?;
        elsewhere
    };
    chown(&real, Some(owner.uid.as_raw()), Some(owner.gid.as_raw()))?;
    Ok(real)
}

/// Returns whether every user may enter a directory.
fn may_enter(folder: &Path) -> bool {
    folder.metadata().is_ok_and(|metadata| metadata.mode() & 0o001 != 0)
}

async fn init(data: &Path, owner: Option<&User>) -> anyhow::Result<()> {
    let output = command("initdb", owner)?
        .args(["--username=neon", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "-D"])
        .arg(data)
        .output()
        .await
        .context("initdb cannot be started")?;
    ensure!(output.status.success(), "initdb failed:\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Returns a command for a program of Postgres, run by its owner. It starts in `/`, because the owner may not have access to
/// the working directory.
fn command(program: &str, owner: Option<&User>) -> anyhow::Result<Command> {
    let program = binary(program)?;
    // SIGINT is the fast shutdown of Postgres.
    let mut command = Process::command(&program, Signal::SIGINT);
    command.current_dir("/");
    if let Some(owner) = owner {
        command.uid(owner.uid.as_raw()).gid(owner.gid.as_raw());
    }
    Ok(command)
}

/// Finds a program of Postgres. On Debian the programs are not in the PATH but in a directory for each version. Prefers the
/// newest version.
fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort_unstable();
    let mut folders = versions.into_iter().rev().map(|(_, folder)| folder).chain(std::env::split_paths(&on_path));
    folders
        .find_map(|folder| Some(folder.join(name)).filter(|path| path.is_file()))
        .with_context(|| format!("{name} was not found. Install it: sudo apt-get install postgresql"))
}
