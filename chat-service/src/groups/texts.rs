//! Titles and descriptions.

use neonchat_common::visible::has_visible;

use crate::validation::ValidationError;

/// The longest title, in characters.
const MAX_TITLE: usize = 128;

/// The longest description, in characters.
const MAX_DESCRIPTION: usize = 1024;

/// Parses a title.
pub(super) fn parse_title(title: String) -> Result<String, ValidationError> {
    parse_line(title, MAX_TITLE)
}

/// Parses a name of 1 to `max` characters. It is shown in a line with other text, so nothing in it may break or turn the line.
pub(crate) fn parse_line(text: String, max: usize) -> Result<String, ValidationError> {
    if text.contains(|c: char| c.is_control() || is_line_separator(c) || is_direction(c)) {
        return Err(ValidationError::new("format", "should not contain line breaks or other control characters"));
    }
    if !has_visible(&text) || text.chars().count() > max {
        let message = format!("should have 1 to {max} characters, at least one of them visible");
        return Err(ValidationError::new("length", message));
    }
    Ok(text)
}

/// Parses a description. Of the control characters it may contain line breaks.
pub(super) fn parse_description(text: String) -> Result<String, ValidationError> {
    if text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\r')) {
        return Err(ValidationError::new("format", "should not contain control characters except line breaks"));
    }
    if text.chars().count() > MAX_DESCRIPTION {
        return Err(ValidationError::new("length", "should have at most 1024 characters"));
    }
    Ok(text)
}

/// U+2028 and U+2029 break a line like control characters do.
const fn is_line_separator(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

/// The explicit directional formatting characters of UAX #9. They can reverse the text that follows the title. The marks U+200E,
/// U+200F and U+061C cannot.
const fn is_direction(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn title_is_one_line() {
        for good in ["Team", "Команда", "فريق\u{200f}", "👩\u{200d}👩\u{200d}👧", " x ", &"x".repeat(128)]
        {
            assert!(parse_title(good.to_owned()).is_ok(), "{good:?}");
        }
        for bad in
            ["a\nb", "a\r", "\ta", "a\0", "a\u{7f}", "a\u{85}b", "a\u{2028}b", "a\u{2029}", "a\u{202e}b", "\u{2067}a"]
        {
            let code = parse_title(bad.to_owned()).map_err(|violation| violation.code);
            assert_eq!(code, Err("format"), "{bad:?}");
        }
        for bad in ["", "  ", "\u{200b}", &"x".repeat(129)] {
            let code = parse_title(bad.to_owned()).map_err(|violation| violation.code);
            assert_eq!(code, Err("length"), "{bad:?}");
        }
    }

    #[test]
    fn description_may_have_several_lines() {
        for good in ["", "one\ntwo", "one\r\n\r\ntwo", "a\u{2028}b", &"x".repeat(1024)] {
            assert!(parse_description(good.to_owned()).is_ok(), "{good:?}");
        }
        for bad in ["a\tb", "a\0", "\u{1b}[31m", "a\u{85}"] {
            let code = parse_description(bad.to_owned()).map_err(|violation| violation.code);
            assert_eq!(code, Err("format"), "{bad:?}");
        }
        assert!(parse_description("x".repeat(1025)).is_err());
    }
}
