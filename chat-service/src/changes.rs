//! Whose chats or tokens changed lately.
//!
//! notification-service is told of a new chat and of a logout over Redis, as they happen. It asks here for what it was not
//! told of, because the publication was lost: its sockets would not get the messages of that chat, or not be closed.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    IntoSql as _, QueryableByName,
    sql_types::{BigInt, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use neonchat_common::{error::ApiError, time};
use neonchat_proto::chat::v1::{ListChangedUsersRequest, ListChangedUsersResponse};
use uuid::Uuid;

use crate::db::{Db, DbResult};

/// The most users in one answer.
const MAX_USERS: i64 = 10_000;

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

/// The call.
///
/// # Errors
/// Those of the database.
pub async fn list(db: &Db, request: ListChangedUsersRequest) -> Result<ListChangedUsersResponse, ApiError> {
    let since = (request.since_micros != 0).then(|| time::from_micros(request.since_micros.max(0)));
    let (until, changes) = read(db, since).await?;
    let is_cut = i64::try_from(changes.len()).is_ok_and(|found| found >= MAX_USERS);
    // The rest comes with the next answer.
    let until = changes.last().filter(|_| is_cut).map_or(until, |last| last.at);
    let mut user_ids: Vec<_> = changes.into_iter().map(|change| change.user_id).collect();
    user_ids.sort_unstable();
    user_ids.dedup();
    let user_ids = user_ids.iter().map(Uuid::to_string).collect();
    Ok(ListChangedUsersResponse { user_ids, until_micros: until.timestamp_micros() })
}

/// Up to when all is known, by the clock of Postgres, and what changed since; nothing where nothing was known before.
async fn read(db: &Db, since: Option<DateTime<Utc>>) -> DbResult<(DateTime<Utc>, Vec<Change>)> {
    let now = diesel::select(diesel::dsl::now.into_sql::<Timestamptz>());
    let changes =
        since.map(|since| diesel::sql_query(CHANGES).bind::<Timestamptz, _>(since).bind::<BigInt, _>(MAX_USERS));
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
