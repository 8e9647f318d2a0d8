//! Detection of visible characters, with data of the Unicode Character Database.
//!
//! Unassigned characters count as visible, because a newer version of Unicode may have assigned them to an emoji.

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

/// Returns whether a text has at least one visible character.
#[must_use]
pub fn has_visible(text: &str) -> bool {
    text.chars().any(is_visible)
}

/// Returns whether a character on its own is visible.
#[must_use]
pub fn is_visible(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_graphic();
    }
    let is_invisible = c.is_whitespace()
        || is_default_ignorable(c)
        || is_blank(c)
        || matches!(c.general_category(), GeneralCategory::Control | GeneralCategory::Format);
    !is_invisible
}

/// `Default_Ignorable_Code_Point` of `DerivedCoreProperties.txt`. The blocks include unassigned code points that Unicode
/// reserves for such characters, so the list does not change with the version.
#[must_use]
pub const fn is_default_ignorable(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFF8}' | '\u{1BCA0}'..='\u{1BCA3}'
        | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// Symbols and letters whose glyph is empty: the blank Braille pattern, the blanks of Egyptian hieroglyphs, the filler of
/// the Khitan small script, and the musical null notehead.
const fn is_blank(c: char) -> bool {
    matches!(c, '\u{2800}' | '\u{13441}' | '\u{13442}' | '\u{16FE4}' | '\u{1D159}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_symbols_and_emoji_are_visible() {
        for visible in ["a", "Ж", "李", ".", "\u{301}", "👩‍👩‍👧", "❤\u{fe0f}", "\u{f8ff}", "\u{1FBFF}", "  x  "]
        {
            assert!(has_visible(visible), "{visible:?}");
        }
    }

    #[test]
    fn white_space_and_ignorable_characters_are_not_visible() {
        let invisible = [
            "",
            " \t\r\n",
            "\u{a0}",
            "\u{2003}\u{3000}",
            "\u{2028}",
            "\u{7f}\u{85}",
            "\u{ad}",
            "\u{34f}",
            "\u{115f}\u{1160}",
            "\u{17b4}",
            "\u{180e}",
            "\u{200b}\u{200d}\u{202e}",
            "\u{2060}",
            "\u{2800}",
            "\u{3164}\u{ffa0}",
            "\u{fe0f}",
            "\u{feff}",
            "\u{fff9}\u{fffb}",
            "\u{13441}",
            "\u{1d159}",
            "\u{e0061}\u{e007f}",
            "\u{e0100}",
        ];
        for text in invisible {
            assert!(!has_visible(text), "{text:?}");
        }
    }
}
