//! A [`SendId`] with the text that the client sent.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::SendId;

/// The length of the longest form of a UUID: `urn:uuid:` and 36 characters.
const MAX_LEN: usize = 45;

/// The `request_id` of a message. Its value identifies the message. The client gets its own text back unchanged, because it may
/// compare texts. (Apple's UUIDs are in upper case.)
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId {
    id: SendId,
    text: [u8; MAX_LEN],
    len: usize,
}

impl RequestId {
    /// Returns the value.
    #[must_use]
    pub const fn id(&self) -> SendId {
        self.id
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // The bytes are valid UTF-8, because they were copied from a string.
        self.text.get(..self.len).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
    }

    fn with_text(id: SendId, as_text: &str) -> Self {
        let mut text = [0; MAX_LEN];
        let len = as_text.len().min(MAX_LEN);
        text[..len].copy_from_slice(&as_text.as_bytes()[..len]);
        Self { id, text, len }
    }
}

impl From<SendId> for RequestId {
    /// Uses the lower-case, hyphenated form.
    fn from(id: SendId) -> Self {
        Self::with_text(id, id.0.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()))
    }
}

impl FromStr for RequestId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(|id| Self::with_text(id, text))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({self})")
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for RequestId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = RequestId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a UUID")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<RequestId, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_by_value_and_keeps_text() {
        let id: SendId = "550e8400-e29b-41d4-a716-446655440000".parse().expect("parse UUID");
        for text in [
            "550e8400-e29b-41d4-a716-446655440000",
            "550E8400-E29B-41D4-A716-446655440000",
            "550e8400E29B41D4A716446655440000",
            "{550e8400-e29b-41d4-a716-446655440000}",
            "urn:uuid:550e8400-e29b-41d4-a716-44665544000A",
        ] {
            let request: RequestId = serde_json::from_value(text.into()).expect("parse UUID");
            assert_eq!(request.id() == id, !text.ends_with('A'));
            assert_eq!(serde_json::to_value(request).expect("JSON"), text);
        }
        assert_eq!(RequestId::from(id).as_str(), id.to_string());
        assert!("550e8400".parse::<RequestId>().is_err());
    }
}
