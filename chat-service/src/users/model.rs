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
pub type SearchLimit = PageLimit<20, 100>;

/// What everybody may know of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, HasQuery, ToSchema)]
#[diesel(table_name = users)]
pub struct UserProfile {
    /// Who.
    #[diesel(deserialize_as = Uuid)]
    pub id: UserId,
    /// The name as its owner writes it.
    #[schema(examples("alice"))]
    pub username: String,
    /// When the user registered.
    #[serde(serialize_with = "time::serialize")]
    #[schema(examples("2026-01-02T03:04:05.000006Z"))]
    pub created_at: DateTime<Utc>,
}

/// A page of users whose names start alike, in the order of their names.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FoundUsers {
    /// The users.
    pub users: Vec<UserProfile>,
    /// Whether more follow.
    pub has_more: bool,
}

/// How many users' presence is asked for at once, at most.
pub const MAX_STATUSES: usize = 100;

/// Whether a user is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// A socket of the user is open.
    Online,
    /// All sockets of the user say that nobody is in front of them.
    Away,
    /// There is no socket.
    Offline,
}

/// The presence of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct UserStatus {
    /// Who.
    pub user_id: UserId,
    /// Whether the user is there.
    pub status: Status,
    /// When that was last seen to be so, in Unix seconds; of who is offline it is not known.
    #[schema(required, examples(1_767_323_045))]
    pub last_seen: Option<i64>,
}

impl UserStatus {
    /// What notification-service says of a user.
    ///
    /// # Errors
    /// It makes no sense.
    pub fn from_wire(wire: &WireStatus) -> Result<Self, ApiError> {
        let user_id = wire.user_id.parse().map_err(ApiError::internal)?;
        let status = match wire.status.as_str() {
            "online" => Status::Online,
            "away" => Status::Away,
            _ => Status::Offline,
        };
        Ok(Self { user_id, status, last_seen: (wire.last_seen > 0).then_some(wire.last_seen) })
    }
}

/// The presence of those users whom one may ask about.
#[derive(Debug, Serialize, ToSchema)]
pub struct Statuses {
    /// In no order; who shares no chat with who asks is left out.
    pub statuses: Vec<UserStatus>,
}
