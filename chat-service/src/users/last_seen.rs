//! When users were last seen, in Postgres.

use diesel::sql_types::{Array, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use uuid::Uuid;

use super::model::LastSeen;
use crate::db::{Db, DbResult, prepared};

/// Locks the rows in the order of their ids, so that calls with the same users do not wait for each other in a circle.
const RECORD: &str = "
    WITH latest AS MATERIALIZED (
        SELECT user_id, least(max(at), now()) AS at FROM unnest($1, $2) AS seen (user_id, at) GROUP BY user_id
    ), newer AS MATERIALIZED (
        SELECT users.id, latest.at FROM latest JOIN users ON users.id = latest.user_id
         WHERE users.last_seen_at IS NULL OR users.last_seen_at < latest.at
         ORDER BY users.id
           FOR NO KEY UPDATE OF users
    )
    UPDATE users SET last_seen_at = newer.at FROM newer
     WHERE users.id = newer.id AND (users.last_seen_at IS NULL OR users.last_seen_at < newer.at)";

/// Records when users were last seen: never earlier than it is recorded, and never in the future.
pub(super) async fn record(db: &Db, users: &[LastSeen]) -> DbResult<()> {
    let (ids, times): (Vec<Uuid>, Vec<_>) = users.iter().map(|seen| (seen.user.0, seen.at)).unzip();
    let record = async |connection: &mut AsyncPgConnection| {
        let statement = prepared(RECORD).bind::<Array<SqlUuid>, _>(&ids).bind::<Array<Timestamptz>, _>(&times);
        statement.execute(connection).await
    };
    db.query(record).await.map(drop)
}
