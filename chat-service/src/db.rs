//! Postgres: a pool of connections, and a limit on how long anyone waits for it.

mod connect;
mod migrations;
mod reader;
mod supply;

use std::time::Duration;

use anyhow::Context as _;
use deadpool::managed::{Hook, HookError, QueueMode};
use diesel::{
    QueryResult,
    result::{DatabaseErrorKind, Error as QueryError},
};
use diesel_async::{
    AsyncPgConnection,
    pooled_connection::{
        AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod,
        deadpool::{Object, Pool, PoolError},
    },
};
use futures_util::FutureExt as _;
use metrics::{counter, describe_counter};
use neonchat_common::{correlation, error::ApiError, trace};
use thiserror::Error;
use tokio::time::{Instant, timeout, timeout_at};

use self::supply::Supply;
pub use self::{
    connect::Connector,
    migrations::{MIGRATIONS, migrate, migrate_within},
    reader::Reader,
};
use crate::config::DatabaseSettings;

/// The longest that anyone waits for a connection, and then for the work. With Postgres away a client is told so within
/// 2 s (guarantee G11). Postgres itself gives up before the second of them: what is refused is not stored after all, but
/// where the answer was lost on its way.
pub(crate) const CONNECTION_LIMIT: Duration = Duration::from_millis(700);
const WORK_LIMIT: Duration = Duration::from_secs(1);

const POOL_TIMEOUTS_TOTAL: &str = "db_pool_timeouts_total";

/// Why the database did not do its work.
#[derive(Debug, Error)]
pub enum DbError {
    /// No connection could be had.
    #[error("no connection: {0}")]
    NoConnection(#[from] PoolError),
    /// It took too long.
    #[error("no answer in time")]
    Timeout,
    /// A query failed.
    #[error(transparent)]
    Query(#[from] QueryError),
}

/// What the database answered.
pub type DbResult<T> = Result<T, DbError>;

impl From<&DbError> for ApiError {
    fn from(error: &DbError) -> Self {
        if error.is_passing() { Self::unavailable("database", error) } else { Self::internal(error) }
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

    /// Whether the same work may be done later.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::NoConnection(_) | Self::Timeout => true,
            Self::Query(QueryError::DatabaseError(kind, _)) => is_passing(*kind),
            Self::Query(_) => false,
        }
    }
}

/// Whether the same query may succeed later. diesel has no kind for a server that shuts down, a full disk, or a timeout
/// of a statement or of a lock: all of these are `Unknown`. So is a mistake in our SQL, but that fails in every test.
const fn is_passing(kind: DatabaseErrorKind) -> bool {
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
pub struct Usage {
    /// Connections that nobody uses.
    pub idle: f64,
    /// Connections that are used.
    pub used: f64,
    /// Callers that wait for one.
    pub waiting: f64,
}

/// The database.
#[derive(Clone)]
pub struct Db(Pool<AsyncPgConnection>);

impl Db {
    /// A pool that connects when it is first used, on the runtime that this is called on.
    ///
    /// # Errors
    /// The pool's settings contradict each other.
    pub fn new(connector: Connector, settings: &DatabaseSettings) -> anyhow::Result<Self> {
        describe_counter!(POOL_TIMEOUTS_TOTAL, "Requests that waited for a connection to Postgres in vain");
        counter!(POOL_TIMEOUTS_TOTAL).absolute(0);
        let mut config = ManagerConfig::default();
        // A broken connection is noticed without asking Postgres each time.
        config.recycling_method = RecyclingMethod::Fast;
        let supply = Supply::new(connector);
        config.custom_setup = Box::new(move |_| {
            let supply = supply.clone();
            async move { supply.take().await }.boxed()
        });
        let max_lifetime = settings.max_lifetime;
        let retire_old = Hook::sync_fn(move |_: &mut AsyncPgConnection, metrics: &deadpool::managed::Metrics| {
            if metrics.age() < max_lifetime { Ok(()) } else { Err(HookError::message("older than its lifetime")) }
        });
        let pool = Pool::builder(AsyncDieselConnectionManager::new_with_config("", config))
            .max_size(settings.max_connections)
            // The one that was used last: its process has everything at hand, in its own caches and in those of the CPU.
            .queue_mode(QueueMode::Lifo)
            .pre_recycle(retire_old)
            .build()
            .context("the pool of connections")?;
        Ok(Self(pool))
    }

    /// Does a piece of work on one connection, within a time limit.
    ///
    /// # Errors
    /// Those of the work, and [`DbError`]. A connection that did not answer in time is closed: nobody else waits behind
    /// what it does.
    pub async fn run<T, E>(&self, work: impl AsyncFnOnce(&mut AsyncPgConnection) -> Result<T, E>) -> Result<T, E>
    where
        E: From<DbError>,
    {
        self.run_by(Instant::now() + CONNECTION_LIMIT, work).await
    }

    /// As [`Db::run`], for work that was waiting already: it is begun by `start_by`, or not at all.
    ///
    /// # Errors
    /// As [`Db::run`].
    pub async fn run_by<T, E>(
        &self,
        start_by: Instant,
        work: impl AsyncFnOnce(&mut AsyncPgConnection) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<DbError>,
    {
        let connection = self.connection(start_by).await.inspect_err(|error| {
            if matches!(error, DbError::Timeout) {
                counter!(POOL_TIMEOUTS_TOTAL).increment(1);
            }
        })?;
        Self::work(connection, WORK_LIMIT, work).await
    }

    async fn connection(&self, by: Instant) -> DbResult<Object<AsyncPgConnection>> {
        Ok(timeout_at(by, self.0.get()).await.map_err(|_| DbError::Timeout)??)
    }

    async fn work<T, E>(
        mut connection: Object<AsyncPgConnection>,
        limit: Duration,
        work: impl AsyncFnOnce(&mut AsyncPgConnection) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<DbError>,
    {
        let mut trace = trace::Span::part(&correlation::current_trace(), trace::work_on_database);
        timeout(limit, work(&mut connection)).await.unwrap_or_else(|_| {
            drop(Object::take(connection));
            trace.fail(DbError::Timeout.kind());
            Err(DbError::Timeout.into())
        })
    }

    /// Does one query. See [`Db::run`].
    ///
    /// # Errors
    /// [`DbError`]
    pub async fn query<T>(&self, query: impl AsyncFnOnce(&mut AsyncPgConnection) -> QueryResult<T>) -> DbResult<T> {
        self.run(async |connection| Ok(query(connection).await?)).await
    }

    /// How the pool is used at this moment.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let status = self.0.status();
        let count = |number: usize| u32::try_from(number).map_or(f64::INFINITY, f64::from);
        Usage {
            idle: count(status.available),
            used: count(status.size.saturating_sub(status.available)),
            waiting: count(status.waiting),
        }
    }

    /// Closes all connections.
    pub fn close(&self) {
        self.0.close();
    }
}
