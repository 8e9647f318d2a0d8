//! The prefix of all keys and channels (`REDIS_NAMESPACE`).

use std::{fmt::Display, sync::Arc};

/// Separates the namespace from the name.
const SEPARATOR: char = ':';

/// The maximum length of a namespace, in bytes.
const MAX_LEN: usize = 32;

/// The prefix of all keys and channels of a deployment, so that several deployments can share a Redis. The default is empty, which
/// gives the names of the specification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace(Arc<str>);

impl Namespace {
    /// Parses the name of a namespace: 1 to 32 characters of `a-z`, `0-9`, `_` and `-`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let is_allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        let is_valid = (1..=MAX_LEN).contains(&name.len()) && name.bytes().all(is_allowed);
        is_valid.then(|| Self(format!("{name}{SEPARATOR}").into()))
    }

    /// Returns the name of a key or channel with the prefix.
    pub fn name(&self, name: impl Display) -> String {
        format!("{}{name}", self.0)
    }

    /// Returns a name without the prefix, or `None` if it belongs to another namespace.
    #[must_use]
    pub fn strip<'a>(&self, name: &'a str) -> Option<&'a str> {
        name.strip_prefix(&*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_names_and_strips_its_own_prefix() {
        let staging = Namespace::parse("staging-2").expect("parse namespace");
        assert_eq!(staging.name("online:7"), "staging-2:online:7");
        assert_eq!(staging.strip("staging-2:online:7"), Some("online:7"));
        assert_eq!(staging.strip("online:7"), None);
        assert_eq!(Namespace::default().name("online:7"), "online:7");
        assert_eq!(Namespace::default().strip("online:7"), Some("online:7"));
    }

    #[test]
    fn rejects_ambiguous_names() {
        for name in ["", "a:b", "A", "{a}", "a b", "é", &"a".repeat(33)] {
            assert_eq!(Namespace::parse(name), None, "{name}");
        }
    }
}
