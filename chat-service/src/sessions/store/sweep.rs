//! Deletes what revocation does not need any more.

use diesel::{ExpressionMethods as _, QueryDsl as _, QueryResult, dsl::now};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use uuid::Uuid;

use crate::{
    db::{Db, DbResult, prepared},
    schema::revoked_tokens,
};

/// The number of expired tokens that are deleted with each new one, to keep the table small.
const SWEEP: i64 = 100;

/// The most rows that one statement deletes.
const BATCH: usize = 1000;

/// A token whose session has no row is refused, so rows may go at any time. The feed of recent changes needs them for a few seconds, and an
/// operator who looks into an incident for a day.
const ENDED: [&str; 2] = [
    "DELETE FROM sessions WHERE ctid = ANY (ARRAY (
        SELECT ctid FROM sessions WHERE revoked_at < now() - interval '1 day' LIMIT 1000 FOR UPDATE SKIP LOCKED
    ))",
    "DELETE FROM sessions WHERE ctid = ANY (ARRAY (
        SELECT ctid FROM sessions WHERE expires_at < now() - interval '1 day' LIMIT 1000 FOR UPDATE SKIP LOCKED
    ))",
];

/// No token is valid for more than a year (`JWT_EXPIRE_HOURS`).
const CUTOFFS: &str = "DELETE FROM token_cutoffs WHERE ctid = ANY (ARRAY (
        SELECT ctid FROM token_cutoffs WHERE issued_before < now() - interval '367 days' LIMIT 1000 FOR UPDATE SKIP LOCKED
    ))";

/// Deletes some of the sessions that ended more than a day ago. Returns whether there may be more.
pub(in crate::sessions) async fn sweep(db: &Db) -> DbResult<bool> {
    db.query(async |connection| {
        let mut has_more = false;
        for delete in ENDED {
            has_more |= prepared(delete).execute(connection).await? == BATCH;
        }
        prepared(CUTOFFS).execute(connection).await?;
        Ok(has_more)
    })
    .await
}

/// Deletes some of the revoked tokens that have expired.
pub(super) async fn sweep_revoked_tokens(connection: &mut AsyncPgConnection) -> QueryResult<()> {
    let expired = revoked_tokens::table.filter(revoked_tokens::expires_at.lt(now)).select(revoked_tokens::id);
    let expired: Vec<Uuid> = expired.limit(SWEEP).load(connection).await?;
    diesel::delete(revoked_tokens::table.filter(revoked_tokens::id.eq_any(expired))).execute(connection).await?;
    Ok(())
}
