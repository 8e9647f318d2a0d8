//! Reads the users whose chats or sessions changed recently.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    IntoSql as _, QueryableByName,
    sql_types::{BigInt, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use uuid::Uuid;

use crate::db::{Db, DbResult, prepared};

/// The maximum number of changes in one answer.
pub(super) const MAX_CHANGES: i64 = 10_000;

/// Changes older than this are complete. A change has the time at which its transaction began, and the timeouts end a
/// transaction long before this age.
const SETTLED: TimeDelta = TimeDelta::seconds(3);

const CHANGES: &str = "SELECT user_id, at FROM (
        SELECT member.user_id, chats.created_at AS at FROM chats
        JOIN chat_members AS member ON member.chat_id = chats.id WHERE chats.created_at >= $1
        UNION ALL SELECT user_id, at FROM member_changes WHERE at >= $1
        UNION ALL SELECT user_id, revoked_at FROM revoked_tokens WHERE revoked_at >= $1
        UNION ALL SELECT user_id, revoked_at FROM sessions WHERE revoked_at >= $1
        UNION ALL SELECT user_id, issued_before FROM token_cutoffs WHERE issued_before >= $1
    ) AS changes ORDER BY at LIMIT $2";

/// Deletes some of the changes that no instance asks for any more, with each call, to keep the table small.
const SWEEP: &str = "DELETE FROM member_changes WHERE ctid = ANY (ARRAY (
        SELECT ctid FROM member_changes WHERE at < now() - interval '1 day' LIMIT 1000 FOR UPDATE SKIP LOCKED
    ))";

/// A change of a user's chats or sessions.
#[derive(QueryableByName)]
pub(super) struct Change {
    #[diesel(sql_type = SqlUuid)]
    pub(super) user_id: Uuid,
    #[diesel(sql_type = Timestamptz)]
    pub(super) at: DateTime<Utc>,
}

/// Returns at most [`MAX_CHANGES`] changes since a time, the oldest first (none without a time), and the time up to which they
/// are complete, by the clock of Postgres.
pub(super) async fn changes(db: &Db, since: Option<DateTime<Utc>>) -> DbResult<(DateTime<Utc>, Vec<Change>)> {
    let now = diesel::select(diesel::dsl::now.into_sql::<Timestamptz>());
    db.query(async |connection| {
        // The clock is read first: a change that is committed in between is returned again by the next call.
        let now: DateTime<Utc> = now.get_result(connection).await?;
        let changes = match since {
            Some(since) => {
                let changes = prepared(CHANGES).bind::<Timestamptz, _>(since).bind::<BigInt, _>(MAX_CHANGES);
                changes.load(connection).await?
            }
            None => Vec::new(),
        };
        prepared(SWEEP).execute(connection).await?;
        Ok((now - SETTLED, changes))
    })
    .await
}
