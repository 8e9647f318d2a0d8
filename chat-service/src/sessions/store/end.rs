//! Ends sessions, and revokes tokens that belong to none.

use chrono::{DateTime, Utc};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, PgExpressionMethods as _, QueryDsl as _, QueryResult,
    QueryableByName,
    dsl::now,
    sql_types::{Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::{
    bus::EndedSessions,
    ids::{SessionId, TokenId, UserId},
};
use uuid::Uuid;

use super::super::model::Which;
use crate::{
    db::{Db, DbResult, prepared},
    schema::{revoked_tokens, sessions, users},
};

/// Revokes a token that belongs to no session and expires at `expires_at`. Repeating it has no effect.
pub(in crate::sessions) async fn revoke(
    db: &Db,
    token: TokenId,
    user: UserId,
    expires_at: DateTime<Utc>,
) -> DbResult<()> {
    let row =
        (revoked_tokens::id.eq(token.0), revoked_tokens::user_id.eq(user.0), revoked_tokens::expires_at.eq(expires_at));
    db.query(async |connection| {
        diesel::insert_into(revoked_tokens::table).values(row).on_conflict_do_nothing().execute(connection).await?;
        super::sweep::sweep_revoked_tokens(connection).await
    })
    .await
}

/// Ends sessions of a user. Returns those that had not ended before.
pub(in crate::sessions) async fn end(db: &Db, user: UserId, which: Which) -> DbResult<EndedSessions> {
    let end = Uuid::now_v7();
    db.query(async |connection| {
        connection.transaction(async |connection| end_in(connection, user, which, end).await).await
    })
    .await
}

/// Replaces a user's password hash, and ends all sessions of the user but one. Returns `None` if the hash is no longer `old`.
pub(in crate::sessions) async fn replace_password(
    db: &Db,
    user: UserId,
    (old, new): (&str, &str),
    kept: Option<SessionId>,
) -> DbResult<Option<EndedSessions>> {
    let end = Uuid::now_v7();
    db.query(async |connection| {
        connection
            .transaction(async |connection| {
                // An earlier attempt may have stored it before its answer was lost.
                let unchanged = users::password_hash.eq(old).or(users::password_hash.eq(new));
                let update =
                    diesel::update(users::table.find(user.0).filter(unchanged)).set(users::password_hash.eq(new));
                if update.execute(connection).await? == 0 {
                    return Ok(None);
                }
                end_in(connection, user, Which::AllBut(kept), end).await.map(Some)
            })
            .await
    })
    .await
}

/// Repeating it with the same `end` returns the same.
async fn end_in(
    connection: &mut AsyncPgConnection,
    user: UserId,
    which: Which,
    end: Uuid,
) -> QueryResult<EndedSessions> {
    // First: it makes concurrent calls for the same user wait for each other.
    let issued_before = match which {
        Which::One(_) => None,
        Which::AllBut(_) => Some(cut_off(connection, user).await?),
    };
    let live = sessions::table
        .filter(sessions::user_id.eq(user.0))
        // An earlier attempt may have ended it before its answer was lost.
        .filter(sessions::revoked_at.is_null().or(sessions::end_id.is_not_distinct_from(end)))
        .filter(sessions::expires_at.gt(now));
    let ended: Vec<Uuid> = match which {
        Which::One(session) => {
            let row = live.filter(sessions::id.eq(session.0));
            diesel::update(row)
                .set((sessions::revoked_at.eq(now), sessions::end_id.eq(end)))
                .returning(sessions::id)
                .load(connection)
                .await?
        }
        Which::AllBut(kept) => {
            let rows = live.filter(sessions::id.ne(kept.map_or(Uuid::nil(), |kept| kept.0)));
            diesel::update(rows)
                .set((sessions::revoked_at.eq(now), sessions::end_id.eq(end)))
                .returning(sessions::id)
                .load(connection)
                .await?
        }
    };
    Ok(EndedSessions { session_ids: ended.into_iter().map(SessionId).collect(), issued_before })
}

/// The next full second: the `iat` of a token is in whole seconds.
const CUT_OFF: &str = "
    INSERT INTO token_cutoffs (user_id, issued_before) VALUES ($1, date_trunc('second', now()) + interval '1 second')
    ON CONFLICT (user_id) DO UPDATE SET issued_before = greatest(token_cutoffs.issued_before, excluded.issued_before)
    RETURNING issued_before";

#[derive(QueryableByName)]
struct Cutoff {
    #[diesel(sql_type = Timestamptz)]
    issued_before: DateTime<Utc>,
}

/// Revokes the tokens of a user that belong to no session. Returns the time before which they were issued, in Unix seconds.
async fn cut_off(connection: &mut AsyncPgConnection, user: UserId) -> QueryResult<u64> {
    let cutoff: Cutoff = prepared(CUT_OFF).bind::<SqlUuid, _>(user.0).get_result(connection).await?;
    Ok(u64::try_from(cutoff.issued_before.timestamp()).unwrap_or_default())
}
