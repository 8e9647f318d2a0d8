//! The parser of `.env`: lines of `NAME=value`, with the same value in every program that reads the file.
//!
//! Shells, Docker Compose and dotenv libraries agree on single quotes, on double quotes with escapes, and on plain words. They
//! disagree on `$`, quotes and backslashes elsewhere: some substitute them, some cut the value, some keep them. The parser rejects
//! lines with these. An error has the number of the line but not its text, which may contain a secret.

use std::collections::HashMap;

use thiserror::Error;

/// The reason why a line is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
enum LineError {
    #[error("is not NAME=value")]
    NotAPair,
    #[error("has a quote that is not closed on the same line")]
    Unclosed,
    #[error("has text after the closing quote")]
    TextAfterQuote,
    #[error("has a `$`, which other programs would substitute: put the value into single quotes")]
    Dollar,
    #[error("has a quote, a backquote or a backslash in an unquoted value: put the value into single quotes")]
    Special,
    #[error("has a value that begins with `#`: put the value into single quotes")]
    Hash,
    #[error("has a backslash in double quotes that is not one of \\\\ \\\" \\$ \\n \\r \\t")]
    Escape,
}

/// Parses the text of a file. The last of several lines with the same name wins.
///
/// # Errors
/// Returns the number of the first invalid line and the reason.
pub(super) fn parse(text: &str) -> Result<HashMap<String, String>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut values = HashMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let pair = pair(line.trim()).map_err(|error| format!("line {number} {error}"))?;
        values.extend(pair.map(|(name, value)| (name.to_owned(), value)));
    }
    Ok(values)
}

/// Parses a line. Returns `None` for an empty line and for a comment.
fn pair(line: &str) -> Result<Option<(&str, String)>, LineError> {
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = line.strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t'])).unwrap_or(line);
    let (name, rest) = line.split_once('=').ok_or(LineError::NotAPair)?;
    let name = name.trim();
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    if !is_name {
        return Err(LineError::NotAPair);
    }
    value(rest).map(|value| Some((name, value)))
}

fn value(rest: &str) -> Result<String, LineError> {
    let text = rest.trim_start();
    if let Some(quoted) = text.strip_prefix('\'') {
        let (value, after) = quoted.split_once('\'').ok_or(LineError::Unclosed)?;
        return only_comment(after).map(|()| value.to_owned());
    }
    if let Some(quoted) = text.strip_prefix('"') {
        let (value, after) = double_quoted(quoted)?;
        return only_comment(after).map(|()| value);
    }
    if rest.starts_with('#') {
        return Err(LineError::Hash);
    }
    let comment = rest.match_indices('#').map(|(at, _)| at).find(|at| rest[..*at].ends_with([' ', '\t']));
    let value = rest[..comment.unwrap_or(rest.len())].trim();
    match value.chars().find(|c| matches!(c, '$' | '\'' | '"' | '`' | '\\')) {
        None => Ok(value.to_owned()),
        Some('$') => Err(LineError::Dollar),
        Some(_) => Err(LineError::Special),
    }
}

/// Parses a value after its opening double quote. Returns it and the text after the closing quote.
fn double_quoted(text: &str) -> Result<(String, &str), LineError> {
    let mut value = String::new();
    let mut rest = text.chars();
    loop {
        match rest.next().ok_or(LineError::Unclosed)? {
            '"' => return Ok((value, rest.as_str())),
            '$' => return Err(LineError::Dollar),
            '\\' => value.push(match rest.next().ok_or(LineError::Unclosed)? {
                literal @ ('\\' | '"' | '$') => literal,
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                _ => return Err(LineError::Escape),
            }),
            other => value.push(other),
        }
    }
}

fn only_comment(after: &str) -> Result<(), LineError> {
    let rest = after.trim_start();
    let is_comment = rest.starts_with('#') && rest.len() < after.len();
    if rest.is_empty() || is_comment { Ok(()) } else { Err(LineError::TextAfterQuote) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_values() {
        for (line, expected) in [
            ("A=plain", "plain"),
            ("A = spaces around \t", "spaces around"),
            ("  export A=exported", "exported"),
            ("exportA=x", ""),
            ("A=", ""),
            ("A= # a comment", ""),
            ("A=b # a comment", "b"),
            ("A=b#c", "b#c"),
            ("A=b=c", "b=c"),
            ("A='Tr0ub4$1x9'", "Tr0ub4$1x9"),
            (r#"A='a"b\c # d '"#, r#"a"b\c # d "#),
            ("A='b' # a comment", "b"),
            (r#"A="a'b # c ""#, "a'b # c "),
            (r#"A="Tr0ub4\$1x9 \"\\ \n""#, "Tr0ub4$1x9 \"\\ \n"),
            ("A=пароль", "пароль"),
            ("# A=b", ""),
        ] {
            let values = parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(values.get("A").map_or("", String::as_str), expected, "{line}");
        }
    }

    #[test]
    fn parses_files_with_bom_and_crlf() {
        let values = parse("\u{feff}A=1\r\nB='2'\r\n\r\nA=3\r\n").expect("parse file");
        assert_eq!((values["A"].as_str(), values["B"].as_str()), ("3", "2"));
    }

    #[test]
    fn rejects_ambiguous_values_and_hides_them() {
        for (line, expected) in [
            ("A=Tr0ub4$1x9", LineError::Dollar),
            (r#"A="Tr0ub4$1x9""#, LineError::Dollar),
            ("A=hunter'22", LineError::Special),
            (r"A=hunter\22", LineError::Special),
            ("A=hunter`22", LineError::Special),
            ("A=#hunter22", LineError::Hash),
            ("A='hunter22", LineError::Unclosed),
            (r#"A="hunter22"#, LineError::Unclosed),
            (r#"A="hunter22\"#, LineError::Unclosed),
            (r#"A="hunter\22""#, LineError::Escape),
            ("A='hunter'22", LineError::TextAfterQuote),
            ("A='hunter'#22", LineError::TextAfterQuote),
            ("hunter22", LineError::NotAPair),
            ("=hunter22", LineError::NotAPair),
            ("A B=hunter22", LineError::NotAPair),
        ] {
            let error = parse(&format!("FIRST=1\n{line}\n")).expect_err(line);
            assert_eq!(error, format!("line 2 {expected}"));
            assert!(!error.contains("hunter") && !error.contains("Tr0ub4"), "{error}");
        }
    }
}
