//! Starts sessions.

use diesel::{
    ExpressionMethods as _, IntoSql as _, OptionalExtension as _, QueryDsl as _, QueryResult, QueryableByName,
    dsl::{IntervalDsl as _, now},
    sql_types::{BigInt, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::{SessionId, UserId};
use uuid::Uuid;

use super::super::model::Device;
use crate::{
    db::{Db, DbResult, prepared},
    schema::{sessions, users},
};

/// A session of a user whose password was right.
pub(in crate::sessions) struct NewSession<'a> {
    pub(in crate::sessions) id: SessionId,
    pub(in crate::sessions) user: UserId,
    /// The hash that the password was compared with.
    pub(in crate::sessions) password_hash: &'a str,
    pub(in crate::sessions) device_name: Option<&'a str>,
    pub(in crate::sessions) device: &'a Device,
    /// In seconds.
    pub(in crate::sessions) lifetime: i32,
    /// The most sessions of the user, with this one.
    pub(in crate::sessions) max: u32,
}

/// Stores a session. Returns the sessions that ended because the user has too many, or `None` if the password hash is another one by
/// now: a session that began with the old password must not outlive its change.
pub(in crate::sessions) async fn start(db: &Db, new: &NewSession<'_>) -> DbResult<Option<Vec<SessionId>>> {
    db.query(async |connection| {
        connection
            .transaction(async |connection| {
                // The lock makes a change of the password wait until this session is visible to it.
                let hash = users::table.find(new.user.0).select(users::password_hash).for_share();
                let hash: Option<String> = hash.first(connection).await.optional()?;
                if hash.as_deref() != Some(new.password_hash) {
                    return Ok(None);
                }
                insert(connection, new).await?;
                end_surplus(connection, new).await.map(Some)
            })
            .await
    })
    .await
}

async fn insert(connection: &mut AsyncPgConnection, new: &NewSession<'_>) -> QueryResult<()> {
    let row = (
        sessions::id.eq(new.id.0),
        sessions::user_id.eq(new.user.0),
        sessions::expires_at.eq(now.into_sql::<Timestamptz>() + new.lifetime.seconds()),
        sessions::device_name.eq(new.device_name),
        sessions::user_agent.eq(&new.device.user_agent),
        sessions::ip_prefix.eq(&new.device.ip_prefix),
    );
    // An earlier attempt may have inserted it before its answer was lost.
    diesel::insert_into(sessions::table).values(row).on_conflict_do_nothing().execute(connection).await.map(drop)
}

/// An earlier attempt may have ended some, with the same id. Two logins at the same time may leave a session too many. The next login ends it.
const END_SURPLUS: &str = "
    UPDATE sessions SET revoked_at = now(), end_id = $3
    WHERE user_id = $1 AND (end_id = $3 OR id = ANY (ARRAY (
        SELECT id FROM sessions WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > now()
        ORDER BY last_used_at DESC, id DESC OFFSET $2 FOR UPDATE SKIP LOCKED
    ))) RETURNING id";

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

/// Ends the sessions that were used least recently, so that `max` are left.
async fn end_surplus(connection: &mut AsyncPgConnection, new: &NewSession<'_>) -> QueryResult<Vec<SessionId>> {
    let query = prepared(END_SURPLUS).bind::<SqlUuid, _>(new.user.0).bind::<BigInt, _>(i64::from(new.max));
    let query = query.bind::<SqlUuid, _>(new.id.0);
    let ended: Vec<Id> = query.load(connection).await?;
    Ok(ended.into_iter().map(|ended| SessionId(ended.id)).collect())
}
