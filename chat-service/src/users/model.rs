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

/// The most users of one call that records when they were last seen.
pub(crate) const MAX_LAST_SEEN: usize = 1000;

/// When a user was last seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LastSeen {
    pub(crate) user: UserId,
    pub(crate) at: DateTime<Utc>,
}

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
    /// Whether the user has an open socket. Users who are `away` count as online.
    online: bool,
    /// The status of the user.
    status: Status,
    /// When the status was last confirmed, in Unix seconds; `null` if the user is offline.
    #[schema(required, examples(1_767_323_045))]
    last_seen: Option<i64>,
    /// When the user was last seen: when the last socket closed. `null` if that is not known.
    #[serde(serialize_with = "time::serialize_option")]
    #[schema(required, examples("2026-01-02T03:04:05.000006Z"))]
    last_seen_at: Option<DateTime<Utc>>,
}

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

impl UserStatus {
    /// Returns what notification-service reports, with the time that is stored.
    pub(super) fn new(user: notifier::UserStatus, last_seen_at: Option<DateTime<Utc>>) -> Self {
        let status = user.status.into();
        let online = status != Status::Offline;
        Self { user_id: user.user_id, online, status, last_seen: user.last_seen, last_seen_at }
    }
}

impl From<notifier::Status> for Status {
    fn from(status: notifier::Status) -> Self {
        match status {
            notifier::Status::Online => Self::Online,
            notifier::Status::Away => Self::Away,
            notifier::Status::Offline => Self::Offline,
        }
    }
}
