//! An encoded frame of the server.

use bytestring::ByteString;
use serde_json::value::RawValue;

use super::{CHANGE_TYPES, PERSONAL_TYPES, SERVER_TYPES};

/// The type, in metrics, of a frame that another process encoded and that this version does not know.
pub(crate) const OTHER_TYPE: &str = "other";

/// An encoded frame. A clone shares the bytes: a message to 1,000 sockets is encoded once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    kind: &'static str,
    json: ByteString,
}

impl Frame {
    /// Wraps the JSON of a frame of this type.
    pub(crate) fn new(kind: &'static str, json: Box<RawValue>) -> Self {
        Self { kind, json: String::from(Box::<str>::from(json)).into() }
    }

    /// Wraps a frame that another process encoded.
    pub(crate) fn opaque(json: impl Into<ByteString>) -> Self {
        let json = json.into();
        let name = json.strip_prefix(r#"{"type":""#).and_then(|rest| rest.split('"').next());
        let mut known = SERVER_TYPES.into_iter().chain(CHANGE_TYPES).chain(PERSONAL_TYPES);
        let kind = known.find(|known| Some(*known) == name).unwrap_or(OTHER_TYPE);
        Self { kind, json }
    }

    /// Returns its `type`, for a metric.
    pub(crate) const fn kind(&self) -> &'static str {
        self.kind
    }

    /// Returns its length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.json.len()
    }

    /// Returns its JSON.
    pub(crate) fn into_json(self) -> ByteString {
        self.json
    }
}

#[cfg(test)]
impl Frame {
    /// Returns its JSON.
    pub(crate) fn as_str(&self) -> &str {
        &self.json
    }
}
