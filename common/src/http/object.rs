//! Reads JSON objects and explains, in terms of the request, why one cannot be read.

use serde::de::DeserializeOwned;

use crate::error::{ApiError, ErrorCode};

/// Reads the JSON object of a request body.
///
/// # Errors
/// `bad_json` if `json` is not valid JSON. `validation_failed` if it is not an object or a field is missing, given twice
/// or of the wrong type; the error names the field. No error repeats a value: it may be a password.
pub fn read_object<T: DeserializeOwned>(json: &str) -> Result<T, ApiError> {
    if is_array(json) {
        return Err(ApiError::invalid("body", "format", "should be a JSON object"));
    }
    let deserializer = &mut serde_json::Deserializer::from_str(json);
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { "body".to_owned() } else { path };
        let error = error.into_inner();
        if error.is_data() { wrong_shape(field, &error.to_string()) } else { not_valid_json(error) }
    })
}

/// Returns the error for a body that is not valid JSON.
#[must_use]
pub fn not_valid_json(error: impl std::fmt::Display) -> ApiError {
    ApiError::new(ErrorCode::BadJson, format!("The body is not valid JSON: {error}."))
}

/// Converts an error text of serde, which names Rust types and repeats values, into an error about the field.
fn wrong_shape(field: String, text: &str) -> ApiError {
    if let Some(field) = quoted_after(text, "missing field `") {
        return ApiError::invalid(field, "required", "is missing");
    }
    if let Some(error) = repeated_field(text) {
        return error;
    }
    // The value comes first and may contain any text.
    let expected = text.rsplit_once("expected ").map_or("", |(_, expected)| expected);
    ApiError::invalid(field, "format", requirement(expected.split(" at line ").next().unwrap_or_default()))
}

/// Returns whether JSON is an array. A derived `Deserialize` accepts an array with the values of the fields in order.
#[must_use]
pub fn is_array(json: &str) -> bool {
    json.trim_start().starts_with('[')
}

/// Returns the error for a repeated field, if this text of serde reports one.
#[must_use]
pub fn repeated_field(text: &str) -> Option<ApiError> {
    let field = quoted_after(text, "duplicate field `")?;
    Some(ApiError::invalid(field, "duplicate", "is given more than once"))
}

fn quoted_after(text: &str, start: &str) -> Option<String> {
    text.strip_prefix(start)?.split('`').next().map(str::to_owned)
}

fn requirement(expected: &str) -> &'static str {
    match expected {
        "a string" => "should be a string",
        "a boolean" => "should be true or false",
        "a sequence" => "should be an array",
        "f32" | "f64" => "should be a number",
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" | "usize" => "should be a whole number",
        expected if expected.starts_with("struct ") || expected == "a map" => "should be a JSON object",
        _ => "is not of the documented type",
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct Body {
        name: String,
        count: Option<i64>,
        flag: Option<bool>,
        list: Option<Vec<Inner>>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct Inner {
        size: u32,
    }

    fn refuse(json: &str) -> (ErrorCode, String) {
        let error = read_object::<Body>(json).expect_err(json);
        (error.code, error.detail.into_owned())
    }

    #[test]
    fn names_field_and_expected_type() {
        for (json, detail) in [
            ("[]", "body: should be a JSON object"),
            (r#" ["bob",1,true,[]]"#, "body: should be a JSON object"),
            ("5", "body: should be a JSON object"),
            ("null", "body: should be a JSON object"),
            ("{}", "name: is missing"),
            (r#"{"name":"a","name":"b"}"#, "name: is given more than once"),
            (r#"{"name":5}"#, "name: should be a string"),
            (r#"{"name":null}"#, "name: should be a string"),
            (r#"{"name":"a","count":"expected a string"}"#, "count: should be a whole number"),
            (r#"{"name":"a","count":99999999999999999999}"#, "count: should be a whole number"),
            (r#"{"name":"a","flag":1}"#, "flag: should be true or false"),
            (r#"{"name":"a","list":{}}"#, "list: should be an array"),
            (r#"{"name":"a","list":[{"size":1},{"size":-1}]}"#, "list[1].size: should be a whole number"),
        ] {
            assert_eq!(refuse(json), (ErrorCode::ValidationFailed, detail.to_owned()), "{json}");
        }
    }

    #[test]
    fn distinguishes_invalid_json_from_wrong_fields() {
        for json in ["", "{", r#"{"name":"\ud800"}"#, r#"{"name":"a""#] {
            assert_eq!(refuse(json).0, ErrorCode::BadJson, "{json}");
        }
    }
}
