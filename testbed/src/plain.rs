//! Checks error texts for words that only a developer of the server understands.

/// Terms of Rust and serde.
const INTERNAL_WORDS: [&str; 13] = [
    "struct", "enum", "variant", "tuple", "newtype", "serde", "elements", "::", "Option<", "i64", "u64", "u32",
    "panicked",
];

/// Returns the first internal term in a text for clients: a term of Rust or serde, or an environment variable.
#[must_use]
pub fn internals_in(text: &str) -> Option<&str> {
    let word = INTERNAL_WORDS.into_iter().find_map(|word| text.find(word).and_then(|at| text.get(at..at + word.len())));
    word.or_else(|| text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).find(|word| is_variable(word)))
}

/// Returns whether a word looks like an environment variable, such as `CORS_ALLOWED_ORIGINS`.
fn is_variable(word: &str) -> bool {
    word.contains('_') && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_only_internal_terms() {
        assert_eq!(internals_in("invalid type: expected struct Fields with 9 elements"), Some("struct"));
        assert_eq!(internals_in("may not connect: see CORS_ALLOWED_ORIGINS."), Some("CORS_ALLOWED_ORIGINS"));
        assert_eq!(internals_in("chat_id: should be a UUID; see WebSocket (RFC 6455), U+0000"), None);
    }
}
