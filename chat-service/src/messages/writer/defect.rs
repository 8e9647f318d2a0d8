//! A defect, for `make mutants` alone: the answer comes before the commit.

use std::time::Duration;

use diesel_async::SimpleAsyncConnection as _;
use tokio::{sync::oneshot, time::Instant};

use super::{Db, DbError, NewMessage, Outcome, store};

/// Long enough for a crash to come in between now and then.
const LATER: Duration = Duration::from_millis(200);

pub(super) async fn store_and_commit_later(
    db: &Db,
    _: Instant,
    messages: &[&NewMessage],
) -> Result<Vec<Outcome>, DbError> {
    let (answer, answered) = oneshot::channel();
    let (db, messages): (_, Vec<_>) = (db.clone(), messages.iter().copied().cloned().collect());
    let working = tokio::spawn(async move {
        db.run_once(async |connection| {
            connection.batch_execute("BEGIN").await?;
            // Nobody listens any more where the caller has gone.
            let _ = answer.send(store::store(connection, &messages.iter().collect::<Vec<_>>()).await?);
            tokio::time::sleep(LATER).await;
            Ok::<_, DbError>(connection.batch_execute("COMMIT").await?)
        })
        .await
    });
    match answered.await {
        Ok(outcomes) => Ok(outcomes),
        Err(_) => Err(working.await.ok().and_then(Result::err).unwrap_or(DbError::Timeout)),
    }
}
