//! The names that a text mentions.

use crate::users::username::Username;

/// The characters of a name that also end sentences.
const PUNCTUATION: [char; 2] = ['.', '-'];

/// Returns for each `@name` in a text, up to `most` of them, the folded names that it may stand for, the longest first: `@bob.` may
/// name `bob.` or `bob`.
///
/// An `@` within a word begins no name, as in an e-mail address.
pub(super) fn names_in(text: &str, most: usize) -> Vec<Vec<String>> {
    let mut names = Vec::new();
    for (start, _) in text.match_indices('@') {
        if names.len() == most {
            break;
        }
        if text[..start].chars().next_back().is_some_and(is_of_name) {
            continue;
        }
        let rest = &text[start + 1..];
        let name = &rest[..rest.find(|c| !is_of_name(c)).unwrap_or(rest.len())];
        let shorter = name.trim_end_matches(PUNCTUATION);
        let mut candidates: Vec<_> =
            [name, shorter].into_iter().filter_map(Username::parse_existing).map(|name| name.key()).collect();
        candidates.dedup();
        if !candidates.is_empty() && !names.contains(&candidates) {
            names.push(candidates);
        }
    }
    names
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || "_.-".contains(c) || unicode_normalization::char::is_combining_mark(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_names_as_people_write_them() {
        let names = |text| names_in(text, 50).concat();
        assert_eq!(names("@Bob, (@анна)!"), ["bob", "анна"]);
        assert_eq!(names("see @bob."), ["bob.", "bob"]);
        assert_eq!(names("@bob @BOB @bob"), ["bob"]);
        assert_eq!(names("mail a@example.com or @@bob or @ bob @al"), ["bob"]);
        assert_eq!(names("@all"), ["all"]);
        assert_eq!(names(""), [""; 0]);
    }

    #[test]
    fn finds_a_bounded_number_of_names() {
        let text: Vec<_> = (0..60).map(|n| format!("@user{n}")).collect();
        assert_eq!(names_in(&text.join(" "), 50).len(), 50);
    }
}
