//! Continues sessions.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, IntoSql as _, OptionalExtension as _, PgExpressionMethods as _,
    QueryDsl as _, QueryResult,
    dsl::{IntervalDsl as _, now},
    sql_types::Timestamptz,
};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::{SessionId, UserId};
use uuid::Uuid;

use super::super::{
    model::{Device, Presented, Refreshed, SessionUser},
    refresh_token::RefreshToken,
};
use crate::{
    db::{Db, DbResult},
    schema::{sessions, users},
};

/// A session with its lock.
struct Held {
    user: UserId,
    counter: i32,
    rotated_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    /// When the statement began.
    at: DateTime<Utc>,
}

/// Continues a session by `lifetime` seconds, or ends it if its refresh token was used before.
///
/// The row's lock makes concurrent uses of a token wait for the first one. They get the same successor.
pub(in crate::sessions) async fn refresh(
    db: &Db,
    token: RefreshToken,
    device: &Device,
    lifetime: i32,
) -> DbResult<Refreshed> {
    let end = Uuid::now_v7();
    db.query(async |connection| {
        connection.transaction(async |connection| refresh_held(connection, token, device, lifetime, end).await).await
    })
    .await
}

async fn refresh_held(
    connection: &mut AsyncPgConnection,
    token: RefreshToken,
    device: &Device,
    lifetime: i32,
    end: Uuid,
) -> QueryResult<Refreshed> {
    let Some(held) = hold(connection, token.session, end).await? else { return Ok(Refreshed::Ended) };
    let row = sessions::table.find(token.session.0);
    let presented = Presented::judge(token.counter, held.counter, held.at - held.rotated_at);
    if presented == Presented::Reused {
        diesel::update(row).set((sessions::revoked_at.eq(now), sessions::end_id.eq(end))).execute(connection).await?;
        return Ok(Refreshed::Reused(held.user));
    }
    let name = users::table.find(held.user.0).select(users::username).first(connection).await.optional()?;
    let Some(username) = name else { return Ok(Refreshed::Ended) };
    let user = SessionUser { id: held.user, username };
    if presented == Presented::Repeated {
        let expires_in = (held.expires_at - held.at).to_std().unwrap_or_default();
        return Ok(Refreshed::Continued { user, counter: held.counter, expires_in, is_repeated: true });
    }
    let counter = token.counter.saturating_add(1);
    let set = (
        sessions::counter.eq(counter),
        sessions::rotated_at.eq(now),
        sessions::last_used_at.eq(now),
        sessions::expires_at.eq(now.into_sql::<Timestamptz>() + lifetime.seconds()),
        sessions::user_agent.eq(&device.user_agent),
        sessions::ip_prefix.eq(&device.ip_prefix),
    );
    diesel::update(row).set(set).execute(connection).await?;
    let expires_in = Duration::from_secs(u64::try_from(lifetime).unwrap_or_default());
    Ok(Refreshed::Continued { user, counter, expires_in, is_repeated: false })
}

/// Locks a session that has not ended.
async fn hold(connection: &mut AsyncPgConnection, session: SessionId, end: Uuid) -> QueryResult<Option<Held>> {
    type Row = (Uuid, i32, DateTime<Utc>, DateTime<Utc>, DateTime<Utc>);
    let row = sessions::table
        .find(session.0)
        // An earlier attempt may have ended it before its answer was lost.
        .filter(sessions::revoked_at.is_null().or(sessions::end_id.is_not_distinct_from(end)))
        .filter(sessions::expires_at.gt(now.into_sql::<Timestamptz>()))
        .select((
            sessions::user_id,
            sessions::counter,
            sessions::rotated_at,
            sessions::expires_at,
            now.into_sql::<Timestamptz>(),
        ))
        .for_update();
    let row: Option<Row> = row.first(connection).await.optional()?;
    Ok(row.map(|(user, counter, rotated_at, expires_at, at)| Held {
        user: UserId(user),
        counter,
        rotated_at,
        expires_at,
        at,
    }))
}
