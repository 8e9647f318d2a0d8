//! A user's name, and what others see of a user.

use chrono::{DateTime, Utc};
use diesel::HasQuery;
use neonchat_common::{error::ApiError, ids::UserId, time};
use neonchat_proto::notification::v1::UserStatus as WireStatus;
use serde::Serialize;
use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    schema::users,
    validation::{PageLimit, Violation},
};

/// The fewest and the most characters of a username.
const USERNAME_CHARS: std::ops::RangeInclusive<usize> = 3..=50;

/// The greatest character there is, and part of no name: what starts with a text sorts before the text followed by it.
const LAST_CHAR: char = char::MAX;

/// How many users a search finds at once.
pub type SearchLimit = PageLimit<20, 100>;

/// A username: letters of any script, digits, `_`, `.` and `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username(String);

impl Username {
    /// Reads one.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        // The same name may be typed as different characters: `é`, or `e` and an accent.
        let name: String = text.nfc().collect();
        if !USERNAME_CHARS.contains(&name.chars().count()) {
            return Err(Violation::new("length", "should have 3 to 50 characters"));
        }
        let is_allowed = |c: char| c.is_alphanumeric() || is_combining_mark(c) || "_.-".contains(c);
        if name.starts_with(is_combining_mark) || !name.chars().all(is_allowed) {
            return Err(Violation::new("format", "should have only letters, digits, '_', '.' and '-'"));
        }
        Ok(Self(name))
    }

    /// The name as its owner writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is unique among users.
    #[must_use]
    pub fn key(&self) -> String {
        fold(&self.0)
    }

    /// Whether `text` is this name, but for case.
    #[must_use]
    pub fn is_alike(&self, text: &str) -> bool {
        fold(text) == self.key()
    }
}

/// The start of some usernames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePrefix(String);

impl NamePrefix {
    /// Reads one.
    ///
    /// # Errors
    /// It is missing, empty, longer than a name, or not the start of any.
    pub fn parse(text: Option<&str>) -> Result<Self, Violation> {
        let text = text.ok_or_else(|| Violation::new("required", "is missing"))?;
        if text.is_empty() || text.chars().count() > *USERNAME_CHARS.end() {
            return Err(Violation::new("length", "should have 1 to 50 characters"));
        }
        if text.contains('\0') {
            return Err(Violation::new("format", "cannot contain the character U+0000"));
        }
        Ok(Self(fold(text)))
    }

    /// The keys that start with it: from the first bound on, and before the second.
    #[must_use]
    pub fn key_range(&self) -> (&str, String) {
        (&self.0, format!("{}{LAST_CHAR}", self.0))
    }
}

/// Compatible forms are one (NFKC), and so are upper and lower case. By way of upper case, so that `ß` is `ss`, and `ς`
/// is `σ`.
fn fold(name: &str) -> String {
    name.nfkc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfkc().collect()
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_letters_of_any_script() {
        for good in ["bob", "Алиса", "李小龙", "हिन्दी", "a_b.c-1", "e\u{301}lodie", &"x".repeat(50)]
        {
            assert!(Username::parse(good).is_ok(), "{good}");
        }
        let cases = [
            ("", "length"),
            ("ab", "length"),
            (&*"x".repeat(51), "length"),
            ("a b", "format"),
            ("a\0b", "format"),
            ("a/b", "format"),
            ("bob😀", "format"),
            ("\u{301}bob", "format"),
            ("bob\u{200b}", "format"),
        ];
        for (bad, code) in cases {
            assert_eq!(Username::parse(bad).map_err(|violation| violation.code), Err(code), "{bad:?}");
        }
    }

    #[test]
    fn names_are_alike_whatever_their_case_or_form() {
        let key = |name| Username::parse(name).expect("a name").key();
        for (a, b) in
            [("Alice", "aLICE"), ("ÉLODIE", "e\u{301}lodie"), ("Straße", "STRASSE"), ("ΣΑΣ", "σας"), ("Ａｌｉ", "ali")]
        {
            assert_eq!(key(a), key(b));
        }
        assert_ne!(key("alice"), key("аlice"), "the second begins with a Cyrillic letter");
    }

    #[test]
    fn a_prefix_is_a_range_of_keys() {
        let prefix = NamePrefix::parse(Some("АЛ")).expect("a prefix");
        let (from, to) = prefix.key_range();
        let found = |key: &str| key >= from && key < to.as_str();
        assert_eq!(["ал", "алиса", "ам", "а"].map(found), [true, true, false, false]);
    }

    #[test]
    fn an_insane_prefix_is_refused() {
        for bad in [None, Some(""), Some("a\0"), Some(&*"x".repeat(51))] {
            assert!(NamePrefix::parse(bad).is_err(), "{bad:?}");
        }
    }
}
