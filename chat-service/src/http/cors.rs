//! Cross-origin requests of browsers, from the origins in `CORS_ALLOWED_ORIGINS` (Fetch Standard, section 3.2).
//!
//! Written here because it is short: the WebSocket handshake uses the same list of origins, and nothing is refused. The
//! browser hides an answer from a page whose origin is not allowed.

use actix_web::{
    Error, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{self, HeaderMap, HeaderValue},
    },
    middleware::Next,
    web::Data,
};
use neonchat_common::origin::AllowedOrigins;

/// What a page may send: all methods, and all documented request headers. No credentials: the session cookie is for pages of the same
/// origin.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
const REQUEST_HEADERS: &str = "authorization, content-type, x-request-id, traceparent, tracestate";

/// The response headers that a page may read.
const ANSWER_HEADERS: &str = "x-request-id, ratelimit-limit, ratelimit-remaining, ratelimit-reset, retry-after, allow, \
                              www-authenticate, accept-encoding";

/// How long a browser may cache a preflight, in seconds. This is the maximum of Chromium.
const MAX_AGE: &str = "7200";

/// Middleware that answers preflights, and sets the headers by which pages may read an answer.
pub(crate) async fn cors(
    allowed: Data<AllowedOrigins>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let listed = |origin: &&HeaderValue| origin.to_str().is_ok_and(|origin| allowed.lists(origin));
    let origin = request.headers().get(header::ORIGIN).filter(listed).cloned();
    if is_preflight(&request) {
        let mut response = request.into_response(HttpResponse::NoContent().finish());
        answer(response.headers_mut(), origin, |headers| {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(REQUEST_HEADERS));
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
        });
        return Ok(response);
    }
    let mut response = next.call(request).await?.map_into_boxed_body();
    answer(response.headers_mut(), origin, |headers| {
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(ANSWER_HEADERS));
    });
    Ok(response)
}

fn is_preflight(request: &ServiceRequest) -> bool {
    let headers = request.headers();
    request.method() == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn answer(headers: &mut HeaderMap, origin: Option<HeaderValue>, allow: impl FnOnce(&mut HeaderMap)) {
    // Also if the origin is not allowed or not sent: a cache must not serve that answer to another page.
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        allow(headers);
    }
}
