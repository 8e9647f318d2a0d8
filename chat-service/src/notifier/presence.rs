//! The presence of users, as notification-service reports it.

use neonchat_common::{error::ApiError, ids::UserId};
use neonchat_proto::notification::v1::UserStatus as WireStatus;

/// The presence status of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// The user has an open socket that does not report `away`.
    Online,
    /// All open sockets of the user report `away`.
    Away,
    /// The user has no open socket.
    Offline,
}

/// The presence of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UserStatus {
    pub(crate) user_id: UserId,
    pub(crate) status: Status,
    /// When the status was last confirmed, in Unix seconds; `None` if the user is offline.
    pub(crate) last_seen: Option<i64>,
}

impl UserStatus {
    /// Reads a status from an answer of notification-service. A status that this version does not know counts as
    /// offline, and is logged.
    ///
    /// # Errors
    /// The user id is not a UUID.
    pub(super) fn from_wire(wire: &WireStatus) -> Result<Self, ApiError> {
        let user_id = wire.user_id.parse().map_err(ApiError::internal)?;
        let status = match wire.status.as_str() {
            "online" => Status::Online,
            "away" => Status::Away,
            "offline" => Status::Offline,
            unknown => {
                tracing::warn!(user.id = %user_id, user.status = unknown, "unknown presence status, shown as offline");
                Status::Offline
            }
        };
        Ok(Self { user_id, status, last_seen: (wire.last_seen > 0).then_some(wire.last_seen) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(user_id: &str, status: &str) -> Option<Status> {
        let wire = WireStatus { user_id: user_id.to_owned(), status: status.to_owned(), last_seen: 0 };
        UserStatus::from_wire(&wire).ok().map(|user| user.status)
    }

    #[test]
    fn reads_known_statuses_and_shows_unknown_ones_as_offline() {
        let id = UserId::new().to_string();
        for (word, expected) in [
            ("online", Status::Online),
            ("away", Status::Away),
            ("offline", Status::Offline),
            ("busy", Status::Offline),
        ] {
            assert_eq!(status(&id, word), Some(expected), "{word}");
        }
        assert_eq!(status("not a UUID", "online"), None);
    }
}
