//! Postgres: a pool of connections, and a limit on how long anyone waits for it.

mod connect;
mod factory;
mod migrations;
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
pub use self::{
    connect::Connector,
    migrations::{MIGRATIONS, migrate, wait_and_migrate},
};
pub(crate) use self::{
    connect::Session,
    replica::Replica,
    requirements::{UnmetRequirements, check, check_new_session},
};
use crate::config::DatabaseSettings;

/// The longest that anyone waits for a connection, and then for the work. With Postgres away a client is told so within
/// 2 s (guarantee G11). Postgres itself gives up before the second of them: what is refused is not stored after all, but
/// where the answer was lost on its way.
pub(crate) const CONNECTION_TIMEOUT: Duration = Duration::from_millis(700);
const WORK_TIMEOUT: Duration = Duration::from_secs(1);

const POOL_TIMEOUTS_TOTAL: &str = "db_pool_timeouts_total";

/// Why the database did not do its work.
#[derive(Debug, Error)]
pub(crate) enum DbError {
    /// No connection could be had.
    #[error("no connection: {0}")]
    NoConnection(#[from] PoolError<ConnectionError>),
    /// It took too long.
    #[error("no answer within the timeout")]
    Timeout,
    /// A query failed.
    #[error(transparent)]
    Query(#[from] QueryError),
}

/// What the database answered.
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
    /// What kind of error it is, in a word.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::NoConnection(_) => "no_connection",
            Self::Timeout => "timeout",
            Self::Query(_) => "query",
        }
    }

    const fn is_read_only(&self) -> bool {
        matches!(self, Self::Query(QueryError::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _)))
    }

    /// Whether it may be that the connection has ended. A connection that breaks, and one that Postgres ends, have no kind
    /// of their own.
    const fn may_be_connection_loss(&self) -> bool {
        use DatabaseErrorKind::{ClosedConnection, UnableToSendCommand, Unknown};
        matches!(self, Self::Query(QueryError::DatabaseError(ClosedConnection | UnableToSendCommand | Unknown, _)))
    }

    /// Whether the same work may be done later.
    #[must_use]
    pub(crate) const fn is_transient(&self) -> bool {
        match self {
            Self::NoConnection(_) | Self::Timeout => true,
            Self::Query(QueryError::DatabaseError(kind, _)) => is_transient(*kind),
            Self::Query(_) => false,
        }
    }
}

/// Whether the same query may succeed later. diesel has no kind for a server that shuts down, a full disk, or a timeout
/// of a statement or of a lock: all of these are `Unknown`. So is a mistake in our SQL, but that fails in every test.
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

/// How a pool is used. Counts, as a gauge takes them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolUsage {
    /// Connections that nobody uses.
    pub(crate) idle: f64,
    /// Connections that are used.
    pub used: f64,
    /// Callers that wait for one.
    pub(crate) waiting: f64,
}

/// What became of a connection that was worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It goes on, if there was one.
    Kept,
    /// It was closed, since it did not answer.
    Closed,
    /// It could not be used, and another one may do.
    Lost,
}

/// The attempts at a piece of work, which tell the second one that it is not the first.
#[derive(Debug, Default)]
pub(crate) struct Attempts(AtomicBool);

impl Attempts {
    /// Begins an attempt. Returns whether it is a repeat.
    pub(crate) fn begin(&self) -> bool {
        self.0.swap(true, Ordering::Relaxed)
    }
}

/// An error of work on the database, which may be of the database itself.
pub(crate) trait WorkError: From<DbError> {
    /// What the database failed with.
    fn db_error(&self) -> Option<&DbError>;
}

impl WorkError for DbError {
    fn db_error(&self) -> Option<&DbError> {
        Some(self)
    }
}

/// The database.
#[derive(Clone)]
pub(crate) struct Db(Pool<ConnectionFactory>);

impl Db {
    /// A pool that connects when it is first used, on the runtime that this is called on.
    ///
    /// # Errors
    /// The pool's settings contradict each other.
    pub(crate) fn new(connector: Connector, settings: &DatabaseSettings) -> anyhow::Result<Self> {
        describe_counter!(POOL_TIMEOUTS_TOTAL, "Requests that got no connection to Postgres in time");
        let DatabaseSettings { max_connections, max_lifetime, .. } = *settings;
        let pool = Pool::builder(ConnectionFactory::new(connector, max_connections, max_lifetime))
            .max_size(max_connections)
            // The one that was used last: its process has everything at hand, in its own caches and in those of the CPU.
            .queue_mode(QueueMode::Lifo)
            .build()
            .context("creating the connection pool")?;
        Ok(Self(pool))
    }

    /// Does a piece of work on one connection, within a time limit. The work is idempotent: where its connection turns out
    /// to have ended, or to be one to a server that became read-only, it is done once more on another one.
    ///
    /// The first attempt may have been committed, and only its answer lost. So work that returns whether it changed something
    /// has to recognize what the first attempt did: by an id that is made outside of it, or by [`Attempts`].
    ///
    /// # Errors
    /// Those of the work, and [`DbError`]. A connection that did not answer in time is closed: nobody else waits behind
    /// what it does.
    pub(crate) async fn run<T, E: WorkError>(
        &self,
        work: impl AsyncFnOnce(&mut AsyncPgConnection) -> Result<T, E> + Clone,
    ) -> Result<T, E> {
        self.run_by(Instant::now() + CONNECTION_TIMEOUT, work).await
    }

    /// As [`Db::run`], for work that was waiting already: it is begun by `start_by`, or not at all.
    ///
    /// # Errors
    /// As [`Db::run`].
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
                if matches!(error, DbError::Timeout) {
                    counter!(POOL_TIMEOUTS_TOTAL).increment(1);
                }
                (Err(error.into()), Fate::Kept)
            }
        }
    }

    async fn connection(&self, by: Instant) -> DbResult<Object<ConnectionFactory>> {
        Ok(timeout_at(by, self.0.get()).await.map_err(|_| DbError::Timeout)??)
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
        // Postgres says why it ends a connection, and then ends it: it is asked whether this was the end.
        let is_lost = error.is_read_only()
            || error.may_be_connection_loss()
                && !matches!(timeout_at(end, connection.inner.batch_execute("")).await, Ok(Ok(())));
        if is_lost {
            // The idle ones were to the same server. New ones may find another.
            drop(Object::take(connection));
            self.close_idle();
            return (result, Fate::Lost);
        }
        (result, Fate::Kept)
    }

    /// Closes the connections that are not in use.
    fn close_idle(&self) {
        self.0.retain(|_, _| false);
        self.0.manager().close_idle();
    }

    /// Does one query. See [`Db::run`].
    ///
    /// # Errors
    /// [`DbError`]
    pub(crate) async fn query<T>(
        &self,
        query: impl AsyncFnOnce(&mut AsyncPgConnection) -> QueryResult<T> + Clone,
    ) -> DbResult<T> {
        self.run(async move |connection| Ok(query(connection).await?)).await
    }

    /// How the pool is used at this moment.
    #[must_use]
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
