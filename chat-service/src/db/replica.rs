//! A reader: a server that follows Postgres by streaming replication, and is behind it by more or less. It is asked for what
//! it can be known to have, and whenever it does not answer, Postgres itself is.

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

/// The longest that a request waits for a connection to the reader, and then for the work: it may have to be done once more.
const CONNECTION_TIMEOUT: Duration = Duration::from_millis(200);
const WORK_TIMEOUT: Duration = Duration::from_millis(300);

/// How long a reader that failed is left alone.
const PAUSE: Duration = Duration::from_secs(2);

const READS_TOTAL: &str = "db_reader_reads_total";

/// See the module.
#[derive(Clone)]
pub(crate) struct Replica {
    db: Db,
    /// When it may be asked again, after it failed.
    paused_until: Arc<Mutex<Option<Instant>>>,
}

impl Replica {
    /// With a pool of its own, as large as that of Postgres.
    ///
    /// # Errors
    /// As [`Db::new`].
    pub(crate) fn new(connector: Connector, settings: &DatabaseSettings) -> anyhow::Result<Self> {
        describe_counter!(READS_TOTAL, "Reads from the replica, by outcome");
        Ok(Self { db: Db::new(connector, settings)?, paused_until: Arc::default() })
    }

    /// What the reader says, or nothing where it is away or too slow, or where the work finds that it is behind, and so
    /// that there is nothing (`None`).
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
