//! The parser of `config.yaml`: a flat mapping of names to values.
//!
//! It parses the events of YAML, so that a value is the text in the file: `00123` stays a text of five characters. A YAML document
//! would have the number 123. An error names the line or the key and never contains a value.

use yaml_rust2::{
    Event,
    parser::Parser,
    scanner::{Marker, TScalarStyle},
};

/// A name with its value and line number.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) line: usize,
}

/// Parses the text of a file. Returns the names in upper case.
///
/// # Errors
/// Returns the number of the invalid line and the reason.
pub(super) fn parse(text: &str) -> Result<Vec<Entry>, String> {
    let mut events = Events(Parser::new_from_str(text));
    let mut entries: Vec<Entry> = Vec::new();
    match events.next(|event| matches!(event, Event::StreamStart | Event::DocumentStart))? {
        (Event::StreamEnd, _) => return Ok(entries),
        (Event::MappingStart(..), _) => {}
        (_, mark) => return Err(not_a_pair(mark)),
    }
    loop {
        let (event, mark) = events.next(|_| false)?;
        match event {
            Event::Scalar(name, ..) => {
                let entry = events.entry(name.to_uppercase(), mark.line())?;
                if let Some(first) = entries.iter().find(|other| other.name == entry.name) {
                    return Err(format!("line {}: {} is set in line {} too", entry.line, entry.name, first.line));
                }
                entries.push(entry);
            }
            Event::MappingEnd => break,
            _ => return Err(not_a_pair(mark)),
        }
    }
    match events.next(|event| *event == Event::DocumentEnd)? {
        (Event::StreamEnd, _) => Ok(entries),
        (_, mark) => Err(format!("line {} begins a second document", mark.line())),
    }
}

struct Events<'a>(Parser<std::str::Chars<'a>>);

impl Events<'_> {
    /// Returns the next event for which `skip` is false.
    fn next(&mut self, skip: impl Fn(&Event) -> bool) -> Result<(Event, Marker), String> {
        loop {
            let next = self.0.next_token();
            let (event, mark) = next.map_err(|error| format!("line {} is not YAML", error.marker().line()))?;
            if !skip(&event) {
                return Ok((event, mark));
            }
        }
    }

    /// Parses the value of `name`.
    fn entry(&mut self, name: String, line: usize) -> Result<Entry, String> {
        match self.next(|_| false)?.0 {
            Event::Scalar(value, style, ..) => {
                let is_null = style == TScalarStyle::Plain && matches!(&*value, "~" | "null" | "Null" | "NULL");
                Ok(Entry { name, value: if is_null { String::new() } else { value }, line })
            }
            _ => Err(format!("line {line}: {name} should have one value; use commas for a list")),
        }
    }
}

fn not_a_pair(mark: Marker) -> String {
    format!("line {} is not NAME: value", mark.line())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let entries = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        entries.into_iter().map(|entry| (entry.name, entry.value)).collect()
    }

    #[test]
    fn keeps_text_of_values() {
        let text =
            "# Settings\nzeros: 00123\nFLOAT: 1.50\nEXPONENT: 1e5\nBOOL: true\nQUOTED: 'a # b: $c'\nEMPTY:\nNULL: ~\n";
        let expected = [
            ("ZEROS", "00123"),
            ("FLOAT", "1.50"),
            ("EXPONENT", "1e5"),
            ("BOOL", "true"),
            ("QUOTED", "a # b: $c"),
            ("EMPTY", ""),
            ("NULL", ""),
        ];
        assert_eq!(pairs(text), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn accepts_file_without_settings() {
        for text in ["", "# A comment\n", "{}", "---\n{}\n...\n"] {
            assert_eq!(pairs(text), [], "{text}");
        }
    }

    #[test]
    fn rejects_all_but_flat_mapping_and_hides_values() {
        for (text, expected) in [
            ("A: 1\nB: \"hunter22\n", "line"),
            ("A: 1\nhunter22\n", "line"),
            ("hunter22", "line 1 is not NAME: value"),
            ("- hunter22", "line 1 is not NAME: value"),
            ("A: 1\n[a]: hunter22\n", "line 2 is not NAME: value"),
            ("A: 1\nB: [hunter22]\n", "line 2: B should have one value; use commas for a list"),
            ("A: 1\nB:\n  C: hunter22\n", "line 2: B should have one value; use commas for a list"),
            ("A: &x hunter22\nB: *x\n", "line 2: B should have one value; use commas for a list"),
            ("A: 1\na: hunter22\n", "line 2: A is set in line 1 too"),
            ("A: 1\n---\nB: hunter22\n", "line 2 begins a second document"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.starts_with(expected) && !error.contains("hunter"), "{text}: {error}");
        }
    }
}
