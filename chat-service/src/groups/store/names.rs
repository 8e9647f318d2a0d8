//! Handles, which are unique together with the usernames.

use diesel::{ExpressionMethods as _, QueryDsl as _, dsl::exists};
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};

use crate::{
    groups::{error::GroupError, handle::Handle},
    names,
    schema::users,
};

/// Checks that no user has the handle as a name, and keeps others from taking it until the transaction ends. The unique index
/// keeps other chats from it.
pub(super) async fn reserve(connection: &mut AsyncPgConnection, handle: &Handle) -> Result<(), GroupError> {
    names::lock(connection, handle.as_str()).await?;
    let is_user = diesel::select(exists(users::table.filter(users::username_key.eq(handle.as_str()))));
    if is_user.get_result::<bool>(connection).await? { Err(GroupError::HandleTaken) } else { Ok(()) }
}
