//! What both HTTP servers share: errors as `application/problem+json` (RFC 9457), the request id, and strict parsing of input.

pub mod address;
mod encoding;
mod methods;
pub mod object;
pub mod probe;
pub mod server;

use std::time::Instant;

use actix_web::{
    Error, HttpMessage as _, HttpResponse, ResponseError,
    body::{BodySize, BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    error::{JsonPayloadError, PathError, QueryPayloadError},
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    middleware::{DefaultHeaders, Next},
    web::{JsonConfig, PathConfig, QueryConfig},
};
use serde::Serialize;
use tracing::info_span;
use utoipa::ToSchema;

pub use self::{encoding::refuse_encoded_bodies, methods::answer_head_and_options};
use crate::{
    correlation::{self, CorrelationId},
    error::{ApiError, ErrorCode, FieldError, Reason},
    settings::Environment,
    trace::{self, TraceContext},
};

/// The maximum size of a request body. A message of 4096 characters needs at most 49 KB, if it consists of `\u` escapes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// The media type of a [`Problem`].
pub const PROBLEM_JSON: &str = "application/problem+json";

/// The headers that describe a body, and are wrong for another body.
const BODY_HEADERS: [HeaderName; 3] = [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CONTENT_ENCODING];

/// The paths that machines request every few seconds. They are not traced.
const OPERATIONS: [&str; 4] = ["/health", "/live", "/metrics", "/ready"];

/// Browsers use only HTTPS for a year.
const HSTS: &str = "max-age=31536000";

/// Marks a request, in its extensions, as one of many that a page makes by itself. If it succeeds, it is logged at `debug`.
#[derive(Clone, Copy, Debug)]
pub struct Subrequest;

/// The body of an error (RFC 9457).
#[derive(Serialize, ToSchema)]
pub struct Problem<'a> {
    /// `urn:neonchat:error:` followed by the code.
    #[schema(format = "uri", examples("urn:neonchat:error:validation_failed"))]
    r#type: String,
    /// A short summary of the code.
    #[schema(examples("Validation failed"))]
    title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599, examples(422))]
    status: u16,
    /// What happened, for people.
    #[schema(examples("username: should have 3 to 50 characters"))]
    detail: &'a str,
    /// What happened, for programs.
    code: ErrorCode,
    /// The `X-Request-Id` of the response. The log of the server has it as well.
    #[schema(examples("0199c1a2-7b1e-7f6e-9d3c-5a4b8c7d6e5f"))]
    request_id: &'a str,
    /// Why it is forbidden. Only with `forbidden`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    /// What is limited. Only with `limit_reached`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples("members"))]
    limit: Option<&'static str>,
    /// The most that is allowed. Only with `limit_reached`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(examples(10000))]
    max: Option<i64>,
    /// The invalid fields. Only with `validation_failed`.
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    errors: &'a [FieldError],
}

impl<'a> Problem<'a> {
    /// Returns the body for this error and request id.
    #[must_use]
    pub fn new(error: &'a ApiError, request_id: &'a str) -> Self {
        Self {
            r#type: format!("urn:neonchat:error:{}", error.code),
            title: error.code.title(),
            status: error.code.http_status().as_u16(),
            detail: &error.detail,
            code: error.code,
            request_id,
            reason: error.reason,
            limit: error.limit.map(|limit| limit.name),
            max: error.limit.map(|limit| limit.max),
            errors: &error.fields,
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        // actix uses an older major version of the `http` crate.
        StatusCode::from_u16(self.code.http_status().as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Logs the cause.
    fn error_response(&self) -> HttpResponse {
        self.log();
        let status = self.status_code();
        let mut response = HttpResponse::build(status);
        if status == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        if let Some(after) = self.retry_after {
            // Rounded up: a client that waits for less is refused again.
            let seconds = after.as_millis().div_ceil(1000).max(1);
            response.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        let id = correlation::current();
        response.insert_header((header::CONTENT_TYPE, PROBLEM_JSON)).json(Problem::new(self, id.as_str()))
    }
}

/// Returns the middleware that adds security headers for browsers. It wraps [`base_middleware`]. A header that a handler sets
/// wins, such as the policy of a page with scripts. Responses that actix sends before it has a request (408, 431, malformed
/// 400) have no body and no such headers.
#[must_use]
pub fn security_headers(environment: Environment) -> DefaultHeaders {
    let headers = DefaultHeaders::new()
        .add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add((header::X_FRAME_OPTIONS, "DENY"))
        .add((header::REFERRER_POLICY, "no-referrer"))
        .add((header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"));
    match environment {
        Environment::Development => headers,
        // In development it would make a browser refuse plain HTTP on localhost.
        Environment::Production => headers.add((header::STRICT_TRANSPORT_SECURITY, HSTS)),
    }
}

/// Middleware that every app has: gives each request an id, a span and a log line, measures it, and turns each error into a
/// problem document.
///
/// # Errors
/// The error of an inner middleware that returns no response.
pub async fn base_middleware(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let given = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let id = CorrelationId::accept(given(correlation::HEADER));
    let trace = if OPERATIONS.contains(&request.path()) {
        trace::Span::default()
    } else {
        let caller = TraceContext::accept(given(trace::HEADER));
        trace::Span::root(&caller, || trace::http_request(method_label(request.method().as_str()), request.path()))
    };
    let context = trace.context();
    let span = info_span!("http", request.id = %id, trace.id = context.trace_id().map(display));
    correlation::scope(id.clone(), context, span, handle(request, next, id, trace)).await
}

async fn handle(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
    id: CorrelationId,
    mut trace: trace::Span,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    // An inner middleware turns HEAD into GET.
    let method = request.method().clone();
    // Not earlier: routing needs to be the only owner of the request.
    let mut response = next.call(request).await?.map_into_boxed_body();
    let http_request = response.request().clone();
    if let Some(error) = bare_error(&response) {
        let mut problem = error.error_response();
        // Headers that do not describe the body stay, such as Allow and those of a rate limit.
        for (name, value) in response.headers() {
            if !BODY_HEADERS.contains(name) {
                problem.headers_mut().append(name.clone(), value.clone());
            }
        }
        response = ServiceResponse::new(http_request.clone(), problem);
    }
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(HeaderName::from_static(correlation::HEADER), value);
    }
    // The pattern of the route instead of the path, so that no id and no token from a query gets into the log or a label.
    let pattern = http_request.match_pattern();
    let route = pattern.clone().unwrap_or_else(|| "unknown".to_owned());
    let elapsed = started.elapsed();
    let status = response.status().as_u16();
    let label = method_label(method.as_str());
    metrics::histogram!("http_request_duration_seconds", "method" => label, "route" => route.clone(),
        "status" => status.to_string())
    .record(elapsed);
    trace.end_http(label, pattern, status);
    macro_rules! log {
        ($level:ident) => {
            tracing::$level!(http.method = %method, http.route = route, http.status = status,
                duration_ms = elapsed.as_secs_f64() * 1e3, "request handled")
        };
    }
    if status < 400 && http_request.extensions().contains::<Subrequest>() {
        log!(debug);
    } else {
        log!(info);
    }
    Ok(response)
}

/// Returns the method as a label. A client may send any word as method, but the number of labels has to be bounded.
fn method_label(method: &str) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method).unwrap_or("other")
}

/// Returns the error to send instead of an error response of actix itself, which is no problem document.
fn bare_error(response: &ServiceResponse<BoxBody>) -> Option<ApiError> {
    let status = response.status();
    let is_problem = response.headers().get(header::CONTENT_TYPE).is_some_and(|value| value == PROBLEM_JSON);
    let is_empty = matches!(response.response().body().size(), BodySize::None | BodySize::Sized(0));
    if is_problem || !(status.is_client_error() || status.is_server_error()) {
        return None;
    }
    match status {
        StatusCode::NOT_FOUND => {
            Some(ApiError::new(ErrorCode::NotFound, "There is nothing at this path. Check its spelling."))
        }
        StatusCode::METHOD_NOT_ALLOWED => Some(ApiError::new(
            ErrorCode::MethodNotAllowed,
            "This path does not support this method. The Allow header lists those that it supports.",
        )),
        StatusCode::PAYLOAD_TOO_LARGE => Some(too_large()),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Some(not_json()),
        _ if status.is_server_error() && !is_empty => None,
        _ if status.is_server_error() => Some(ApiError::internal(format_args!("the server answered a bare {status}"))),
        _ => Some(ApiError::new(
            ErrorCode::BadJson,
            "The request is malformed. Check its request line, headers and body.",
        )),
    }
}

/// Returns the error for a body larger than [`MAX_BODY_BYTES`].
#[must_use]
pub fn too_large() -> ApiError {
    ApiError::new(
        ErrorCode::PayloadTooLarge,
        format!("The body is too large. It may have at most {MAX_BODY_BYTES} bytes."),
    )
}

/// Returns the error for a body that is not JSON by its content type.
#[must_use]
pub fn not_json() -> ApiError {
    ApiError::new(
        ErrorCode::UnsupportedMediaType,
        "The body should be JSON, with the header Content-Type: application/json.",
    )
}

/// Returns the configuration for JSON bodies. [`object::read_object`] then validates the JSON.
#[must_use]
pub fn json_config() -> JsonConfig {
    JsonConfig::default().limit(MAX_BODY_BYTES).error_handler(|error, _| {
        match error {
            JsonPayloadError::OverflowKnownLength { .. } | JsonPayloadError::Overflow { .. } => too_large(),
            JsonPayloadError::ContentType => not_json(),
            JsonPayloadError::Deserialize(error) => object::not_valid_json(error),
            _ => ApiError::new(ErrorCode::BadJson, "The body could not be received completely. Send it again."),
        }
        .into()
    })
}

/// Returns the configuration for path parameters. A path has at most one parameter, which is a UUID.
#[must_use]
pub fn path_config() -> PathConfig {
    PathConfig::default().error_handler(|error, request| {
        let name = request.match_info().iter().next().map_or_else(|| "path".to_owned(), |(name, _)| name.to_owned());
        match error {
            PathError::Deserialize(_) => ApiError::invalid(name, "format", "should be a UUID"),
            error => ApiError::internal(error),
        }
        .into()
    })
}

/// Returns the configuration for queries. Handlers take each parameter as text, so the only possible error is a repeated
/// parameter.
#[must_use]
pub fn query_config() -> QueryConfig {
    QueryConfig::default().error_handler(|error, _| {
        let repeated = match &error {
            QueryPayloadError::Deserialize(error) => object::repeated_field(&error.to_string()),
            _ => None,
        };
        let malformed = || ApiError::invalid("query", "format", "should be name=value pairs, separated by &");
        repeated.unwrap_or_else(malformed).into()
    })
}
