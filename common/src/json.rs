//! JSON encoding of the services' own types.
//!
//! Their encoding cannot fail: all maps have text keys, and no `Serialize` returns an error. An error is therefore a bug. It is
//! logged, and the result is `null`, which every receiver rejects.

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

/// Returns the value as raw JSON, for use in other JSON.
#[must_use]
pub fn raw(value: &impl Serialize) -> Box<RawValue> {
    to_raw_value(value).unwrap_or_else(|error| {
        log_error(&error);
        RawValue::NULL.to_owned()
    })
}

/// Returns the value as JSON text.
#[must_use]
pub fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| {
        log_error(&error);
        "null".to_owned()
    })
}

fn log_error(error: &serde_json::Error) {
    tracing::error!(error.cause = %error, "value could not be encoded as JSON");
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn encodes_null_for_value_without_json() {
        let keys_are_not_text = HashMap::from([([1], 2)]);
        assert_eq!(text(&keys_are_not_text), "null");
        assert_eq!(raw(&keys_are_not_text).get(), "null");
        assert_eq!(text(&"a"), raw(&"a").get());
    }
}
