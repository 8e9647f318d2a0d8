//! The requests for reactions that have no event of their own.

use diesel_async::RunQueryDsl as _;

use crate::db::{Db, DbResult, prepared};

/// A repeated request is known for a week. Clients give up earlier.
const FORGET: &str = "
    DELETE FROM reaction_requests
     WHERE ctid = ANY (ARRAY(
           SELECT ctid FROM reaction_requests WHERE at < now() - interval '7 days'
            ORDER BY at LIMIT 1000 FOR UPDATE SKIP LOCKED))";

/// Forgets some old requests. Returns whether there may be more.
pub(in crate::reactions) async fn forget_old_requests(db: &Db) -> DbResult<bool> {
    let forgotten = db.query(async |connection| prepared(FORGET).execute(connection).await).await?;
    Ok(forgotten > 0)
}
