//! Access to Postgres through a pool of connections, with timeouts.

mod connect;
mod factory;
mod migrations;
mod prepared;
mod replica;
mod requirements;

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::Context as _;
use deadpool::managed::{Object, Pool, PoolError, QueueMode};
use diesel::{
    ConnectionError, QueryResult,
    result::{DatabaseErrorKind, Error as QueryError},
};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection as _};
use metrics::{counter, describe_counter};
use neonchat_common::{correlation, error::ApiError, trace};
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

use self::factory::ConnectionFactory;
pub use self::{connect::Connector, migrations::MIGRATIONS};
pub(crate) use self::{
    connect::Session,
    migrations::apply_migrations,
    prepared::prepared,
    replica::Replica,
    requirements::{UnmetRequirements, check, check_new_session},
};
use crate::config::DatabaseSettings;

/// The timeouts for a connection, and then for the work on it. Together they end a request within 2 s if Postgres is
/// unavailable. `statement_timeout` is shorter than the second one, so refused work is not stored afterwards, unless only
/// its answer was lost.
pub(crate) const CONNECTION_TIMEOUT: Duration = Duration::from_millis(700);
const WORK_TIMEOUT: Duration = Duration::from_secs(1);

const POOL_TIMEOUTS_TOTAL: &str = "db_pool_timeouts_total";

/// Why the database did not do its work.
#[derive(Debug, Error)]
pub(crate) enum DbError {
    /// A connection could not be opened.
    #[error("no connection: {0}")]
    NoConnection(#[from] PoolError<ConnectionError>),
    /// No connection of the pool was free within the timeout.
    #[error("no connection from the pool within the timeout")]
    PoolTimeout,
    /// The work did not start within the timeout, because the message writer had other work.
    #[error("waited too long for the message writer")]
    QueueTimeout,
    /// Postgres did not answer within the timeout.
    #[error("no answer from Postgres within the timeout")]
    Timeout,
    /// A query failed.
    #[error(transparent)]
    Query(#[from] QueryError),
}

pub(crate) type DbResult<T> = Result<T, DbError>;

impl From<&DbError> for ApiError {
    fn from(error: &DbError) -> Self {
        if error.is_transient() { Self::unavailable("database", error) } else { Self::internal(error) }
    }
}

impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        Self::from(&error)
    }
}

impl DbError {
    /// Returns the kind of error as one word, for traces.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::NoConnection(_) => "no_connection",
            Self::PoolTimeout => "pool_timeout",
            Self::QueueTimeout => "queue_timeout",
            Self::Timeout => "timeout",
            Self::Query(_) => "query",
        }
    }

    const fn is_read_only(&self) -> bool {
        matches!(self, Self::Query(QueryError::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _)))
    }

    /// Returns whether the connection may be lost. diesel has no error kind for a broken connection, or for one that
    /// Postgres ends.
    const fn may_be_connection_loss(&self) -> bool {
        use DatabaseErrorKind::{ClosedConnection, UnableToSendCommand, Unknown};
        matches!(self, Self::Query(QueryError::DatabaseError(ClosedConnection | UnableToSendCommand | Unknown, _)))
    }

    /// Returns whether the same work may succeed later.
    pub(crate) const fn is_transient(&self) -> bool {
        match self {
            Self::NoConnection(_) | Self::PoolTimeout | Self::QueueTimeout | Self::Timeout => true,
            Self::Query(QueryError::DatabaseError(kind, _)) => is_transient(*kind),
            Self::Query(_) => false,
        }
    }
}

/// Returns whether the same query may succeed later. diesel has no kind for a server that shuts down, a full disk, or a
/// timeout of a statement or lock: all of these are `Unknown`. So is a mistake in our SQL, but that fails in every
/// test.
const fn is_transient(kind: DatabaseErrorKind) -> bool {
    !matches!(
        kind,
        DatabaseErrorKind::UniqueViolation
            | DatabaseErrorKind::ForeignKeyViolation
            | DatabaseErrorKind::NotNullViolation
            | DatabaseErrorKind::CheckViolation
            | DatabaseErrorKind::RestrictViolation
            | DatabaseErrorKind::ExclusionViolation
    )
}

/// The usage of a pool, as values of gauges.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolUsage {
    /// Idle connections.
    pub(crate) idle: f64,
    /// Connections in use.
    pub used: f64,
    /// Callers that wait for a connection.
    pub(crate) waiting: f64,
}

/// What happened to a connection after the work on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is usable, or there was none.
    Kept,
    /// It was closed because it did not answer.
    Closed,
    /// It was lost; the work may succeed on another one.
    Lost,
}

/// Distinguishes the first attempt at a piece of work from a repeat.
#[derive(Debug, Default)]
pub(crate) struct Attempts(AtomicBool);

impl Attempts {
    /// Begins an attempt. Returns whether it is a repeat.
    pub(crate) fn begin(&self) -> bool {
        self.0.swap(true, Ordering::Relaxed)
    }
}

/// An error of work on the database, which may be an error of the database itself.
pub(crate) trait WorkError: From<DbError> {
    /// Returns the error of the database, if it is one.
    fn db_error(&self) -> Option<&DbError>;
}

impl WorkError for DbError {
    fn db_error(&self) -> Option<&DbError> {
        Some(self)
    }
}

/// A pool of connections to Postgres.
#[derive(Clone)]
pub(crate) struct Db(Pool<ConnectionFactory>);

impl Db {
    /// Creates a pool that connects at its first use, on the current runtime.
    pub(crate) fn new(connector: Connector, settings: &DatabaseSettings) -> anyhow::Result<Self> {
        describe_counter!(POOL_TIMEOUTS_TOTAL, "Requests that got no connection to Postgres in time");
        let DatabaseSettings { max_connections, max_lifetime, .. } = *settings;
        let pool = Pool::builder(ConnectionFactory::new(connector, max_connections, max_lifetime))
            .max_size(max_connections)
            // The most recently used connection first: the caches of its process and of the CPU are warm.
            .queue_mode(QueueMode::Lifo)
            .build()
            .context("creating the connection pool")?;
        Ok(Self(pool))
    }

    /// Does a piece of work on one connection, within a timeout. The work must be idempotent: if the connection is
    /// lost, or its server has become read-only, the work is repeated once on another connection.
    ///
    /// The first attempt may have been committed although its answer was lost. So work that returns whether it changed
    /// something must recognize the effect of the first attempt: by an id that is created outside of it, or by
    /// [`Attempts`].
    ///
    /// # Errors
    /// Those of the work, and [`DbError`]. A connection that does not answer within the timeout is closed, so that
    /// nobody waits behind its statement.
    pub(crate) async fn run<T, E: WorkError>(
        &self,
        work: impl AsyncFnOnce(&mut AsyncPgConnection) -> Result<T, E> + Clone,
    ) -> Result<T, E> {
        self.run_by(Instant::now() + CONNECTION_TIMEOUT, work).await
    }

    /// Does the same as [`Db::run`] for work that has already waited: it starts by `start_by`, or not at all.
    pub(crate) async fn run_by<T, E: WorkError>(
        &self,
        start_by: Instant,
        work: impl AsyncFnOnce(&mut AsyncPgConnection) -> Result<T, E> + Clone,
    ) -> Result<T, E> {
        match self.attempt(start_by, work.clone()).await {
            (Err(_), Fate::Lost) if Instant::now() < start_by => self.attempt(start_by, work).await.0,
            (result, _) => result,
        }
    }

    async fn attempt<T, E: WorkError>(
        &self,
        start_by: Instant,
        work: impl AsyncFnOnce(&mut AsyncPgConnection) -> Result<T, E>,
    ) -> (Result<T, E>, Fate) {
        match self.connection(start_by).await {
            Ok(connection) => self.work(connection, WORK_TIMEOUT, work).await,
            Err(error) => {
                if matches!(error, DbError::PoolTimeout) {
                    counter!(POOL_TIMEOUTS_TOTAL).increment(1);
                }
                (Err(error.into()), Fate::Kept)
            }
        }
    }

    async fn connection(&self, by: Instant) -> DbResult<Object<ConnectionFactory>> {
        Ok(timeout_at(by, self.0.get()).await.map_err(|_| DbError::PoolTimeout)??)
    }

    async fn work<T, E: WorkError>(
        &self,
        mut connection: Object<ConnectionFactory>,
        limit: Duration,
        work: impl AsyncFnOnce(&mut AsyncPgConnection) -> Result<T, E>,
    ) -> (Result<T, E>, Fate) {
        let mut trace = trace::Span::child(&correlation::current_trace(), trace::database);
        let end = Instant::now() + limit;
        let Ok(result) = timeout_at(end, work(&mut connection.inner)).await else {
            drop(Object::take(connection));
            trace.fail(DbError::Timeout.kind());
            return (Err(DbError::Timeout.into()), Fate::Closed);
        };
        let Some(error) = result.as_ref().err().and_then(WorkError::db_error) else { return (result, Fate::Kept) };
        // Postgres sends an error before it ends a connection. An empty query finds out whether it has.
        let is_lost = error.is_read_only()
            || error.may_be_connection_loss()
                && !matches!(timeout_at(end, connection.inner.batch_execute("")).await, Ok(Ok(())));
        if is_lost {
            // The idle connections went to the same server. New ones may reach another.
            drop(Object::take(connection));
            self.close_idle();
            return (result, Fate::Lost);
        }
        (result, Fate::Kept)
    }

    /// Closes the idle connections.
    fn close_idle(&self) {
        self.0.retain(|_, _| false);
        self.0.manager().close_idle();
    }

    /// Does the same as [`Db::run`] for work that only fails with errors of diesel.
    pub(crate) async fn query<T>(
        &self,
        query: impl AsyncFnOnce(&mut AsyncPgConnection) -> QueryResult<T> + Clone,
    ) -> DbResult<T> {
        self.run(async move |connection| Ok(query(connection).await?)).await
    }

    /// Returns whether Postgres answers a query.
    pub(crate) async fn is_healthy(&self) -> bool {
        self.query(async |connection| connection.batch_execute("SELECT 1").await).await.is_ok()
    }

    /// Returns the current usage of the pool.
    pub(crate) fn usage(&self) -> PoolUsage {
        let status = self.0.status();
        let count = |number: usize| u32::try_from(number).map_or(f64::INFINITY, f64::from);
        PoolUsage {
            idle: count(status.available + self.0.manager().spare()),
            used: count(status.size.saturating_sub(status.available)),
            waiting: count(status.waiting),
        }
    }

    /// Closes all connections.
    pub(crate) fn close(&self) {
        self.0.close();
        self.0.manager().close_idle();
    }
}
