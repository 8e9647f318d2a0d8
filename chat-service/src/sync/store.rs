//! Reads the users whose chats or sessions changed recently.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    IntoSql as _, QueryableByName,
    sql_types::{BigInt, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use neonchat_common::ids::UserId;
use uuid::Uuid;

use crate::db::{Db, DbResult};

/// The maximum number of changes in one answer.
const MAX_CHANGES: i64 = 10_000;

/// Changes older than this are complete. A change has the time at which its transaction began, and the timeouts end a
/// transaction long before this age.
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

/// A page of changes.
pub(crate) struct Changes {
    /// The users whose chats or sessions changed, each once.
    pub(crate) users: Vec<UserId>,
    /// All changes up to this time are included, by the clock of Postgres.
    pub(crate) until: DateTime<Utc>,
}

/// Returns at most 10,000 changes since a time, the oldest first; without a time, none.
pub(crate) async fn changes(db: &Db, since: Option<DateTime<Utc>>) -> DbResult<Changes> {
    let (until, changes) = read(db, since).await?;
    let is_cut = i64::try_from(changes.len()).is_ok_and(|found| found >= MAX_CHANGES);
    // The next call gets the rest.
    let until = changes.last().filter(|_| is_cut).map_or(until, |last| last.at);
    let mut users: Vec<_> = changes.into_iter().map(|change| change.user_id).collect();
    users.sort_unstable();
    users.dedup();
    Ok(Changes { users: users.into_iter().map(UserId::from).collect(), until })
}

/// Returns the changes since a time (none without one), and the time up to which they are complete, by the clock of
/// Postgres.
async fn read(db: &Db, since: Option<DateTime<Utc>>) -> DbResult<(DateTime<Utc>, Vec<Change>)> {
    let now = diesel::select(diesel::dsl::now.into_sql::<Timestamptz>());
    let changes =
        since.map(|since| diesel::sql_query(CHANGES).bind::<Timestamptz, _>(since).bind::<BigInt, _>(MAX_CHANGES));
    db.query(async |connection| {
        // The clock is read first: a change that is committed in between is returned again by the next call.
        let now: DateTime<Utc> = now.get_result(connection).await?;
        let changes = match changes {
            Some(changes) => changes.load(connection).await?,
            None => Vec::new(),
        };
        Ok((now - SETTLED, changes))
    })
    .await
}
