//! Names of users and of public chats are unique together.

use diesel::{QueryResult, sql_types::Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};

use crate::db::prepared;

/// Keeps other transactions from taking a name until this one ends. Each index sees only the names of its own table, so without
/// the lock a user and a chat could take the same name at the same time.
pub(crate) async fn lock(connection: &mut AsyncPgConnection, name: &str) -> QueryResult<()> {
    let lock = prepared("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))").bind::<Text, _>(name);
    lock.execute(connection).await.map(drop)
}
