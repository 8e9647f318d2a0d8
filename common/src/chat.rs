//! What both services know about chats and their members.

use serde::{Deserialize, Deserializer, Serialize, de::IgnoredAny};
use utoipa::ToSchema;

use crate::ids::UserId;

/// A change of the members of a chat. One that another version published can be read too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembershipChange {
    /// Users who cease to be members. Their sockets get no later event of the chat.
    #[serde(default)]
    pub removed: Vec<UserId>,
    /// Why they do.
    #[serde(default)]
    pub reason: RemovalReason,
    /// All members are removed.
    #[serde(default)]
    pub closes: bool,
    /// Users who get another role.
    #[serde(default, deserialize_with = "published_roles")]
    pub roles: Vec<(UserId, Role)>,
}

/// Why a user ceased to be a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemovalReason {
    /// The user left.
    Left,
    /// Another member removed the user.
    Kicked,
    /// Another member removed the user and keeps them out.
    Banned,
    /// The chat was closed.
    Closed,
    /// Not known, or of a newer version.
    #[default]
    #[serde(other)]
    Gone,
}

impl RemovalReason {
    /// Returns the name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Kicked => "kicked",
            Self::Banned => "banned",
            Self::Closed => "closed",
            Self::Gone => "gone",
        }
    }

    /// Returns the reason with this name, and `Gone` for the name of a newer version.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        [Self::Left, Self::Kicked, Self::Banned, Self::Closed]
            .into_iter()
            .find(|reason| reason.as_str() == name)
            .unwrap_or(Self::Gone)
    }
}

/// The size of a chat. It decides which ephemeral events its members get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(i16)]
pub enum ChatClass {
    /// At most 100 members.
    #[default]
    Small = 0,
    /// At most 1,000 members.
    Medium = 1,
    /// More members, and every channel. A class of a newer version counts as this one, whose members get the fewest ephemeral events.
    #[serde(other)]
    Large = 2,
}

impl ChatClass {
    /// All classes, in ascending order.
    pub const ALL: [Self; 3] = [Self::Small, Self::Medium, Self::Large];

    /// Returns the class with this number in the database.
    #[must_use]
    pub fn from_number(number: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|class| *class as i16 == number)
    }
}

/// The role of a member, in ascending order of rights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[repr(i16)]
pub enum Role {
    /// A member without an office.
    #[default]
    Member = 1,
    /// A member who runs the chat.
    Admin = 2,
    /// The one member who owns the chat.
    Owner = 3,
}

impl Role {
    /// All roles, in ascending order.
    pub const ALL: [Self; 3] = [Self::Member, Self::Admin, Self::Owner];

    /// Returns the role with this number, in the database and on the wire.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|role| *role as i32 == number)
    }
}

/// A role that a service published.
#[derive(Deserialize)]
#[serde(untagged)]
enum PublishedRole {
    Known(Role),
    /// Of a newer version.
    Unknown(IgnoredAny),
}

impl PublishedRole {
    /// Returns the role. An unknown one counts as that with the fewest rights.
    const fn known(&self) -> Role {
        match *self {
            Self::Known(role) => role,
            Self::Unknown(_) => Role::Member,
        }
    }
}

/// Reads a role that a service published. Clients send roles too, and for them an unknown role is an error.
pub(crate) fn published_role<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Role, D::Error> {
    Ok(PublishedRole::deserialize(deserializer)?.known())
}

fn published_roles<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(UserId, Role)>, D::Error> {
    let roles = Vec::<(UserId, PublishedRole)>::deserialize(deserializer)?;
    Ok(roles.into_iter().map(|(user, role)| (user, role.known())).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_change_of_another_version() {
        let user = UserId::new();
        let read = |change| serde_json::from_value::<MembershipChange>(change).expect("read change");
        let nothing =
            MembershipChange { removed: Vec::new(), reason: RemovalReason::Gone, closes: false, roles: Vec::new() };
        assert_eq!(read(json!({})), nothing);
        let newer = json!({
            "removed": [user], "reason": "expired", "closes": false, "roles": [[user, "guest"], [user, "admin"]], "at": 1,
        });
        let roles = vec![(user, Role::Member), (user, Role::Admin)];
        assert_eq!(read(newer), MembershipChange { removed: vec![user], roles, ..nothing });
    }

    #[test]
    fn reads_its_own_change() {
        let change = MembershipChange {
            removed: vec![UserId::new()],
            reason: RemovalReason::Banned,
            closes: true,
            roles: Role::ALL.map(|role| (UserId::new(), role)).to_vec(),
        };
        let json = serde_json::to_value(&change).expect("write change");
        assert_eq!(serde_json::from_value::<MembershipChange>(json).expect("read change"), change);
    }

    #[test]
    fn unknown_class_is_large_and_unknown_role_of_a_client_an_error() {
        assert_eq!(serde_json::from_value::<ChatClass>(json!("huge")).expect("read class"), ChatClass::Large);
        assert_eq!(serde_json::from_value::<ChatClass>(json!("medium")).expect("read class"), ChatClass::Medium);
        assert!(serde_json::from_value::<Role>(json!("guest")).is_err());
    }
}
