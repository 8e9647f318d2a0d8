//! The readiness of this process. A background task watches whether Postgres answers, is migrated, and meets the
//! requirements (see [`crate::db`]).

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use neonchat_common::{deployment::OwnDeployment, tasks::Tasks};
use tokio::sync::watch;

use crate::{
    db::{self, Connector, Session, UnmetRequirements},
    deployment, migrate,
};

/// The interval of the checks of Postgres, and their timeout.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// The first and the longest delay between attempts.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Whether a load balancer may send requests to this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadinessState {
    /// The database is not prepared yet.
    Starting,
    /// The database cannot be used at the moment.
    NotReady,
    Ready,
    /// The process is shutting down. It never becomes ready again.
    Draining,
}

/// The readiness of this process.
#[derive(Clone, Debug)]
pub(crate) struct Readiness {
    state: watch::Sender<ReadinessState>,
    problem: Arc<Mutex<Option<String>>>,
}

impl Readiness {
    /// Prepares the database as soon as there is one, and keeps asking it from then on, until the tasks are stopped.
    #[must_use]
    pub(crate) fn watch(tasks: &Tasks, connector: Connector, own: OwnDeployment) -> Self {
        let readiness = Self { state: watch::Sender::new(ReadinessState::Starting), problem: Arc::default() };
        let state = readiness.clone();
        tasks.spawn_until_stopped(async move {
            state.prepare(&connector, &own).await;
            let mut watcher = Watcher { connector, session: None };
            loop {
                state.set(watcher.check().await);
                tokio::time::sleep(CHECK_INTERVAL).await;
            }
        });
        readiness
    }

    pub(crate) fn state(&self) -> ReadinessState {
        *self.state.borrow()
    }

    /// Returns why the database cannot be used although it answers, as a text for an operator.
    pub(crate) fn problem(&self) -> Option<String> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<ReadinessState> {
        self.state.subscribe()
    }

    /// Starts the drain.
    pub(crate) fn drain(&self) {
        self.state.send_replace(ReadinessState::Draining);
    }

    fn set_problem(&self, checked: &anyhow::Result<()>) {
        let problem = checked.as_ref().err().and_then(|error| error.downcast_ref::<UnmetRequirements>());
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem.map(ToString::to_string);
    }

    /// Migrates the database and identifies the deployment. Retries until it succeeds. Logs a cause once, not at every attempt.
    async fn prepare(&self, connector: &Connector, own: &OwnDeployment) {
        let (mut delay, max_delay) = BACKOFF;
        let mut known_cause = None;
        while let Err(error) = try_prepare(connector, own).await {
            let cause = format!("{error:#}");
            let is_logged = error.is::<UnmetRequirements>() && self.set(Err(error));
            if !is_logged && known_cause.as_ref() != Some(&cause) {
                tracing::warn!(error.cause = cause, "database preparation failed, retrying");
            }
            known_cause = Some(cause);
            // With jitter, so that processes do not retry at the same time.
            tokio::time::sleep(delay.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            delay = max_delay.min(delay * 2);
        }
    }

    /// Sets the state, and logs a change of it. Returns whether it changed.
    fn set(&self, checked: anyhow::Result<()>) -> bool {
        self.set_problem(&checked);
        let next = if checked.is_ok() { ReadinessState::Ready } else { ReadinessState::NotReady };
        let replace =
            |state: &mut ReadinessState| *state != ReadinessState::Draining && mem::replace(state, next) != next;
        let has_changed = self.state.send_if_modified(replace);
        if has_changed {
            match checked {
                Ok(()) => tracing::info!("ready"),
                Err(error) => tracing::error!(error.cause = format!("{error:#}"), "not ready"),
            }
        }
        has_changed
    }
}

async fn try_prepare(connector: &Connector, own: &OwnDeployment) -> anyhow::Result<()> {
    migrate::migrate(connector).await?;
    let mut session = connector.connect().await?;
    deployment::load(&mut session.connection, own).await.context("identifying the deployment")?;
    Ok(())
}

/// Checks Postgres over its own connection: a busy pool is no reason to send requests to another instance.
struct Watcher {
    connector: Connector,
    session: Option<Session>,
}

impl Watcher {
    /// Checks whether Postgres answers and meets the requirements, for example that a commit is on disk when it is
    /// acknowledged. Its settings may change at any time, so this is repeated.
    async fn check(&mut self) -> anyhow::Result<()> {
        // Put back into `self` only if the check succeeds. Otherwise the next check opens a new connection, perhaps to
        // another server.
        let mut session = self.session.take();
        let checked = tokio::time::timeout(CHECK_TIMEOUT, async {
            match &mut session {
                Some(session) => db::check(session).await,
                None => db::check_new_session(&self.connector, session.insert(self.connector.connect().await?)).await,
            }
        });
        checked.await.context("Postgres does not answer")??;
        self.session = session;
        Ok(())
    }
}
