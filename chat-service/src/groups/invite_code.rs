//! Codes of invites.

use std::str::FromStr;

use super::error::GroupError;

/// The length of a code: 128 bits in base64url.
const LENGTH: usize = 22;

/// The code of an invite. No other text is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InviteCode(String);

impl InviteCode {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

impl FromStr for InviteCode {
    type Err = GroupError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if text.len() == LENGTH && text.chars().all(is_allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(GroupError::NoSuchInvite)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_what_can_be_a_code() {
        for (text, is_valid) in [
            ("wGx0VFg1Rn2x6tTtq1pY3Q", true),
            ("-_x0VFg1Rn2x6tTtq1pY3Q", true),
            ("wGx0VFg1Rn2x6tTtq1pY3", false),
            ("wGx0VFg1Rn2x6tTtq1pY3Q=", false),
            ("wGx0VFg1Rn2x6tTtq1pY3\0", false),
            ("wGx0VFg1Rn2x6tTtq1pYф", false),
        ] {
            assert_eq!(text.parse::<InviteCode>().is_ok(), is_valid, "{text:?}");
        }
    }
}
