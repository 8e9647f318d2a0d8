//! Emoji.

use crate::validation::ValidationError;

/// One Unicode emoji, fully qualified. An emoji with a skin tone is another one than the same without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Emoji(&'static str);

impl Emoji {
    /// Parses an emoji. A form that is not fully qualified, such as U+2764 without U+FE0F, stands for the same emoji.
    pub(crate) fn parse(text: &str) -> Result<Self, ValidationError> {
        let found = emojis::get(text).map(|emoji| Self(emoji.as_str()));
        found.ok_or_else(|| ValidationError::new("emoji", "should be one emoji"))
    }

    pub(crate) const fn as_str(self) -> &'static str {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_one_emoji_in_any_form() {
        for (text, emoji) in [
            ("👍", "👍"),
            ("👍🏽", "👍🏽"),
            ("\u{2764}", "\u{2764}\u{FE0F}"),
            ("\u{2764}\u{FE0F}", "\u{2764}\u{FE0F}"),
            ("👨‍👩‍👧‍👦", "👨‍👩‍👧‍👦"),
            ("🇷🇺", "🇷🇺"),
            ("1\u{20E3}", "1\u{FE0F}\u{20E3}"),
        ] {
            assert_eq!(Emoji::parse(text).map(Emoji::as_str), Ok(emoji), "{text}");
        }
        for text in ["", "a", "1", "👍👍", "👍 ", ":+1:", "🇷", "\u{FE0F}", "x👍"] {
            assert!(Emoji::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_emoji_fits_its_column() {
        let longest = emojis::iter().flat_map(|emoji| emoji.skin_tones().into_iter().flatten().chain([emoji]));
        assert!(longest.map(|emoji| emoji.as_str().len()).max() <= Some(64));
    }
}
