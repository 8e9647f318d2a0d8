//! The gRPC call `ListChangedUsers`.

use neonchat_common::{error::ApiError, time};
use neonchat_proto::chat::v1::{ListChangedUsersRequest, ListChangedUsersResponse};

use super::service::{Changes, list_changes};
use crate::db::Db;

/// Lists the users whose chats or sessions changed since the end of an earlier answer.
///
/// # Errors
/// `since_micros` is out of range, or the database failed.
pub(crate) async fn list_changed_users(
    db: &Db,
    request: ListChangedUsersRequest,
) -> Result<ListChangedUsersResponse, ApiError> {
    let since = match request.since_micros {
        0 => None,
        micros => Some(time::from_micros(micros).ok_or_else(|| {
            ApiError::invalid("since_micros", "range", "should be the until_micros of an earlier answer, or 0")
        })?),
    };
    let Changes { users, until } = list_changes(db, since).await?;
    let user_ids = users.iter().map(ToString::to_string).collect();
    Ok(ListChangedUsersResponse { user_ids, until_micros: until.timestamp_micros() })
}
