//! Refuses request bodies with a content coding.
//!
//! Request bodies are small and need no compression, and a few KiB of gzip can expand to gigabytes.

use actix_web::{
    Error,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderValue, TRANSFER_ENCODING},
    middleware::Next,
};

use crate::error::{ApiError, ErrorCode};

/// Middleware: answers 415 to a request whose body has any `Content-Encoding` other than `identity`, before the body is
/// read (RFC 9110, section 15.5.16).
///
/// # Errors
/// Returns the error of the wrapped service.
pub async fn refuse_encoded_bodies(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if !has_encoded_body(request.headers()) {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let detail = "The body has a Content-Encoding. Send it without compression.";
    let mut response = request.error_response(ApiError::new(ErrorCode::UnsupportedMediaType, detail));
    response.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    Ok(response)
}

fn has_encoded_body(headers: &HeaderMap) -> bool {
    let has_body = headers.contains_key(TRANSFER_ENCODING)
        || headers.get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0");
    has_body && headers.get_all(CONTENT_ENCODING).any(|codings| !is_identity(codings))
}

/// Returns whether the value lists only `identity`, which means no coding.
fn is_identity(codings: &HeaderValue) -> bool {
    let is_identity = |coding: &str| coding.is_empty() || coding.eq_ignore_ascii_case("identity");
    codings.to_str().is_ok_and(|codings| codings.split(',').map(str::trim).all(is_identity))
}
