//! Computes the skeletons of usernames that were registered by older versions.

use std::collections::HashMap;

use diesel::{
    ExpressionMethods as _, QueryDsl as _, QueryResult,
    result::{DatabaseErrorKind, Error as QueryError},
    sql_types::{Array, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use uuid::Uuid;

use super::username::Username;
use crate::db::prepared;
use crate::schema::users;

/// The number of users that one statement updates.
const BATCH: i64 = 1000;

const FILL: &str = "UPDATE users SET username_skeleton = given.skeleton
    FROM unnest($1, $2) AS given (id, skeleton)
    WHERE users.id = given.id
      AND NOT EXISTS (SELECT FROM users AS other WHERE other.username_skeleton = given.skeleton)";

/// Computes missing skeletons. The unique index on skeletons finds them without a scan of the table. If the names of several
/// users look alike, only one of them gets the skeleton. That is enough to refuse it to new users.
pub(crate) async fn backfill(connection: &mut AsyncPgConnection) -> QueryResult<()> {
    let (mut after, mut filled, mut skipped) = (Uuid::nil(), 0, 0);
    loop {
        let batch: Vec<(Uuid, String)> = users::table
            .filter(users::username_skeleton.is_null())
            .filter(users::id.gt(after))
            .order(users::id)
            .limit(BATCH)
            .select((users::id, users::username))
            .load(connection)
            .await?;
        let Some((last, _)) = batch.last() else { break };
        after = *last;
        let found = batch.len();
        let skeletons =
            batch.into_iter().filter_map(|(id, name)| Some((Username::parse_existing(&name)?.skeleton(), id)));
        let (skeletons, ids): (Vec<_>, Vec<_>) = skeletons.collect::<HashMap<_, _>>().into_iter().unzip();
        let updated = update(connection, &ids, &skeletons).await?;
        filled += updated;
        skipped += found - updated;
    }
    if filled > 0 {
        tracing::info!(users.filled = filled, users.skipped = skipped, "username skeletons backfilled");
    }
    Ok(())
}

async fn update(connection: &mut AsyncPgConnection, ids: &[Uuid], skeletons: &[String]) -> QueryResult<usize> {
    loop {
        let update = prepared(FILL).bind::<Array<SqlUuid>, _>(ids).bind::<Array<Text>, _>(skeletons);
        match update.execute(connection).await {
            // A user with the same skeleton has just registered. The next attempt sees it.
            Err(QueryError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => {}
            result => return result,
        }
    }
}
