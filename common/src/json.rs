//! Encoding of the services' own types as JSON.
//!
//! They always can be encoded: no map among them has keys other than text, and no `Serialize` of them fails. An error is a
//! defect of the program: it is logged, and `null` takes the place of the value, which every receiver refuses.

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

/// Returns the value as a part of other JSON.
#[must_use]
pub fn raw(value: &impl Serialize) -> Box<RawValue> {
    to_raw_value(value).unwrap_or_else(|error| {
        failed(&error);
        RawValue::NULL.to_owned()
    })
}

/// Returns the value as text.
#[must_use]
pub fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| {
        failed(&error);
        "null".to_owned()
    })
}

fn failed(error: &serde_json::Error) {
    tracing::error!(error.cause = %error, "value could not be encoded as JSON");
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn encodes_null_for_a_value_that_has_no_json() {
        let keys_are_not_text = HashMap::from([([1], 2)]);
        assert_eq!(text(&keys_are_not_text), "null");
        assert_eq!(raw(&keys_are_not_text).get(), "null");
        assert_eq!(text(&"a"), raw(&"a").get());
    }
}
