//! Revoked tokens in Postgres.

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods as _, QueryDsl as _,
    dsl::{exists, now},
};
use diesel_async::RunQueryDsl as _;
use neonchat_common::ids::{TokenId, UserId};
use uuid::Uuid;

use crate::{
    db::{Db, DbResult},
    schema::{revoked_tokens, users},
};

/// The number of expired tokens that are deleted with each new one, to keep the table small.
const SWEEP: i64 = 100;

/// Returns whether a user exists, and whether a token was revoked.
pub(super) async fn find_user_and_revocation(db: &Db, user: UserId, token: TokenId) -> DbResult<(bool, bool)> {
    let query = diesel::select((exists(users::table.find(user.0)), exists(revoked_tokens::table.find(token.0))));
    db.query(async |connection| query.get_result(connection).await).await
}

/// Revokes a token that expires at `expires_at`. Repeating it has no effect.
pub(super) async fn revoke(db: &Db, token: TokenId, user: UserId, expires_at: DateTime<Utc>) -> DbResult<()> {
    let row =
        (revoked_tokens::id.eq(token.0), revoked_tokens::user_id.eq(user.0), revoked_tokens::expires_at.eq(expires_at));
    db.query(async |connection| {
        diesel::insert_into(revoked_tokens::table).values(row).on_conflict_do_nothing().execute(connection).await?;
        let expired = revoked_tokens::table.filter(revoked_tokens::expires_at.lt(now)).select(revoked_tokens::id);
        let expired: Vec<Uuid> = expired.limit(SWEEP).load(connection).await?;
        diesel::delete(revoked_tokens::table.filter(revoked_tokens::id.eq_any(expired))).execute(connection).await?;
        Ok(())
    })
    .await
}
