//! What an error text may not contain: words that only a developer of the server understands.

/// Words of Rust and of serde.
const INTERNAL_WORDS: [&str; 13] = [
    "struct", "enum", "variant", "tuple", "newtype", "serde", "elements", "::", "Option<", "i64", "u64", "u32",
    "panicked",
];

/// The internals of the server that a text for clients names: a word of Rust, or an environment variable.
#[must_use]
pub fn internals_in(text: &str) -> Option<&str> {
    let word = INTERNAL_WORDS.into_iter().find_map(|word| text.find(word).and_then(|at| text.get(at..at + word.len())));
    word.or_else(|| text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).find(|word| is_variable(word)))
}

/// Such as `CORS_ALLOWED_ORIGINS`.
fn is_variable(word: &str) -> bool {
    word.contains('_') && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_internals_and_nothing_else() {
        assert_eq!(internals_in("invalid type: expected struct Fields with 9 elements"), Some("struct"));
        assert_eq!(internals_in("may not connect: see CORS_ALLOWED_ORIGINS."), Some("CORS_ALLOWED_ORIGINS"));
        assert_eq!(internals_in("chat_id: should be a UUID; see WebSocket (RFC 6455), U+0000"), None);
    }
}
