//! The text of a message, validated once when it enters a service.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{error::ApiError, visible::has_visible};

/// The maximum number of characters (Unicode scalar values) of a message.
pub const MAX_CHARS: usize = 4096;

/// The maximum number of messages that one deletion names.
pub const MAX_DELETED: usize = 100;

/// The text of a message: 1 to 4096 characters, at least one of them visible and none of them U+0000.
///
/// `Debug` shows only the length, because logs must not contain the text of a message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct MessageText(String);

/// The reason why a text is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidText {
    /// It is empty.
    #[error("should have at least 1 character")]
    Empty,
    /// It has only white space and invisible characters.
    #[error("should have at least one visible character")]
    Blank,
    /// It has more than [`MAX_CHARS`] characters.
    #[error("should have at most 4096 characters")]
    TooLong,
    /// It has a U+0000, which the type `text` of Postgres cannot store.
    #[error("cannot contain the character U+0000")]
    Nul,
}

impl InvalidText {
    /// Returns the code of the violated rule, for clients.
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
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the text as a `String`.
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
    fn rejects_empty_text_and_nul() {
        assert_eq!(parse(""), Err(InvalidText::Empty));
        assert_eq!(parse("a\0b"), Err(InvalidText::Nul));
    }

    #[test]
    fn rejects_invisible_text() {
        for blank in [" ", "\n\t", "\u{3164}", "\u{200b}\u{2800}", &*" ".repeat(MAX_CHARS)] {
            assert_eq!(parse(blank), Err(InvalidText::Blank), "{blank:?}");
        }
        assert!(parse("\u{200f}.").is_ok());
    }

    #[test]
    fn keeps_text_unchanged_and_out_of_debug() {
        let text = parse(" Привет ").expect("parse text");
        assert_eq!(text.as_str(), " Привет ");
        assert!(!format!("{text:?}").contains("Привет"));
    }
}
