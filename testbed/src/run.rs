//! `testbed run`: runs the whole system until SIGINT or SIGTERM.

use std::{
    fs::{self, DirBuilder, File},
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use neonchat_common::{
    lifecycle::shutdown_signal,
    settings::{SettingsSource, is_loopback, is_well_known},
};
use uuid::Uuid;

use crate::{
    port,
    postgres::{self, Postgres},
    redis::{Persistence, Redis},
    system::{HOSTS, Ports, System, THIS_MACHINE},
};

/// The directory of all data that outlives a run, below the working directory.
const STATE_FOLDER: &str = ".neonchat";

/// The preferred ports of the private servers, so that a configured connection works in the next run too.
const POSTGRES_PORT: u16 = 15432;
const REDIS_PORT: u16 = 16379;

const DATABASE: &str = "neondb";

/// The secrets of the services. Those in `.env.example` are public.
const SECRETS: [&str; 2] = ["JWT_SECRET", "INTERNAL_TOKEN"];

/// Starts Postgres and Redis (or uses those of `DATABASE_URL` and `REDIS_URL`) and both services, and runs until SIGINT or
/// SIGTERM.
///
/// # Errors
/// A process does not start, or ends unexpectedly. All others are stopped.
pub async fn run() -> anyhow::Result<()> {
    let plan = Plan::read(SettingsSource::load()?)?;
    fs::create_dir_all(STATE_FOLDER)?;
    let folder = fs::canonicalize(STATE_FOLDER)?;
    let _lock = lock(&folder)?;
    for (setting, port) in plan.ports.named() {
        port::require_free(setting, port)?;
    }

    let mut started = Started::default();
    let outcome = tokio::select! {
        () = shutdown_signal() => Ok(()),
        failed = started.serve(&folder, plan) => failed,
    };
    // Stopping the others may take a while. The whole error, with the log of the service, is printed last.
    if let Err(error) = &outcome {
        println!("\n{}", error.to_string().lines().next().unwrap_or_default());
    }
    println!("\nStopping …");
    let stopped = started.stop().await;
    outcome.and(stopped)
}

/// The settings of a run.
struct Plan {
    ports: Ports,
    /// The address for each of [`HOSTS`]. The default is this machine only.
    hosts: Vec<(&'static str, String)>,
    /// Those of [`SECRETS`] that are not set, or set to a public value.
    missing_secrets: Vec<&'static str>,
    database_url: Option<String>,
    redis_url: Option<String>,
    log_format: String,
    /// Whether chat-service serves the web client.
    has_client: bool,
}

impl Plan {
    fn read(mut source: SettingsSource) -> anyhow::Result<Self> {
        let mut is_missing =
            |name: &&str| source.secret(name).is_none_or(|secret: String| is_well_known(secret.as_bytes()));
        let plan = Self {
            missing_secrets: SECRETS.into_iter().filter(&mut is_missing).collect(),
            ports: Ports::configured(&mut source),
            hosts: HOSTS.map(|name| (name, source.text(name, THIS_MACHINE))).into(),
            database_url: source.secret("DATABASE_URL"),
            redis_url: source.secret("REDIS_URL"),
            // The logs are files that people read.
            log_format: source.text("LOG_FORMAT", "text"),
            has_client: source.choice("WEB_CLIENT", ("on", true), &[("off", false)]),
        };
        source.finish()?;
        Ok(plan)
    }

    /// Returns the settings of the services that differ from those of this process. Creates missing secrets.
    fn settings(&self, folder: &Path) -> anyhow::Result<Vec<(String, String)>> {
        let hosts = self.hosts.iter().map(|(name, host)| ((*name).to_owned(), host.clone()));
        let secrets = self.missing_secrets.iter().map(|name| {
            let path = own_secret(folder, name).with_context(|| format!("{name} cannot be written"))?;
            Ok((format!("{name}_FILE"), path.display().to_string()))
        });
        hosts.map(Ok).chain(secrets).collect()
    }
}

/// Returns the file of a random secret that only this user can read. The first run creates it.
fn own_secret(folder: &Path, name: &str) -> std::io::Result<PathBuf> {
    let folder = folder.join("secrets");
    DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    let path = folder.join(name);
    if !path.exists() {
        // Renamed when complete, so that no partial file is read.
        let draft = folder.join(format!("{name}.new"));
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        // 122 random bits each.
        writeln!(file, "{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())?;
        fs::rename(draft, &path)?;
    }
    Ok(path)
}

/// The processes that were started.
#[derive(Default)]
struct Started {
    postgres: Option<Postgres>,
    redis: Option<Redis>,
    system: Option<System>,
}

impl Started {
    /// Starts all processes. Returns when one fails.
    async fn serve(&mut self, folder: &Path, plan: Plan) -> anyhow::Result<()> {
        let mut settings = plan.settings(folder)?;
        let Plan { ports, hosts, database_url, redis_url, log_format, has_client, .. } = plan;
        let database_url = if let Some(url) = database_url {
            url
        } else {
            println!("Starting Postgres …");
            let postgres = Postgres::start(&folder.join("postgres"), Some(POSTGRES_PORT)).await?;
            let postgres = self.postgres.insert(postgres);
            postgres::create_database(&postgres.url("postgres"), DATABASE).await?;
            postgres.url(DATABASE)
        };
        let redis_url = if let Some(url) = redis_url {
            url
        } else {
            println!("Starting Redis …");
            let folder = folder.join("redis");
            let redis = Redis::start(&folder, Some(REDIS_PORT), Persistence::AppendOnly).await?;
            self.redis.insert(redis).url()
        };
        println!("Starting both services …");
        let logs = folder.join("logs");
        settings.push(("DATABASE_URL".to_owned(), database_url.clone()));
        settings.push(("REDIS_URL".to_owned(), redis_url.clone()));
        settings.push(("LOG_FORMAT".to_owned(), log_format));
        let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let system = self.system.insert(System::start(&logs, ports, &settings).await?);
        announce(ports, has_client, &database_url, &redis_url, &logs);
        warn_of_others(&hosts);
        bail!(system.failed().await?)
    }

    /// Stops all processes, each before those that it depends on.
    async fn stop(self) -> anyhow::Result<()> {
        if let Some(system) = self.system {
            system.stop().await?;
        }
        if let Some(redis) = self.redis {
            redis.stop().await?;
        }
        if let Some(postgres) = self.postgres {
            postgres.stop().await?;
        }
        Ok(())
    }
}

fn announce(ports: Ports, has_client: bool, database_url: &str, redis_url: &str, logs: &Path) {
    let Ports { rest, chat_grpc, notification_grpc, websocket, .. } = ports;
    let chat = ports.chat_operations.unwrap_or(rest);
    let notification = ports.notification_operations.unwrap_or(websocket);
    println!("\nNeonChat is running. Ctrl-C stops it; the data is kept.\n");
    if has_client {
        println!("\x20 Client      open http://localhost:{rest}");
    }
    println!(
        "\x20 REST        http://localhost:{rest}/api/v1, documented at http://localhost:{rest}/swagger-ui/\n\
         \x20 WebSocket   ws://localhost:{websocket}/ws?token=…\n\
         \x20 gRPC        localhost:{chat_grpc} (chat-service), localhost:{notification_grpc} (notification-service)\n\
         \x20 Health      http://localhost:{chat}/health, http://localhost:{notification}/health\n\
         \x20 Metrics     http://localhost:{chat}/metrics, http://localhost:{notification}/metrics\n\
         \x20 Postgres    {}\n\
         \x20 Redis       {}\n\
         \x20 Logs        {}",
        without_password(database_url),
        without_password(redis_url),
        logs.display()
    );
}

fn warn_of_others(hosts: &[(&'static str, String)]) {
    for (name, host) in hosts.iter().filter(|(_, host)| !is_loopback(host)) {
        println!("\n{name}={host}: other machines can connect, without TLS.");
    }
}

/// Returns a URL without its password and parameters, which may contain another password.
fn without_password(url: &str) -> String {
    let url = url.split_once('?').map_or(url, |(url, _)| url);
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, rest)), Some((_, host))) => {
            let user = rest.split([':', '@']).next().unwrap_or_default();
            format!("{scheme}://{user}@{host}")
        }
        _ => url.to_owned(),
    }
}

/// Locks the directory, so that only one run uses it. The lock ends with the process.
fn lock(folder: &Path) -> anyhow::Result<File> {
    let path: PathBuf = folder.join("lock");
    let file = File::create(&path).with_context(|| format!("{} cannot be written", path.display()))?;
    file.try_lock().with_context(|| format!("another `make run` is active in {}", folder.display()))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn hides_passwords() {
        assert_eq!(without_password("postgres://u:p%40@h:1/d"), "postgres://u@h:1/d");
        assert_eq!(without_password("redis://:p@h:1/0"), "redis://@h:1/0");
        assert_eq!(without_password("redis://h:1/0"), "redis://h:1/0");
        let sentinel = "redis-sentinel://:p@h:1/0?sentinelServiceName=n&sentinelPassword=p@q";
        assert_eq!(without_password(sentinel), "redis-sentinel://@h:1/0");
    }

    #[test]
    fn creates_secrets_unless_they_are_set() {
        let plan = |values: &[(&str, &str)]| {
            Plan::read(SettingsSource::from_values(values.iter().copied())).expect("read the settings")
        };
        assert_eq!(plan(&[]).missing_secrets, SECRETS);
        let example = [("JWT_SECRET", "your-super-secret-jwt-key-change-in-production"), ("INTERNAL_TOKEN", "mine")];
        assert_eq!(plan(&example).missing_secrets, ["JWT_SECRET"]);
    }

    #[test]
    fn listens_on_this_machine_by_default() {
        let hosts = |values: &[(&str, &str)]| {
            let plan = Plan::read(SettingsSource::from_values(values.iter().copied())).expect("read the settings");
            plan.hosts.into_iter().map(|(_, host)| host).collect::<Vec<_>>()
        };
        assert_eq!(hosts(&[]), [THIS_MACHINE; HOSTS.len()]);
        let expected = HOSTS.map(|name| if name == "NOTIFICATION_SERVICE_HOST" { "0.0.0.0" } else { THIS_MACHINE });
        assert_eq!(hosts(&[("NOTIFICATION_SERVICE_HOST", "0.0.0.0")]), expected);
    }

    #[test]
    fn secret_is_random_private_and_kept() {
        let read = |folder: &Path| {
            fs::read_to_string(own_secret(folder, "JWT_SECRET").expect("create a secret")).expect("read the file")
        };
        let folders =
            [tempfile::tempdir().expect("create a directory"), tempfile::tempdir().expect("create a directory")];
        let secrets = folders.each_ref().map(|folder| read(folder.path()));
        assert!(secrets[0] != secrets[1] && secrets[0].trim().len() == 64, "{secrets:?}");
        assert_eq!(read(folders[0].path()), secrets[0]);
        let folder = folders[0].path().join("secrets");
        let mode = |path: &Path| fs::metadata(path).expect("metadata").permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join("JWT_SECRET"))), (0o700, 0o600));
    }
}
