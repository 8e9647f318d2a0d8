//! Usernames: which are accepted, and which are alike.

use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

use crate::validation::Violation;

/// The fewest and the most characters of a username.
const USERNAME_CHARS: std::ops::RangeInclusive<usize> = 3..=50;

/// The greatest character there is, and part of no name: what starts with a text sorts before the text followed by it.
const LAST_CHAR: char = char::MAX;

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
