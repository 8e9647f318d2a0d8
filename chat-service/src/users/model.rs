//! What others see of a user.

use chrono::{DateTime, Utc};
use diesel::HasQuery;
use neonchat_common::{error::ApiError, ids::UserId, time};
use neonchat_proto::notification::v1::UserStatus as WireStatus;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{schema::users, validation::PageLimit};

/// How many users a search finds at once.
pub(crate) type SearchLimit = PageLimit<20, 100>;

/// The public profile of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, HasQuery, ToSchema)]
#[diesel(table_name = users)]
pub(crate) struct UserProfile {
    /// The id of the user.
    #[diesel(deserialize_as = Uuid)]
    pub(crate) id: UserId,
    /// The username, spelled as at registration.
    #[schema(examples("alice"))]
    pub(crate) username: String,
    /// When the user registered.
    #[serde(serialize_with = "time::serialize")]
    #[schema(examples("2026-01-02T03:04:05.000006Z"))]
    pub(crate) created_at: DateTime<Utc>,
}

/// A page of users, ordered by username.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct FoundUsers {
    /// The users on this page.
    pub(crate) users: Vec<UserProfile>,
    /// Whether there are further pages.
    pub(crate) has_more: bool,
}

/// How many users' presence is asked for at once, at most.
pub(crate) const MAX_STATUSES: usize = 100;

/// The presence status of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// The user has an open socket that does not report `away`.
    Online,
    /// All open sockets of the user report `away`.
    Away,
    /// The user has no open socket.
    Offline,
}

/// The presence of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct UserStatus {
    /// The id of the user.
    pub(crate) user_id: UserId,
    /// The status of the user.
    pub(crate) status: Status,
    /// When the status was last confirmed, in Unix seconds; `null` if the user is offline.
    #[schema(required, examples(1_767_323_045))]
    pub(crate) last_seen: Option<i64>,
}

impl UserStatus {
    /// What notification-service says of a user.
    ///
    /// # Errors
    /// It makes no sense.
    pub(crate) fn from_wire(wire: &WireStatus) -> Result<Self, ApiError> {
        let user_id = wire.user_id.parse().map_err(ApiError::internal)?;
        let status = match wire.status.as_str() {
            "online" => Status::Online,
            "away" => Status::Away,
            _ => Status::Offline,
        };
        Ok(Self { user_id, status, last_seen: (wire.last_seen > 0).then_some(wire.last_seen) })
    }
}

/// The presence of users who share a chat with the caller.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Statuses {
    /// In no particular order, without the users who share no chat with the caller.
    pub(crate) statuses: Vec<UserStatus>,
}
