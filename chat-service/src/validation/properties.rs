//! Property tests: for any input of a client, a parser returns a valid value or an error, and never panics.

use neonchat_common::{http::address::TrustedProxies, ids::ChatId};
use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization as _;

use super::{Offset, PageLimit, parse_flag, parse_id, parse_seq};
use crate::users::{
    password::Password,
    username::{NamePrefix, Username},
};

proptest! {
    #[test]
    fn accepts_only_usernames_of_3_to_50_allowed_characters(text in prop_oneof![any::<String>(), "[\\p{L}\\p{M}\\p{N}_. \0-]{0,60}"]) {
        if let Ok(name) = Username::parse(&text) {
            prop_assert!((3..=50).contains(&name.as_str().chars().count()));
            prop_assert!(!name.as_str().contains(|c: char| c.is_whitespace() || c.is_control() || "<>\"'&/\\@:".contains(c)));
            // Parsing it again returns the same name, and comparisons ignore case.
            prop_assert_eq!(Username::parse(name.as_str()).ok(), Some(name.clone()));
            prop_assert!(name.matches_ignoring_case(&name.as_str().to_uppercase()));
        }
    }

    #[test]
    fn key_of_a_name_is_in_the_range_of_its_prefix(name in prop_oneof!["[a-zA-Z0-9_.-]{2,49}[a-z]", "[а-яА-Я0-9_.-]{2,49}я"], length in 1_usize..50) {
        let name = Username::parse(&name).expect("parse username");
        let start: String = name.as_str().chars().take(length).collect();
        let prefix = NamePrefix::parse(Some(&start)).expect("parse prefix");
        let (from, to) = prefix.key_range();
        prop_assert!(name.key().as_str() >= from && name.key() < to);
    }

    #[test]
    fn parses_or_refuses_name_prefixes(text in any::<Option<String>>()) {
        if let Ok(prefix) = NamePrefix::parse(text.as_deref()) {
            prop_assert!(!prefix.key_range().1.contains('\0'));
        }
    }

    #[test]
    fn accepts_only_passwords_that_fit_into_bcrypt(text in prop_oneof![any::<String>(), ".{0,100}"]) {
        // Normalization may turn one character into two.
        let (chars, control) = (text.nfc().count(), text.contains(char::is_control));
        if Password::parse(text.into()).is_ok() {
            prop_assert!(chars >= 6 && !control);
        }
    }

    #[test]
    fn accepts_only_numbers_within_their_range(text in prop_oneof![any::<String>(), "-?[0-9]{0,20}"]) {
        let text = Some(text.as_str());
        prop_assert!(PageLimit::<20, 100>::parse(text).map_or(true, |limit| (1..=100).contains(&limit.get())));
        prop_assert!(Offset::parse(text).map_or(true, |offset| offset.get() >= 0));
        prop_assert!(parse_seq(text).map_or(true, |seq| seq >= 0));
        prop_assert_eq!(parse_flag(text).is_ok(), matches!(text, Some("true" | "false")));
    }

    #[test]
    fn parses_or_refuses_ids_and_proxies(text in prop_oneof![any::<String>(), "[0-9a-f:./-]{0,45}"]) {
        if let Ok(id) = parse_id::<ChatId>(&text) {
            prop_assert_eq!(parse_id::<ChatId>(&id.to_string()), Ok(id));
        }
        let _ = TrustedProxies::parse([text.as_str()]);
    }
}
