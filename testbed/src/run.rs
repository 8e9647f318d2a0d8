//! `testbed run`: all of it, until it is told to end.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use neonchat_common::{lifecycle::shutdown_signal, settings::Reader};

use crate::{
    port,
    postgres::{self, Postgres},
    redis::{Persistence, Redis},
    system::{Ports, System},
};

/// What outlives a run is here, below the folder that it is started in.
const STATE_FOLDER: &str = ".neonchat";

/// The ports of the private servers, if they are free: a connection that someone has configured finds them again.
const POSTGRES_PORT: u16 = 15432;
const REDIS_PORT: u16 = 16379;

const DATABASE: &str = "neondb";

/// Starts Postgres and Redis (or uses those that `DATABASE_URL` and `REDIS_URL` name) and both services, and stays until
/// SIGINT or SIGTERM.
///
/// # Errors
/// Something does not start, or ends by itself. Whatever was started is ended.
pub async fn run() -> anyhow::Result<()> {
    let mut reader = Reader::load()?;
    let ports = Ports::configured(&mut reader);
    let mut given = |name| reader.optional(name).map(str::to_owned);
    let (database_url, redis_url) = (given("DATABASE_URL"), given("REDIS_URL"));
    reader.finish()?;

    fs::create_dir_all(STATE_FOLDER)?;
    let folder = fs::canonicalize(STATE_FOLDER)?;
    let _lock = lock(&folder)?;
    for (setting, port) in ports.named() {
        port::require_free(setting, port)?;
    }

    let mut started = Started::default();
    let outcome = tokio::select! {
        () = shutdown_signal() => Ok(()),
        failed = started.serve(&folder, ports, database_url, redis_url) => failed,
    };
    println!("\nEnding …");
    let stopped = started.stop().await;
    outcome.and(stopped)
}

/// What runs.
#[derive(Default)]
struct Started {
    postgres: Option<Postgres>,
    redis: Option<Redis>,
    system: Option<System>,
}

impl Started {
    /// Starts all of it. Returns when something fails.
    async fn serve(
        &mut self,
        folder: &Path,
        ports: Ports,
        database_url: Option<String>,
        redis_url: Option<String>,
    ) -> anyhow::Result<()> {
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
        let settings = [("DATABASE_URL", database_url.as_str()), ("REDIS_URL", redis_url.as_str())];
        let system = self.system.insert(System::start(&logs, ports, &settings).await?);
        announce(ports, &database_url, &redis_url, &logs);
        bail!(system.failed().await?)
    }

    /// Ends it, in the order in which the parts need one another.
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

fn announce(ports: Ports, database_url: &str, redis_url: &str, logs: &Path) {
    let Ports { rest, chat_grpc, notification_grpc, websocket } = ports;
    println!(
        "\nNeonChat runs. Ctrl-C ends it; the data stays.\n\n\
         \x20 REST        http://localhost:{rest}/api/v1, described at http://localhost:{rest}/swagger-ui/\n\
         \x20 WebSocket   ws://localhost:{websocket}/ws?token=…\n\
         \x20 gRPC        localhost:{chat_grpc} (chat-service), localhost:{notification_grpc} (notification-service)\n\
         \x20 Health      http://localhost:{rest}/health, http://localhost:{websocket}/health\n\
         \x20 Metrics     http://localhost:{rest}/metrics, http://localhost:{websocket}/metrics\n\
         \x20 Postgres    {}\n\
         \x20 Redis       {}\n\
         \x20 Logs        {}",
        without_password(database_url),
        without_password(redis_url),
        logs.display()
    );
}

/// A URL as it may be shown.
fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, rest)), Some((_, host))) => {
            let user = rest.split([':', '@']).next().unwrap_or_default();
            format!("{scheme}://{user}@{host}")
        }
        _ => url.to_owned(),
    }
}

/// One run at a time in one folder. The lock goes with the process, however it ends.
fn lock(folder: &Path) -> anyhow::Result<File> {
    let path: PathBuf = folder.join("lock");
    let file = File::create(&path).with_context(|| format!("{} cannot be written", path.display()))?;
    file.try_lock().with_context(|| format!("another `make run` is under way in {}", folder.display()))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        assert_eq!(without_password("postgres://u:p%40@h:1/d"), "postgres://u@h:1/d");
        assert_eq!(without_password("redis://:p@h:1/0"), "redis://@h:1/0");
        assert_eq!(without_password("redis://h:1/0"), "redis://h:1/0");
    }
}
