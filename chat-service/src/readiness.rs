//! Whether this process can do its work, watched in the background: Postgres answers, is migrated, and keeps what it
//! acknowledges.

use std::{mem, time::Duration};

use anyhow::Context as _;
use diesel::{QueryResult, QueryableByName, sql_query, sql_types::Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::lifecycle::Tasks;
use tokio::sync::watch;

use crate::db::{self, Connector};

/// How often Postgres is asked again, and the longest that it may take to answer.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// The wait after the first attempt that failed, and the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// What a load balancer should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not able to work yet.
    Starting,
    /// Not able to work at the moment.
    NotReady,
    /// Able to work.
    Ready,
    /// About to end. It never becomes ready again.
    Draining,
}

/// The state of this process.
#[derive(Clone, Debug)]
pub struct Readiness(watch::Sender<State>);

impl Readiness {
    /// Prepares the database as soon as there is one, and keeps asking it from then on, until the tasks are stopped.
    #[must_use]
    pub fn watch(tasks: &Tasks, connector: Connector) -> Self {
        let readiness = Self(watch::Sender::new(State::Starting));
        let state = readiness.clone();
        tasks.spawn_until_stopped(async move {
            migrate(&connector).await;
            let mut watcher = Watcher { connector, connection: None };
            loop {
                state.set(watcher.check().await);
                tokio::time::sleep(CHECK_INTERVAL).await;
            }
        });
        readiness
    }

    /// The state now.
    #[must_use]
    pub fn state(&self) -> State {
        *self.0.borrow()
    }

    /// The state now and its changes.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<State> {
        self.0.subscribe()
    }

    /// This process is about to end.
    pub fn drain(&self) {
        self.0.send_replace(State::Draining);
    }

    fn set(&self, checked: anyhow::Result<()>) {
        let next = if checked.is_ok() { State::Ready } else { State::NotReady };
        let replace = |state: &mut State| *state != State::Draining && mem::replace(state, next) != next;
        if self.0.send_if_modified(replace) {
            match checked {
                Ok(()) => tracing::info!("ready"),
                Err(error) => tracing::error!(error.cause = format!("{error:#}"), "not ready"),
            }
        }
    }
}

/// Migrates, trying again until it is done.
async fn migrate(connector: &Connector) {
    let (mut delay, max_delay) = BACKOFF;
    while let Err(error) = try_migrate(connector).await {
        tracing::warn!(error.cause = format!("{error:#}"), "the database is not migrated, trying again");
        // Jittered, so that many processes do not come at once.
        tokio::time::sleep(delay.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        delay = max_delay.min(delay * 2);
    }
}

async fn try_migrate(connector: &Connector) -> anyhow::Result<()> {
    db::migrate(connector.connect_without_limits().await?).await
}

/// Asks over a connection of its own: that all of the pool's are in use is no reason to send requests elsewhere.
struct Watcher {
    connector: Connector,
    connection: Option<AsyncPgConnection>,
}

impl Watcher {
    /// Asks Postgres whether a commit is on disk when it is acknowledged (guarantee G1). It may be told otherwise at
    /// any time, so this is asked again and again, and tells at once whether Postgres answers at all.
    async fn check(&mut self) -> anyhow::Result<()> {
        // Left out of `self` where asking fails: the next time is by a new connection.
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connector.connect().await?,
        };
        let asked = tokio::time::timeout(CHECK_TIMEOUT, switched_off(&mut connection)).await;
        let off = asked.context("Postgres does not answer")?.context("asking Postgres for its settings")?;
        self.connection = Some(connection);
        anyhow::ensure!(
            off.is_empty(),
            "Postgres has {} = off, so that a crash may lose acknowledged messages; switch it on",
            off.join(" = off, ")
        );
        Ok(())
    }
}

async fn switched_off(connection: &mut AsyncPgConnection) -> QueryResult<Vec<String>> {
    #[derive(QueryableByName)]
    struct Setting {
        #[diesel(sql_type = Text)]
        name: String,
    }
    let settings = sql_query(
        "SELECT name FROM unnest(ARRAY['fsync', 'synchronous_commit', 'full_page_writes']) AS name
          WHERE current_setting(name) = 'off'",
    );
    Ok(settings.load::<Setting>(connection).await?.into_iter().map(|setting| setting.name).collect())
}
