//! Users as other users see them.

use chrono::{DateTime, Utc};
use diesel::HasQuery;
use neonchat_common::{ids::UserId, time};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{notifier::UserStatus, schema::users, validation::PageLimit};

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
