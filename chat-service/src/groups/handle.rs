//! Handles: the names of public chats.

use std::str::FromStr;

use crate::validation::ValidationError;

/// The name of a public chat. It is unique together with the usernames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Handle(String);

impl Handle {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

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
}
