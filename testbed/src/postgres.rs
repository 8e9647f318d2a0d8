//! A private Postgres cluster, made of the machine's own binaries.

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

use crate::{
    poll::until,
    port,
    process::{Process, Signal},
};

/// The longest that it takes to start. After a crash it has its log to replay first.
const START_TIMEOUT: Duration = Duration::from_mins(1);

/// The longest that the processes of a server that was killed take to notice it, and end.
const LEFTOVERS_LIMIT: Duration = Duration::from_secs(5);

/// The longest that it takes to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// A running cluster. It listens on 127.0.0.1 alone, and asks for no password: its data is a developer's.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    port: u16,
}

impl Postgres {
    /// Starts the cluster whose data is in `folder`, after making it where there is none. `preferred_port` is taken if
    /// it is free.
    ///
    /// # Errors
    /// There is no Postgres on this machine, or it does not start.
    pub async fn start(folder: &Path, preferred_port: Option<u16>) -> anyhow::Result<Self> {
        Self::start_with(folder, preferred_port, &[], &[]).await
    }

    /// As [`Postgres::start`], with these variables in its environment and these settings (`name=value`).
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
            _ => port::free()?,
        };
        let mut command = command("postgres", owner.as_ref())?;
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.arg("-D").arg(&data).arg("-p").arg(port.to_string());
        let own = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=400"];
        for setting in own.iter().chain(settings) {
            command.arg("-c").arg(setting);
        }
        let mut process = Process::spawn("postgres", &mut command, &folder.join("postgres.log"))?;
        let url = url(port, "postgres");
        process.ready_when(START_TIMEOUT, async || answers(&url).await).await?;
        Ok(Self { process, port })
    }

    /// Starts a replica of it, with its data in `folder`: a server that can be read, and follows this one.
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

    /// Where it listens.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a database in it, for the superuser.
    #[must_use]
    /// Returns the URL of a database on this machine, for the superuser.
    pub fn url(&self, database: &str) -> String {
        url(self.port, database)
    }

    /// The id of its first process, the parent of all others, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// The process, for faults.
    pub const fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Sends a signal to the server and to each of its processes.
    ///
    /// # Errors
    /// As kill(2).
    pub fn signal_all(&self, signal: Signal) -> anyhow::Result<()> {
        // The server first, so that it starts no further process meanwhile.
        self.process.signal(signal)?;
        let Some(server) = self.process.id() else { return Ok(()) };
        let children = fs::read_to_string(format!("/proc/{server}/task/{server}/children"))?;
        for child in children.split_whitespace() {
            // One that has just ended needs no signal.
            let _ = kill(Pid::from_raw(child.parse()?), signal);
        }
        Ok(())
    }

    /// Ends it: rolls back what is open, and writes everything down.
    ///
    /// # Errors
    /// It does not end.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let status = self.process.stop(Signal::SIGINT, STOP_TIMEOUT).await?;
        ensure!(status.success(), "postgres ended with {status}:\n{}", self.process.tail());
        Ok(())
    }
}

/// Makes a database in the cluster at `url`, if there is none of this name.
///
/// # Errors
/// The cluster does not allow it.
pub async fn create_database(url: &str, name: &str) -> anyhow::Result<()> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let create = async {
        let exists = client.query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&name]).await?;
        if exists.is_none() {
            client.batch_execute(&format!("CREATE DATABASE \"{name}\"")).await?;
        }
        drop(client);
        anyhow::Ok(())
    };
    let (created, connection) = tokio::join!(create, connection);
    created?;
    Ok(connection?)
}

/// Returns the URL of a database on this machine, for the superuser.
#[must_use]
pub fn url(port: u16, database: &str) -> String {
    format!("postgres://neon@127.0.0.1:{port}/{database}")
}

async fn answers(url: &str) -> bool {
    tokio_postgres::connect(url, NoTls).await.is_ok()
}

/// Waits for the processes that a killed server has left behind: as long as one of them has the server's shared memory,
/// no other server starts on the same data. After [`LEFTOVERS_LIMIT`] it may still try, and says why it cannot.
async fn leftovers_gone(data: &Path) {
    let _ = timeout(LEFTOVERS_LIMIT, until(async || !is_memory_in_use(data))).await;
}

/// The seventh line of `postmaster.pid` has the key and the id of the shared memory; the kernel lists, as
/// the fifth value after the id, how many processes have it.
fn is_memory_in_use(data: &Path) -> bool {
    let Ok(left) = fs::read_to_string(data.join("postmaster.pid")) else { return false };
    let Some(id) = left.lines().nth(6).and_then(|memory| memory.split_whitespace().nth(1)) else { return false };
    let segments = fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    let mut segments = segments.lines().map(|segment| segment.split_whitespace().skip(1));
    segments.any(|mut segment| segment.next() == Some(id) && segment.nth(4).is_some_and(|users| users != "0"))
}

/// Who runs the server: somebody else where this process is root, for Postgres refuses root.
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

/// Where the data is. Another user may not be able to enter the folders above `folder` (`/root`, say); the data is then
/// elsewhere, and `folder` has a link to it, so that it is found again.
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
        fs::create_dir_all(&elsewhere).with_context(|| format!("{} cannot be made", elsewhere.display()))?;
        std::os::unix::fs::symlink(&elsewhere, &data)?;
        elsewhere
    };
    chown(&real, Some(owner.uid.as_raw()), Some(owner.gid.as_raw()))?;
    Ok(real)
}

/// Whether everybody may enter a folder.
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

/// A program of Postgres, run as its owner. It starts in `/`: the owner may not be able to enter where we are.
fn command(program: &str, owner: Option<&User>) -> anyhow::Result<Command> {
    let program = binary(program)?;
    // SIGINT is Postgres' fast shutdown.
    let mut command = Process::command(&program, Signal::SIGINT);
    command.current_dir("/");
    if let Some(owner) = owner {
        command.uid(owner.uid.as_raw()).gid(owner.gid.as_raw());
    }
    Ok(command)
}

/// Debian keeps the server's programs apart from the PATH, in a folder for each version; the newest one counts.
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
