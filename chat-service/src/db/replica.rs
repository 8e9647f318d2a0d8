//! A read replica: a server that follows the primary by streaming replication, with some lag. It is used for data that
//! it is known to have. If it does not answer, the primary is used.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use diesel_async::AsyncPgConnection;
use metrics::{counter, describe_counter};
use tokio::time::Instant;

use super::{Connector, Db, WorkError};
use crate::config::DatabaseSettings;

/// The timeouts for a connection to the replica, and then for the work. They are short, because the primary may have to
/// repeat the work.
const CONNECTION_TIMEOUT: Duration = Duration::from_millis(200);
const WORK_TIMEOUT: Duration = Duration::from_millis(300);

/// How long a replica that failed is not used.
const PAUSE: Duration = Duration::from_secs(2);

const READS_TOTAL: &str = "db_reader_reads_total";

/// A pool of connections to the replica.
#[derive(Clone)]
pub(crate) struct Replica {
    db: Db,
    /// When it may be used again after a failure.
    paused_until: Arc<Mutex<Option<Instant>>>,
}

impl Replica {
    /// Creates a pool that is as large as that of the primary.
    pub(crate) fn new(connector: Connector, settings: &DatabaseSettings) -> anyhow::Result<Self> {
        describe_counter!(READS_TOTAL, "Reads from the replica, by outcome");
        Ok(Self { db: Db::new(connector, settings)?, paused_until: Arc::default() })
    }

    /// Does read-only work on the replica. Returns `None` if the replica is unavailable or too slow, or if the work
    /// returns `None` because the replica lags behind.
    pub(crate) async fn try_read<T, E>(
        &self,
        work: impl AsyncFnOnce(&mut AsyncPgConnection) -> Result<Option<T>, E>,
    ) -> Option<T>
    where
        E: WorkError + fmt::Display,
    {
        if self.paused_until().is_some_and(|until| Instant::now() < until) {
            counter!(READS_TOTAL, "outcome" => "away").increment(1);
            return None;
        }
        let answer = match self.db.connection(Instant::now() + CONNECTION_TIMEOUT).await {
            Ok(connection) => self.db.work(connection, WORK_TIMEOUT, work).await.0,
            Err(error) => Err(error.into()),
        };
        let outcome = match &answer {
            Ok(Some(_)) => "answered",
            Ok(None) => "behind",
            Err(error) => {
                tracing::warn!(error.cause = %error, "replica read failed");
                *self.paused_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + PAUSE);
                "away"
            }
        };
        counter!(READS_TOTAL, "outcome" => outcome).increment(1);
        answer.ok().flatten()
    }

    fn paused_until(&self) -> Option<Instant> {
        *self.paused_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
