//! Lists the users whose chats or sessions changed recently.

use chrono::{DateTime, Utc};
use neonchat_common::ids::UserId;

use super::store;
use crate::db::{Db, DbResult};

/// A page of changes.
pub(crate) struct Changes {
    /// The users whose chats or sessions changed, each once.
    pub(crate) users: Vec<UserId>,
    /// All changes up to this time are included, by the clock of Postgres.
    pub(crate) until: DateTime<Utc>,
}

/// Returns at most 10,000 changes since a time, the oldest first; without a time, none.
pub(crate) async fn list_changes(db: &Db, since: Option<DateTime<Utc>>) -> DbResult<Changes> {
    let (until, changes) = store::changes(db, since).await?;
    let is_cut = i64::try_from(changes.len()).is_ok_and(|found| found >= store::MAX_CHANGES);
    // The next call gets the rest.
    let until = changes.last().filter(|_| is_cut).map_or(until, |last| last.at);
    let mut users: Vec<_> = changes.into_iter().map(|change| change.user_id).collect();
    users.sort_unstable();
    users.dedup();
    Ok(Changes { users: users.into_iter().map(UserId::from).collect(), until })
}
