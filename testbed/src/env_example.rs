//! Parses `.env.example`, which the tests of each service compare with its settings.

use std::collections::BTreeMap;

const TEXT: &str = include_str!("../../.env.example");

/// The section for both services, and the sections for one service each.
const SHARED: &str = "Both services";
const SERVICES: [&str; 2] = ["chat-service", "notification-service"];

/// Returns the settings of a service with their defaults, including those of both services.
///
/// # Panics
/// The file is malformed: each setting must occur once, in a known section, below a comment.
#[must_use]
pub fn listed_for(service: &str) -> BTreeMap<String, String> {
    assert!(SERVICES.contains(&service), "there is no section for {service}");
    parse(TEXT).into_iter().filter(|entry| [SHARED, service].contains(&entry.section)).map(Entry::pair).collect()
}

struct Entry<'a> {
    section: &'a str,
    name: &'a str,
    default: &'a str,
}

impl Entry<'_> {
    fn pair(self) -> (String, String) {
        (self.name.to_owned(), self.default.to_owned())
    }
}

fn parse(text: &str) -> Vec<Entry<'_>> {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    let mut section = None;
    let mut is_explained = false;
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("# --- ").and_then(|line| line.strip_suffix(" ---")) {
            assert!(title == SHARED || SERVICES.contains(&title), "an unknown section: {title}");
            section = Some(title);
            is_explained = false;
        } else if line.starts_with('#') {
            is_explained = true;
        } else if let Some((name, default)) = line.split_once('=') {
            assert!(is_explained, "{name} has no comment above");
            assert!(entries.iter().all(|entry| entry.name != name), "{name} is listed twice");
            let Some(section) = section else { panic!("{name} is in no section") };
            entries.push(Entry { section, name, default });
            is_explained = false;
        } else {
            assert!(line.is_empty(), "neither a comment nor NAME=default: {line}");
            is_explained = false;
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECTION: &str = "# --- chat-service ---\n";

    #[test]
    fn parses_section_name_and_default() {
        let entries =
            parse("# --- Both services ---\n\n# Of both.\nA=1\n# --- chat-service ---\n# Its own,\n# at length.\nB=\n");
        let entries: Vec<_> = entries.iter().map(|entry| (entry.section, entry.name, entry.default)).collect();
        assert_eq!(entries, [("Both services", "A", "1"), ("chat-service", "B", "")]);
    }

    #[test]
    #[should_panic(expected = "B has no comment above")]
    fn rejects_setting_without_comment() {
        parse(&format!("{SECTION}# What it is.\nA=1\nB=2\n"));
    }

    #[test]
    #[should_panic(expected = "A is listed twice")]
    fn rejects_duplicate_setting() {
        parse(&format!("{SECTION}# What it is.\nA=1\n# Again.\nA=1\n"));
    }

    #[test]
    #[should_panic(expected = "an unknown section: other-service")]
    fn rejects_unknown_section() {
        parse("# --- other-service ---\n");
    }
}
