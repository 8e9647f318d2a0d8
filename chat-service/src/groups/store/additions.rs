//! The log of who became or ceased to be a member lately: for the resync of notification-service, and for the limit of
//! additions.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use neonchat_common::ids::UserId;
use uuid::Uuid;

use crate::{
    config::GroupSettings,
    groups::error::GroupError,
    schema::{member_changes, users},
};

/// Records that users became or ceased to be members. `by` is who added them.
pub(super) async fn record(
    connection: &mut AsyncPgConnection,
    at: DateTime<Utc>,
    users: &[UserId],
    by: Option<UserId>,
) -> QueryResult<()> {
    let by = by.map(|by| by.0);
    let row =
        |user: &UserId| (member_changes::at.eq(at), member_changes::user_id.eq(user.0), member_changes::by_id.eq(by));
    let rows: Vec<_> = users.iter().map(row).collect();
    diesel::insert_into(member_changes::table).values(&rows).execute(connection).await.map(drop)
}

/// Checks that a user may add this number of users today. It locks the user's row, so that concurrent requests are counted one
/// after another.
pub(super) async fn require(
    connection: &mut AsyncPgConnection,
    user: UserId,
    count: usize,
    limits: GroupSettings,
) -> Result<(), GroupError> {
    let most = i64::from(limits.added_per_day);
    if most == 0 || count == 0 {
        return Ok(());
    }
    users::table.find(user.0).select(users::id).for_no_key_update().first::<Uuid>(connection).await?;
    let today = member_changes::table
        .filter(member_changes::by_id.eq(user.0))
        .filter(member_changes::at.gt(Utc::now() - TimeDelta::days(1)));
    let excess = today.count().get_result::<i64>(connection).await? + i64::try_from(count).unwrap_or(i64::MAX) - most;
    if excess <= 0 {
        return Ok(());
    }
    // A repeated request succeeds when this addition is older than a day. There is no such addition if the request alone is larger
    // than the limit.
    let in_the_way = today.order(member_changes::at).offset(excess - 1).select(member_changes::at);
    Err(until_a_day_after(in_the_way.first(connection).await.optional()?))
}

/// Returns the error of a limit per day, whose place becomes free a day after a time; `None` is now.
pub(super) fn until_a_day_after(at: Option<DateTime<Utc>>) -> GroupError {
    let now = Utc::now();
    let wait = at.unwrap_or(now) + TimeDelta::days(1) - now;
    GroupError::RateLimited(wait.to_std().unwrap_or_default())
}
