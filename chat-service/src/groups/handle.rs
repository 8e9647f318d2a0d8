//! Handles: the names of public chats.

use std::str::FromStr;

use crate::validation::ValidationError;

/// Names that no chat may have: it would look like the operator, or the name may become a path of the client. An `_` does not make
/// a name another one.
const RESERVED: [&str; 27] = [
    "about",
    "account",
    "admin",
    "administrator",
    "admins",
    "api",
    "auth",
    "channels",
    "chats",
    "everyone",
    "groups",
    "help",
    "invite",
    "join",
    "login",
    "moderator",
    "neonchat",
    "official",
    "privacy",
    "register",
    "rooms",
    "search",
    "security",
    "settings",
    "support",
    "system",
    "users",
];

/// The name of a public chat. It is unique together with the usernames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Handle(String);

impl Handle {
    /// Parses the handle that somebody chooses: it must not be reserved.
    pub(crate) fn choose(text: &str) -> Result<Self, ValidationError> {
        let handle: Self = text.parse()?;
        handle.require_unreserved()?;
        Ok(handle)
    }

    pub(crate) fn require_unreserved(&self) -> Result<(), ValidationError> {
        if RESERVED.contains(&self.0.replace('_', "").as_str()) {
            return Err(ValidationError::new("reserved", "is reserved for the operator; choose another one"));
        }
        Ok(())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Parses the handle of a chat that exists: an older one may be reserved now.
impl FromStr for Handle {
    type Err = ValidationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !(5..=32).contains(&text.len()) || !text.chars().all(is_allowed) {
            return Err(ValidationError::new("format", "should have 5 to 32 characters: a–z, 0–9 and _"));
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_plain_names() {
        for (text, is_valid) in [
            ("rust_users", true),
            ("abcd", false),
            ("Rusty", false),
            ("русский", false),
            ("with space", false),
            (&"a".repeat(32), true),
            (&"a".repeat(33), false),
        ] {
            assert_eq!(text.parse::<Handle>().is_ok(), is_valid, "{text}");
        }
    }

    #[test]
    fn refuses_to_choose_a_reserved_name() {
        for text in ["admin", "support", "neonchat", "settings", "_admin_", "neon_chat", "api__", "help_"] {
            let code = Handle::choose(text).map_err(|violation| violation.code);
            assert_eq!(code, Err("reserved"), "{text}");
            assert!(text.parse::<Handle>().is_ok(), "{text}");
        }
        for text in ["rust_users", "admins_of_rust", "neonchat_fans"] {
            assert!(Handle::choose(text).is_ok(), "{text}");
        }
        assert_eq!(Handle::choose("abcd").map_err(|violation| violation.code), Err("format"));
    }
}
