//! The text of a message, checked once at the edge.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{error::ApiError, visible::has_visible};

/// The most characters (Unicode scalar values) in a message.
pub const MAX_CHARS: usize = 4096;

/// The text of a message: 1 to 4096 characters, at least one of them visible and none of them U+0000.
///
/// `Debug` shows only the length: the text of a message is in no log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct MessageText(String);

/// Why a text is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidText {
    /// It is empty.
    #[error("should have at least 1 character")]
    Empty,
    /// It has only white space and characters that nobody can see.
    #[error("should have at least one visible character")]
    Blank,
    /// It has more than [`MAX_CHARS`] characters.
    #[error("should have at most 4096 characters")]
    TooLong,
    /// It has a U+0000, which Postgres' text cannot hold.
    #[error("cannot contain the character U+0000")]
    Nul,
}

impl InvalidText {
    /// The code of the rule, as clients read it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Empty | Self::TooLong => "length",
            Self::Blank => "blank",
            Self::Nul => "format",
        }
    }
}

impl From<InvalidText> for ApiError {
    fn from(error: InvalidText) -> Self {
        Self::invalid("text", error.code(), error.to_string())
    }
}

impl MessageText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, owned.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl TryFrom<String> for MessageText {
    type Error = InvalidText;

    fn try_from(text: String) -> Result<Self, InvalidText> {
        if text.is_empty() {
            Err(InvalidText::Empty)
        } else if text.contains('\0') {
            Err(InvalidText::Nul)
        } else if text.len() > MAX_CHARS && text.chars().count() > MAX_CHARS {
            Err(InvalidText::TooLong)
        } else if !has_visible(&text) {
            Err(InvalidText::Blank)
        } else {
            Ok(Self(text))
        }
    }
}

impl fmt::Debug for MessageText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageText({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: impl Into<String>) -> Result<MessageText, InvalidText> {
        MessageText::try_from(text.into())
    }

    #[test]
    fn counts_characters_not_bytes() {
        assert!(parse("😀".repeat(MAX_CHARS)).is_ok());
        assert_eq!(parse("a".repeat(MAX_CHARS + 1)), Err(InvalidText::TooLong));
        assert_eq!(parse("😀".repeat(MAX_CHARS + 1)), Err(InvalidText::TooLong));
    }

    #[test]
    fn refuses_empty_and_nul() {
        assert_eq!(parse(""), Err(InvalidText::Empty));
        assert_eq!(parse("a\0b"), Err(InvalidText::Nul));
    }

    #[test]
    fn refuses_text_that_nobody_can_see() {
        for blank in [" ", "\n\t", "\u{3164}", "\u{200b}\u{2800}", &*" ".repeat(MAX_CHARS)] {
            assert_eq!(parse(blank), Err(InvalidText::Blank), "{blank:?}");
        }
        assert!(parse("\u{200f}.").is_ok());
    }

    #[test]
    fn keeps_the_text_as_it_is_and_out_of_debug() {
        let text = parse(" Привет ").expect("a text");
        assert_eq!(text.as_str(), " Привет ");
        assert!(!format!("{text:?}").contains("Привет"));
    }
}
