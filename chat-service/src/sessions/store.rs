//! Sessions in Postgres. All their times are those of its clock, so that those of the services may differ.

mod end;
mod refresh;
mod start;
mod sweep;

use chrono::{DateTime, Utc};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, IntoSql as _, OptionalExtension as _, QueryDsl as _,
    dsl::{IntervalDsl as _, exists, now},
    sql_types::Timestamptz,
};
use diesel_async::RunQueryDsl as _;
use neonchat_common::{
    ids::{SessionId, UserId},
    token::TokenRef,
};
use uuid::Uuid;

pub(super) use self::{
    end::{end, replace_password, revoke},
    refresh::refresh,
    start::{NewSession, start},
    sweep::sweep,
};
use super::model::{SessionItem, SessionLimit};
use crate::{
    db::{Db, DbResult},
    schema::{revoked_tokens, sessions, token_cutoffs, users},
};

/// What is known of a token.
pub(super) struct Standing {
    pub(super) has_user: bool,
    pub(super) is_revoked: bool,
    /// Whether the time of the last use of its session is an hour ago.
    pub(super) is_stale: bool,
}

/// Returns whether a user exists, and whether a token was revoked, itself or with its session.
pub(super) async fn standing(db: &Db, user: UserId, token: TokenRef) -> DbResult<Standing> {
    let has_user = exists(users::table.find(user.0));
    let is_revoked = exists(revoked_tokens::table.find(token.jti.0));
    let Some(session) = token.sid else {
        // Of a version that does not tell, the time is unknown: such a token is not refused.
        let issued_at = token.iat.map_or(DateTime::<Utc>::MAX_UTC, from_unix);
        let cutoff = token_cutoffs::table.find(user.0).filter(token_cutoffs::issued_before.gt(issued_at));
        let query = diesel::select((has_user, is_revoked.or(exists(cutoff))));
        let (has_user, is_revoked) = db.query(async |connection| query.get_result(connection).await).await?;
        return Ok(Standing { has_user, is_revoked, is_stale: false });
    };
    let is_stale = sessions::table
        .find(session.0)
        .filter(sessions::user_id.eq(user.0))
        .filter(sessions::revoked_at.is_null())
        .filter(sessions::expires_at.gt(now))
        .select(sessions::last_used_at.lt(now.into_sql::<Timestamptz>() - 1.hour()))
        .single_value();
    let query = diesel::select((has_user, is_revoked, is_stale));
    let (has_user, is_revoked, is_stale): (_, bool, Option<bool>) =
        db.query(async |connection| query.get_result(connection).await).await?;
    Ok(Standing { has_user, is_revoked: is_revoked || is_stale.is_none(), is_stale: is_stale == Some(true) })
}

fn from_unix(seconds: u64) -> DateTime<Utc> {
    let time = i64::try_from(seconds).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    time.unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// Records that a session is used, unless that was recorded within the last hour.
pub(super) async fn touch(db: &Db, session: SessionId) -> DbResult<()> {
    let stale =
        sessions::table.find(session.0).filter(sessions::last_used_at.lt(now.into_sql::<Timestamptz>() - 1.hour()));
    let update = diesel::update(stale).set(sessions::last_used_at.eq(now));
    db.query(async |connection| update.execute(connection).await.map(drop)).await
}

/// Returns the user of a session.
pub(super) async fn user_of(db: &Db, session: SessionId) -> DbResult<Option<UserId>> {
    let query = sessions::table.find(session.0).select(sessions::user_id);
    let user: Option<Uuid> = db.query(async |connection| query.first(connection).await.optional()).await?;
    Ok(user.map(UserId))
}

/// Returns the sessions of a user after an id, the newest first: one more than the limit, if there are more.
pub(super) async fn list(
    db: &Db,
    user: UserId,
    after: Option<SessionId>,
    limit: SessionLimit,
    current: Option<SessionId>,
) -> DbResult<Vec<SessionItem>> {
    type Row = (Uuid, Option<String>, Option<String>, String, DateTime<Utc>, DateTime<Utc>);
    let after = after.map_or(Uuid::max(), |session| session.0);
    let query = sessions::table
        .filter(sessions::user_id.eq(user.0))
        .filter(sessions::revoked_at.is_null())
        .filter(sessions::expires_at.gt(now.into_sql::<Timestamptz>()))
        .filter(sessions::id.lt(after))
        .order(sessions::id.desc())
        .limit(limit.plus_one())
        .select((
            sessions::id,
            sessions::device_name,
            sessions::user_agent,
            sessions::ip_prefix,
            sessions::created_at,
            sessions::last_used_at,
        ));
    let rows: Vec<Row> = db.query(async |connection| query.load(connection).await).await?;
    let item = |(id, device_name, user_agent, ip_prefix, created_at, last_used_at): Row| {
        let id = SessionId(id);
        SessionItem { id, device_name, user_agent, ip_prefix, created_at, last_used_at, current: current == Some(id) }
    };
    Ok(rows.into_iter().map(item).collect())
}
