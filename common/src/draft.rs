//! The text of a draft, validated once when it enters a service.

use std::fmt;

use crate::message::{InvalidText, MAX_CHARS};

/// The text of a message that a user has not sent yet: at most 4096 characters, none of them U+0000. An empty one deletes the draft.
///
/// `Debug` shows only the length, because logs must not contain it.
#[derive(Clone, PartialEq, Eq)]
pub struct DraftText(String);

impl DraftText {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for DraftText {
    type Error = InvalidText;

    fn try_from(text: String) -> Result<Self, InvalidText> {
        if text.contains('\0') {
            Err(InvalidText::Nul)
        } else if text.len() > MAX_CHARS && text.chars().count() > MAX_CHARS {
            Err(InvalidText::TooLong)
        } else {
            Ok(Self(text))
        }
    }
}

impl fmt::Debug for DraftText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DraftText({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn may_be_blank_but_not_too_long() {
        for good in ["", " ", "Привет", &"😀".repeat(MAX_CHARS)] {
            let text = DraftText::try_from(good.to_owned()).expect("parse text");
            assert_eq!(text.as_str(), good);
            assert!(good.trim().is_empty() || !format!("{text:?}").contains(good));
        }
        assert_eq!(DraftText::try_from("a\0".to_owned()), Err(InvalidText::Nul));
        assert_eq!(DraftText::try_from("я".repeat(MAX_CHARS + 1)), Err(InvalidText::TooLong));
    }
}
