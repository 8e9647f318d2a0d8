//! The prefix of every key and channel (`REDIS_NAMESPACE`).

use std::{fmt::Display, sync::Arc};

/// Between the namespace and the name.
const SEPARATOR: char = ':';

/// The longest namespace.
const MAX_LEN: usize = 32;

/// The prefix of every key and channel of a deployment, so that several deployments can share one Redis. The default is
/// empty: the names are then those of the specification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace(Arc<str>);

impl Namespace {
    /// Makes the namespace of this name: 1 to 32 of `a-z`, `0-9`, `_` and `-`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let is_allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        let is_valid = (1..=MAX_LEN).contains(&name.len()) && name.bytes().all(is_allowed);
        is_valid.then(|| Self(format!("{name}{SEPARATOR}").into()))
    }

    /// Returns the name in Redis of a key or a channel.
    pub fn name(&self, name: impl Display) -> String {
        format!("{}{name}", self.0)
    }

    /// Returns a name in Redis without the prefix; `None` where it is of another namespace.
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
        let staging = Namespace::parse("staging-2").expect("a namespace");
        assert_eq!(staging.name("online:7"), "staging-2:online:7");
        assert_eq!(staging.strip("staging-2:online:7"), Some("online:7"));
        assert_eq!(staging.strip("online:7"), None);
        assert_eq!(Namespace::default().name("online:7"), "online:7");
        assert_eq!(Namespace::default().strip("online:7"), Some("online:7"));
    }

    #[test]
    fn rejects_names_that_could_be_misread() {
        for name in ["", "a:b", "A", "{a}", "a b", "é", &"a".repeat(33)] {
            assert_eq!(Namespace::parse(name), None, "{name}");
        }
    }
}
