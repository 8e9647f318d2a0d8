//! The users whose chats or sessions changed lately, from Postgres.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    IntoSql as _, QueryableByName,
    sql_types::{BigInt, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use neonchat_common::ids::UserId;
use uuid::Uuid;

use crate::db::{Db, DbResult};

/// The most changes in one answer.
const MAX_CHANGES: i64 = 10_000;

/// What bears an older time has been committed, or never will be: a transaction bears the time at which it began, and is
/// cut off long before this.
const SETTLED: TimeDelta = TimeDelta::seconds(3);

const CHANGES: &str = "SELECT user_id, at FROM (
        SELECT member.user_id, chats.created_at AS at FROM chats
        JOIN chat_members AS member ON member.chat_id = chats.id WHERE chats.created_at >= $1
        UNION ALL SELECT user_id, revoked_at FROM revoked_tokens WHERE revoked_at >= $1
    ) AS changes ORDER BY at LIMIT $2";

#[derive(QueryableByName)]
struct Change {
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
    #[diesel(sql_type = Timestamptz)]
    at: DateTime<Utc>,
}

/// What changed.
pub(crate) struct Changes {
    /// The users whose chats or sessions changed, each once.
    pub(crate) users: Vec<UserId>,
    /// All changes up to this time are known, by the clock of Postgres.
    pub(crate) until: DateTime<Utc>,
}

/// Returns what changed since a time, or nothing without one; at most 10,000 changes, the oldest first.
///
/// # Errors
/// The database failed.
pub(crate) async fn changes(db: &Db, since: Option<DateTime<Utc>>) -> DbResult<Changes> {
    let (until, changes) = read(db, since).await?;
    let is_cut = i64::try_from(changes.len()).is_ok_and(|found| found >= MAX_CHANGES);
    // The rest comes with the next answer.
    let until = changes.last().filter(|_| is_cut).map_or(until, |last| last.at);
    let mut users: Vec<_> = changes.into_iter().map(|change| change.user_id).collect();
    users.sort_unstable();
    users.dedup();
    Ok(Changes { users: users.into_iter().map(UserId::from).collect(), until })
}

/// Up to when all is known, by the clock of Postgres, and what changed since; nothing where nothing was known before.
async fn read(db: &Db, since: Option<DateTime<Utc>>) -> DbResult<(DateTime<Utc>, Vec<Change>)> {
    let now = diesel::select(diesel::dsl::now.into_sql::<Timestamptz>());
    let changes =
        since.map(|since| diesel::sql_query(CHANGES).bind::<Timestamptz, _>(since).bind::<BigInt, _>(MAX_CHANGES));
    db.query(async |connection| {
        // The clock first: what is committed in between is told of again the next time.
        let now: DateTime<Utc> = now.get_result(connection).await?;
        let changes = match changes {
            Some(changes) => changes.load(connection).await?,
            None => Vec::new(),
        };
        Ok((now - SETTLED, changes))
    })
    .await
}
