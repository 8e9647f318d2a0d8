//! Usernames: validation, and which of them count as the same.
//!
//! A name must not be mistaken for another one. Two rules of UTS #39 ensure that. The letters of a new name are of one
//! script (section 5.2, "Highly Restrictive"). And no two accounts have names with the same skeleton (section 4),
//! because a whole name can look like one in another script: Cyrillic `сосо` and Latin `coco`.

use neonchat_common::visible::is_visible;
use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};
use unicode_script::Script;
use unicode_security::{confusable_detection::skeleton, mixed_script::AugmentedScriptSet};

use crate::validation::ValidationError;

/// The allowed lengths of a username, in characters.
const USERNAME_CHARS: std::ops::RangeInclusive<usize> = 3..=50;

/// The maximum number of combining marks on a letter.
const MAX_MARKS: usize = 3;

/// The greatest character, which no name contains. All texts that start with a prefix sort before the prefix followed by it.
const LAST_CHAR: char = char::MAX;

/// A username without surrounding white space, in normalization form NFC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Username(String);

impl Username {
    /// Parses the name of a new account: letters of one script, digits, `_`, `.` and `-`.
    pub(crate) fn parse(text: &str) -> Result<Self, ValidationError> {
        let violation = |code, message| Err(ValidationError::new(code, message));
        let Self(name) = Self::normalise(text);
        let is_allowed = |c: char| "_.-".contains(c) || (c.is_alphanumeric() || is_combining_mark(c)) && is_visible(c);
        if !USERNAME_CHARS.contains(&name.chars().count()) {
            violation("length", "should have 3 to 50 characters")
        } else if name.starts_with(is_combining_mark) || !name.chars().all(is_allowed) {
            violation("format", "should have only letters, digits, '_', '.' and '-'")
        } else if !name.contains(char::is_alphanumeric) {
            violation("format", "should have at least one letter or digit")
        } else if has_stacked_marks(&name) {
            violation("format", "should have at most 3 different combining marks on a letter")
        } else if !is_of_one_script(&name) {
            violation("mixed_scripts", "should not mix letters of different scripts, such as Latin and Cyrillic")
        } else {
            Ok(Self(name))
        }
    }

    /// Parses the name of an existing account, which may be older than a rule of [`Username::parse`]. Returns `None` if no
    /// version ever accepted the name.
    pub(crate) fn parse_existing(text: &str) -> Option<Self> {
        let name = Self::normalise(text);
        let is_name = USERNAME_CHARS.contains(&name.0.chars().count()) && !name.0.contains('\0');
        is_name.then_some(name)
    }

    /// Makes different spellings of a name equal: `é`, or `e` and an accent.
    fn normalise(text: &str) -> Self {
        Self(text.trim().nfc().collect())
    }

    /// Returns the name as its owner spells it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the folded name, which is unique among users.
    pub(crate) fn key(&self) -> String {
        fold(&self.0)
    }

    /// Returns the skeleton of the name, which is unique among users: names that look the same have the same skeleton. It is
    /// only for comparisons.
    pub(crate) fn skeleton(&self) -> String {
        // The skeleton is that of the displayed name, because `I` looks like `l`, but `i` does not. Then case is removed.
        let compatible: String = self.0.nfkc().collect();
        fold(&skeleton(&compatible).collect::<String>())
    }

    /// Returns whether `text` is this name, ignoring case.
    pub(crate) fn matches_ignoring_case(&self, text: &str) -> bool {
        fold(text) == self.key()
    }
}

/// The start of a username, for searches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamePrefix(String);

impl NamePrefix {
    /// Parses the query parameter of a search.
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, ValidationError> {
        let text = text.ok_or_else(|| ValidationError::new("required", "is missing"))?.trim();
        if text.is_empty() || text.chars().count() > *USERNAME_CHARS.end() {
            return Err(ValidationError::new("length", "should have 1 to 50 characters"));
        }
        if text.contains('\0') {
            return Err(ValidationError::new("format", "cannot contain the character U+0000"));
        }
        Ok(Self(fold(text)))
    }

    /// Returns the range of the keys that start with the prefix: the inclusive lower and the exclusive upper bound.
    pub(crate) fn key_range(&self) -> (&str, String) {
        (&self.0, format!("{}{LAST_CHAR}", self.0))
    }
}

/// Returns whether a letter has more combining marks than any script needs, or the same one twice, which looks like one
/// (UTS #39, section 5.4).
fn has_stacked_marks(name: &str) -> bool {
    let mut marks: Vec<char> = Vec::new();
    name.nfd().any(|c| {
        match c.general_category() {
            GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark => marks.push(c),
            // It is displayed beside the letter.
            GeneralCategory::SpacingMark => {}
            _ => marks.clear(),
        }
        marks.len() > MAX_MARKS || marks.iter().rev().skip(1).any(|mark| Some(mark) == marks.last())
    })
}

/// Returns whether all letters are of one script, or of the scripts of Chinese, Japanese or Korean, which may be mixed with
/// Latin. Digits and marks belong to any script.
fn is_of_one_script(name: &str) -> bool {
    let scripts = |keep: fn(&AugmentedScriptSet) -> bool| {
        let sets = name.chars().map(AugmentedScriptSet::for_char).filter(keep);
        sets.fold(AugmentedScriptSet::default(), |mut common, set| {
            common.intersect_with(set);
            common
        })
    };
    let beside_latin = scripts(|set| !set.base.contains_script(Script::Latin));
    !scripts(|_| true).is_empty() || beside_latin.hanb || beside_latin.jpan || beside_latin.kore
}

/// Removes case and compatibility differences (NFKC). It converts to upper case first, so that `ß` becomes `ss` and `ς`
/// becomes `σ`.
fn fold(name: &str) -> String {
    name.nfkc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfkc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_letters_of_one_script() {
        let names = [
            "bob",
            "Алиса",
            "李小龙",
            "हिन्दी",
            "a_b.c-1",
            "e\u{301}lodie",
            "Nguyễn",
            "ひらがなカタカナ漢字",
            "ロック_rock漢字",
            "김철수金",
            "Kim김",
            "עברית",
            "محمد٣",
            "မြွှာ",
            "བསྒྲུབས",
            "Ａｌｉ",
            "007",
            &"x".repeat(50),
        ];
        for good in names {
            assert_eq!(Username::parse(good).map(drop), Ok(()), "{good}");
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
            ("bob\u{34f}", "format"),
            ("bob\u{fe0f}", "format"),
            ("bob\u{115f}", "format"),
            ("\u{3164}\u{3164}\u{3164}", "format"),
            ("bob\u{2800}", "format"),
            ("bob\u{e000}", "format"),
            ("bob\u{378}", "format"),
            ("bob\u{202e}", "format"),
            ("_.-", "format"),
            ("bo\u{301}\u{302}\u{303}\u{304}b", "format"),
            ("bo\u{302}\u{302}b", "format"),
            (&format!("b{}", "\u{301}\u{302}".repeat(20)), "format"),
            ("аlice", "mixed_scripts"),
            ("αlice", "mixed_scripts"),
            ("李小龙я", "mixed_scripts"),
        ];
        for (bad, code) in cases {
            assert_eq!(Username::parse(bad).map_err(|violation| violation.code), Err(code), "{bad:?}");
        }
    }

    #[test]
    fn names_that_look_alike_have_the_same_skeleton() {
        let skeleton = |name| Username::parse(name).expect("parse username").skeleton();
        for (a, b) in
            [("coco", "сосо"), ("alice", "aIice"), ("alice", "a1ice"), ("ALEX", "аlех".to_uppercase().as_str())]
        {
            assert_eq!(
                Username::parse_existing(a).map(|a| a.skeleton()),
                Username::parse_existing(b).map(|b| b.skeleton()),
                "{a} {b}"
            );
        }
        assert_eq!(skeleton("Сосо"), skeleton("coco"));
        for (a, b) in
            [("elodie", "élodie"), ("alice", "alicе2"), ("Егор", "Игорь"), ("user_1", "user_2"), ("bill", "ball")]
        {
            assert_ne!(
                Username::parse_existing(a).map(|a| a.skeleton()),
                Username::parse_existing(b).map(|b| b.skeleton()),
                "{a} {b}"
            );
        }
    }

    #[test]
    fn ignores_white_space_around_a_name() {
        let name = Username::parse("alice").expect("parse username");
        for typed in [" alice", "alice\t", "\u{a0}alice\u{3000}\n"] {
            assert_eq!(Username::parse(typed).as_ref(), Ok(&name));
            assert_eq!(Username::parse_existing(typed).as_ref(), Some(&name));
            assert_eq!(NamePrefix::parse(Some(typed)), NamePrefix::parse(Some("alice")));
        }
        assert!(NamePrefix::parse(Some("  ")).is_err());
    }

    #[test]
    fn finds_accounts_whose_names_break_newer_rules() {
        for old in ["alice\u{34f}", "аlice", "___", "\u{3164}\u{3164}\u{3164}"] {
            assert!(Username::parse(old).is_err(), "{old}");
            assert_eq!(Username::parse_existing(old).map(|name| name.key()), Some(fold(old)), "{old}");
        }
        for never in ["", "ab", "a\0b", &*"x".repeat(51)] {
            assert_eq!(Username::parse_existing(never), None, "{never}");
        }
    }

    #[test]
    fn keys_ignore_case_and_normalization_form() {
        let key = |name| Username::parse_existing(name).expect("parse username").key();
        for (a, b) in
            [("Alice", "aLICE"), ("ÉLODIE", "e\u{301}lodie"), ("Straße", "STRASSE"), ("ΣΑΣ", "σας"), ("Ａｌｉ", "ali")]
        {
            assert_eq!(key(a), key(b));
        }
        assert_ne!(key("alice"), key("аlice"), "the second begins with a Cyrillic letter");
    }

    #[test]
    fn prefix_is_a_range_of_keys() {
        let prefix = NamePrefix::parse(Some("АЛ")).expect("parse prefix");
        let (from, to) = prefix.key_range();
        let found = |key: &str| key >= from && key < to.as_str();
        assert_eq!(["ал", "алиса", "ам", "а"].map(found), [true, true, false, false]);
    }

    #[test]
    fn refuses_invalid_prefixes() {
        for bad in [None, Some(""), Some("a\0"), Some(&*"x".repeat(51))] {
            assert!(NamePrefix::parse(bad).is_err(), "{bad:?}");
        }
    }
}
