//! What every HTTP edge of ours has: errors as problem+json (RFC 9457), the request id, and strict reading of input.

pub mod address;
mod encoding;
mod methods;
pub mod object;
pub mod probe;
pub mod server;

use std::time::Instant;

use actix_web::{
    Error, HttpResponse, ResponseError,
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
    error::{ApiError, ErrorCode, FieldError},
    settings::Environment,
    trace::{self, TraceContext},
};

/// The largest body of a request. A message of 4096 characters needs 49 KB at most, all of it `\u` escapes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// The media type of a [`Problem`].
pub const PROBLEM_JSON: &str = "application/problem+json";

/// What does not hold for another body.
const ABOUT_A_BODY: [HeaderName; 3] = [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CONTENT_ENCODING];

/// Asked every few seconds, by machines: in no trace.
const OPERATIONS: [&str; 4] = ["/health", "/live", "/metrics", "/ready"];

/// For a year.
const HTTPS_ALONE: &str = "max-age=31536000";

/// The body of an error (RFC 9457).
#[derive(Serialize, ToSchema)]
pub struct Problem<'a> {
    /// `urn:neonchat:error:` and the code.
    #[schema(format = "uri", examples("urn:neonchat:error:validation_failed"))]
    r#type: String,
    /// What the code means.
    #[schema(examples("Validation failed"))]
    title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599, examples(422))]
    status: u16,
    /// What happened, for a person.
    #[schema(examples("username: should have 3 to 50 characters"))]
    detail: &'a str,
    /// What happened, for a program.
    code: ErrorCode,
    /// The answer's `X-Request-Id`. The server's log has it too.
    #[schema(examples("0199c1a2-7b1e-7f6e-9d3c-5a4b8c7d6e5f"))]
    request_id: &'a str,
    /// Each field that is wrong. Only with `validation_failed`.
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    errors: &'a [FieldError],
}

impl<'a> Problem<'a> {
    /// The body of this error, answered to the request of this id.
    #[must_use]
    pub fn of(error: &'a ApiError, request_id: &'a str) -> Self {
        Self {
            r#type: format!("urn:neonchat:error:{}", error.code),
            title: error.code.title(),
            status: error.code.http_status().as_u16(),
            detail: &error.detail,
            code: error.code,
            request_id,
            errors: &error.fields,
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        // actix has an `http` crate of an older major version.
        StatusCode::from_u16(self.code.http_status().as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The edge of HTTP: logs the cause.
    fn error_response(&self) -> HttpResponse {
        self.log();
        let status = self.status_code();
        let mut response = HttpResponse::build(status);
        if status == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        if let Some(after) = self.retry_after {
            response.insert_header((header::RETRY_AFTER, after.as_secs().max(1).to_string()));
        }
        let id = correlation::current();
        response.insert_header((header::CONTENT_TYPE, PROBLEM_JSON)).json(Problem::of(self, id.as_str()))
    }
}

/// Middleware, outside of [`base_middleware`]: what a browser is told with every answer. A handler's own value of a header wins, such
/// as the policy of a page that has scripts. What actix answers before there is a request (408, 431, a malformed 400) has
/// no body and none of these.
#[must_use]
pub fn security_headers(environment: Environment) -> DefaultHeaders {
    let headers = DefaultHeaders::new()
        .add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add((header::X_FRAME_OPTIONS, "DENY"))
        .add((header::REFERRER_POLICY, "no-referrer"))
        .add((header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"));
    match environment {
        Environment::Development => headers,
        // Elsewhere it would make a developer's browser refuse plain HTTP on localhost.
        Environment::Production => headers.add((header::STRICT_TRANSPORT_SECURITY, HTTPS_ALONE)),
    }
}

/// Middleware: gives each request its id, a place in a trace and a line in the log, and makes every error a problem.
///
/// # Errors
/// Those of a middleware inside this one that does not answer by itself.
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
    let place = trace.context();
    let span = info_span!("http", request.id = %id, trace.id = place.trace_id().map(display));
    correlation::scope(id.clone(), place, span, handle(request, next, id, trace)).await
}

async fn handle(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
    id: CorrelationId,
    mut trace: trace::Span,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    // HEAD becomes GET on the way.
    let method = request.method().clone();
    // Not before: routing needs to be the only owner of the request.
    let mut response = next.call(request).await?.map_into_boxed_body();
    let http_request = response.request().clone();
    if let Some(error) = bare_error(&response) {
        let mut problem = error.error_response();
        // What was said beside the body stays: which methods there are, what is left of a limit.
        for (name, value) in response.headers() {
            if !ABOUT_A_BODY.contains(name) {
                problem.headers_mut().append(name.clone(), value.clone());
            }
        }
        response = ServiceResponse::new(http_request.clone(), problem);
    }
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(HeaderName::from_static(correlation::HEADER), value);
    }
    // The route's pattern and not the path: no id, and no token in a query, gets into the log or a label.
    let pattern = http_request.match_pattern();
    let route = pattern.clone().unwrap_or_else(|| "unknown".to_owned());
    let elapsed = started.elapsed();
    let status = response.status().as_u16();
    let label = method_label(method.as_str());
    metrics::histogram!("http_request_duration_seconds", "method" => label, "route" => route.clone(),
        "status" => status.to_string())
    .record(elapsed);
    trace.end_http(label, pattern, status);
    tracing::info!(http.method = %method, http.route = route, http.status = status,
        duration_ms = elapsed.as_secs_f64() * 1e3, "request");
    Ok(response)
}

/// A method may be any word that a client makes up; a label may not.
fn method_label(method: &str) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method).unwrap_or("other")
}

/// The problem for an error that actix itself answered, without a body of ours.
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

/// The body has more than [`MAX_BODY_BYTES`].
#[must_use]
pub fn too_large() -> ApiError {
    ApiError::new(
        ErrorCode::PayloadTooLarge,
        format!("The body is too large. It may have at most {MAX_BODY_BYTES} bytes."),
    )
}

/// The body is of another type.
#[must_use]
pub fn not_json() -> ApiError {
    ApiError::new(
        ErrorCode::UnsupportedMediaType,
        "The body should be JSON, with the header Content-Type: application/json.",
    )
}

/// How JSON bodies are read: [`object::read_object`] then says what is wrong with valid JSON.
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

/// How the parameter in a path is read. A path has one at most, which is a UUID.
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

/// How a query is read. Handlers take each parameter as text, so all that can be wrong here is one that is given twice.
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
