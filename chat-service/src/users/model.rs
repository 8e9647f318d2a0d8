//! Users as other users see them.

use chrono::{DateTime, Utc};
use diesel::HasQuery;
use neonchat_common::{ids::UserId, time};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{notifier, schema::users, validation::PageLimit};

/// The page size of a search.
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

/// The maximum number of users whose presence one request can ask for.
pub(crate) const MAX_STATUSES: usize = 100;

/// The presence of users who share a chat with the caller.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Statuses {
    /// In no particular order, without the users who share no chat with the caller.
    pub(crate) statuses: Vec<UserStatus>,
}

/// The presence of a user.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserStatus {
    /// The id of the user.
    user_id: UserId,
    /// The status of the user.
    status: Status,
    /// When the status was last confirmed, in Unix seconds; `null` if the user is offline.
    #[schema(required, examples(1_767_323_045))]
    last_seen: Option<i64>,
}

/// The presence status of a user.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Status {
    /// The user has an open socket that does not report `away`.
    Online,
    /// All open sockets of the user report `away`.
    Away,
    /// The user has no open socket.
    Offline,
}

impl From<notifier::UserStatus> for UserStatus {
    fn from(user: notifier::UserStatus) -> Self {
        let status = match user.status {
            notifier::Status::Online => Status::Online,
            notifier::Status::Away => Status::Away,
            notifier::Status::Offline => Status::Offline,
        };
        Self { user_id: user.user_id, status, last_seen: user.last_seen }
    }
}
