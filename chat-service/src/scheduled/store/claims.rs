//! The messages that are due, each claimed by one instance at a time.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods as _, QueryDsl as _, QueryResult, QueryableByName,
    sql_types::{Array, BigInt, Bool, Jsonb, Nullable, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl as _;
use neonchat_common::ids::{ChatId, ScheduledId, SendId, UserId};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    db::{Db, DbResult, prepared},
    scheduled::model::Due,
    schema::scheduled_messages,
};

/// The most messages that are claimed together. Claiming and settling them takes a millisecond and more, whatever their number.
const BATCH: i64 = 256;

/// After the claim has ended, the instance is taken for dead. What it claimed may be stored, so it stays claimed.
///
/// The array has Postgres look the rows up by their ids. A join alone may read the whole table.
const CLAIM: &str = "
    WITH due AS MATERIALIZED (
        SELECT id, is_claimed FROM scheduled_messages
         WHERE due_at <= now() ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
    UPDATE scheduled_messages AS message SET is_claimed = TRUE, due_at = now() + interval '30 seconds'
      FROM due
     WHERE message.id = ANY (ARRAY(SELECT id FROM due)) AND message.id = due.id
    RETURNING message.id, chat_id, sender_id, request_id, send_at, body, due.is_claimed AS may_be_stored";

/// What could not be sent is tried again within a minute ([`MAX_WAIT`]), and a claim is shorter. If a message whose time has come is due later,
/// that was noted when the clock of Postgres was ahead.
const REPAIR: &str = "
    UPDATE scheduled_messages SET due_at = now() WHERE send_at <= now() AND due_at > now() + interval '1 minute'";

/// The longest time until a message is tried again.
const MAX_WAIT: Duration = Duration::from_mins(1);

const UNTIL_NEXT: &str =
    "SELECT (extract(epoch FROM min(due_at) - now()) * 1000)::bigint AS wait_ms FROM scheduled_messages";

const POSTPONE: &str = "
    UPDATE scheduled_messages AS message
       SET due_at = coalesce(now() + postponed.wait_ms * interval '1 ms', send_at), is_claimed = postponed.is_claimed
      FROM unnest($1, $2, $3) AS postponed (id, wait_ms, is_claimed)
     WHERE message.id = postponed.id";

#[derive(QueryableByName)]
struct Claimed {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    chat_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    sender_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    request_id: Uuid,
    #[diesel(sql_type = Timestamptz)]
    send_at: DateTime<Utc>,
    #[diesel(sql_type = Jsonb)]
    body: Value,
    #[diesel(sql_type = Bool)]
    may_be_stored: bool,
}

/// Claims some of the messages that are due.
pub(in crate::scheduled) async fn claim(db: &Db) -> DbResult<Vec<Due>> {
    let claim = async |connection: &mut _| -> QueryResult<Vec<Claimed>> {
        prepared(CLAIM).bind::<BigInt, _>(BATCH).load(connection).await
    };
    let due = |claimed: Claimed| Due {
        id: ScheduledId(claimed.id),
        chat: ChatId(claimed.chat_id),
        sender: UserId(claimed.sender_id),
        request_id: SendId(claimed.request_id),
        send_at: claimed.send_at,
        body: claimed.body,
        may_be_stored: claimed.may_be_stored,
    };
    Ok(db.query(claim).await?.into_iter().map(due).collect())
}

#[derive(QueryableByName)]
struct Wait {
    #[diesel(sql_type = Nullable<BigInt>)]
    wait_ms: Option<i64>,
}

/// Returns the time until the next message is due.
pub(in crate::scheduled) async fn until_next(db: &Db) -> DbResult<Option<Duration>> {
    db.query(async |connection| prepared(REPAIR).execute(connection).await).await?;
    let next = db.query(async |connection| prepared(UNTIL_NEXT).get_result::<Wait>(connection).await).await?;
    Ok(next.wait_ms.map(|ms| Duration::from_millis(ms.try_into().unwrap_or(0))))
}

/// A message that is tried again.
pub(in crate::scheduled) struct Postponed {
    pub(in crate::scheduled) id: ScheduledId,
    /// At most [`MAX_WAIT`] counts. `None`: it is due as before, so that it keeps its place before later ones.
    pub(in crate::scheduled) wait: Option<Duration>,
    /// Whether it may be stored already.
    pub(in crate::scheduled) is_claimed: bool,
}

/// Deletes the rows of messages that need no further attempt, and postpones others.
pub(in crate::scheduled) async fn settle(db: &Db, finished: &[ScheduledId], postponed: &[Postponed]) -> DbResult<()> {
    let finished: Vec<_> = finished.iter().map(|id| id.0).collect();
    let ids: Vec<_> = postponed.iter().map(|postponed| postponed.id.0).collect();
    let wait_ms = |wait: Duration| i64::try_from(wait.min(MAX_WAIT).as_millis()).unwrap_or(i64::MAX);
    let waits: Vec<_> = postponed.iter().map(|postponed| postponed.wait.map(wait_ms)).collect();
    let claimed: Vec<_> = postponed.iter().map(|postponed| postponed.is_claimed).collect();
    db.query(async |connection| {
        if !finished.is_empty() {
            let rows = scheduled_messages::table.filter(scheduled_messages::id.eq_any(&finished));
            diesel::delete(rows).execute(connection).await?;
        }
        if !ids.is_empty() {
            let postpone =
                prepared(POSTPONE).bind::<Array<SqlUuid>, _>(&ids).bind::<Array<Nullable<BigInt>>, _>(&waits);
            postpone.bind::<Array<Bool>, _>(&claimed).execute(connection).await?;
        }
        Ok(())
    })
    .await
}
