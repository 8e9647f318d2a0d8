//! Errors in the form in which a service returns them over HTTP, gRPC and WebSocket.

mod code;

use std::{borrow::Cow, collections::HashMap, fmt, time::Duration};

use serde::Serialize;
use tonic::Code;
use tonic_types::{ErrorDetails, StatusExt as _};
use utoipa::ToSchema;

pub use self::code::{ErrorCode, Reason};

/// An invalid field of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// The field's name in the request.
    #[schema(value_type = String, examples("username"))]
    pub field: Cow<'static, str>,
    /// The violated rule, for programs: `required`, `length`, `format`, `range`, `duplicate` and others.
    #[schema(examples("length"))]
    pub code: &'static str,
    /// A text for people.
    #[schema(examples("should have 3 to 50 characters"))]
    pub message: String,
}

/// A limit of quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is limited, for programs.
    pub name: &'static str,
    /// The most that is allowed.
    pub max: i64,
}

/// An error in the form in which a service returns it. The error types of all domains convert into this one.
#[derive(Debug)]
pub struct ApiError {
    /// The kind of error.
    pub code: ErrorCode,
    /// A text for people: what happened and what to do. Never contains the cause of an internal error.
    pub detail: Cow<'static, str>,
    /// The invalid fields.
    pub fields: Vec<FieldError>,
    /// Why it is forbidden.
    pub reason: Option<Reason>,
    /// The limit that is reached.
    pub limit: Option<Limit>,
    /// The time after which a retry may succeed.
    pub retry_after: Option<Duration>,
    /// The cause of an internal error or of an unavailable dependency. It is logged when the service returns the error. Clients
    /// do not see it.
    pub cause: Option<String>,
}

/// The time after which a client may retry a request that failed with [`ErrorCode::Unavailable`].
const UNAVAILABLE_RETRY_AFTER: Duration = Duration::from_secs(1);

/// The detail of every internal error.
pub const INTERNAL: &str =
    "The server could not process this because of an internal error. If it happens again, report the request id.";

/// The detail of `not_found` and `forbidden` for a chat. The text is the same in both cases, so that a user cannot find out
/// which chats exist.
pub const NO_SUCH_CHAT: &str = "There is no such chat, or you are not a member of it.";

impl ApiError {
    /// Returns an error with this code and detail.
    #[must_use]
    pub fn new(code: ErrorCode, detail: impl Into<Cow<'static, str>>) -> Self {
        let detail = detail.into();
        Self { code, detail, fields: Vec::new(), reason: None, limit: None, retry_after: None, cause: None }
    }

    /// Returns the error for something that the user may not do.
    #[must_use]
    pub fn forbidden(reason: Reason, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { reason: Some(reason), ..Self::new(ErrorCode::Forbidden, detail) }
    }

    /// Returns the error for a limit of quantity that is reached.
    #[must_use]
    pub fn limit_reached(name: &'static str, max: impl Into<i64>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { limit: Some(Limit { name, max: max.into() }), ..Self::new(ErrorCode::LimitReached, detail) }
    }

    /// Returns whether the same request may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.code.is_retryable() || self.reason.is_some_and(Reason::is_retryable)
    }

    /// Returns the error for one invalid field.
    #[must_use]
    pub fn invalid(field: impl Into<Cow<'static, str>>, code: &'static str, message: impl Into<String>) -> Self {
        Self::invalid_fields(vec![FieldError { field: field.into(), code, message: message.into() }])
    }

    /// Returns the error for several invalid fields.
    #[must_use]
    pub fn invalid_fields(fields: Vec<FieldError>) -> Self {
        let detail = fields.iter().map(|field| format!("{}: {}", field.field, field.message)).collect::<Vec<_>>();
        Self { fields, ..Self::new(ErrorCode::ValidationFailed, detail.join("; ")) }
    }

    /// Returns an internal error. The client does not see the cause.
    #[must_use]
    pub fn internal(cause: impl fmt::Display) -> Self {
        Self { cause: Some(cause.to_string()), ..Self::new(ErrorCode::Internal, INTERNAL) }
    }

    /// Returns the error for an unavailable dependency. The client sees its name but not the cause.
    #[must_use]
    pub fn unavailable(dependency: &'static str, cause: impl fmt::Display) -> Self {
        Self { cause: Some(cause.to_string()), ..Self::unavailable_without_cause(dependency) }
    }

    /// Returns the error for an unavailable dependency whose cause needs no log line, for example because it is already logged.
    #[must_use]
    pub fn unavailable_without_cause(dependency: &'static str) -> Self {
        let detail = format!("The {dependency} is temporarily unavailable. Try again in a moment.");
        Self { retry_after: Some(UNAVAILABLE_RETRY_AFTER), ..Self::new(ErrorCode::Unavailable, detail) }
    }

    /// Logs the cause, if there is one. The code that returns the error to a client calls this once. Code that handles the error
    /// in another way does not call it.
    pub fn log(&self) {
        match &self.cause {
            None => {}
            Some(cause) if self.code == ErrorCode::Internal => tracing::error!(error.cause = cause, "internal error"),
            Some(cause) => tracing::warn!(error.cause = cause, error.detail = %self.detail, "dependency unavailable"),
        }
    }
}

/// Includes the cause. For logs only.
impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)?;
        self.cause.as_ref().map_or(Ok(()), |cause| write!(f, ": {cause}"))
    }
}

impl std::error::Error for ApiError {}

/// The domain of the `google.rpc.ErrorInfo` that carries a code between the services.
const ERROR_DOMAIN: &str = "neonchat";

/// The key of [`ApiError::reason`] in the metadata of that `ErrorInfo`.
const REASON: &str = "reason";

/// The key of [`ApiError::retry_after`] in milliseconds.
const RETRY_AFTER_MS: &str = "retry_after_ms";

impl From<ApiError> for tonic::Status {
    /// Logs the cause.
    fn from(error: ApiError) -> Self {
        error.log();
        let reason = error.reason.map(|reason| (REASON.to_owned(), reason.as_str().to_owned()));
        let retry_after = error.retry_after.map(|after| (RETRY_AFTER_MS.to_owned(), after.as_millis().to_string()));
        let metadata: HashMap<_, _> = reason.into_iter().chain(retry_after).collect();
        let mut details = ErrorDetails::with_error_info(error.code.as_str(), ERROR_DOMAIN, metadata);
        for field in error.fields {
            details.add_bad_request_violation(field.field, field.message);
        }
        Self::with_error_details(error.code.grpc_code(), error.detail, details)
    }
}

impl From<tonic::Status> for ApiError {
    /// A status without one of our codes comes from the transport: the other service is unavailable or too slow.
    fn from(status: tonic::Status) -> Self {
        match (status.get_details_error_info(), status.code()) {
            (Some(info), _) => {
                let reason = info.metadata.get(REASON).map(String::as_str);
                let retry_after_ms = info.metadata.get(RETRY_AFTER_MS).and_then(|ms| ms.parse().ok());
                Self::from_remote(&info.reason, status.message().to_owned()).with_remote_reason(reason, retry_after_ms)
            }
            (None, Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown) => {
                Self::unavailable(OTHER_SERVICE, status)
            }
            (None, _) => Self::internal(status),
        }
    }
}

/// The name of the other service in errors for clients, which need not know the services.
const OTHER_SERVICE: &str = "messaging backend";

impl ApiError {
    /// Returns the error that another service reported, from its code and detail.
    #[must_use]
    pub fn from_remote(code: &str, detail: String) -> Self {
        match ErrorCode::from_name(code) {
            Some(ErrorCode::Unavailable) => Self::unavailable(OTHER_SERVICE, detail),
            Some(ErrorCode::Internal) | None => Self::internal(detail),
            Some(code) => Self::new(code, detail),
        }
    }

    /// Adds why another service forbade it, and when a retry may succeed.
    #[must_use]
    pub fn with_remote_reason(self, reason: Option<&str>, retry_after_ms: Option<u64>) -> Self {
        let reason = reason.and_then(Reason::from_name);
        Self { reason, retry_after: retry_after_ms.map(Duration::from_millis).or(self.retry_after), ..self }
    }

    /// Returns the error for another service that did not answer in time. The log already has the cause.
    #[must_use]
    pub fn remote_unavailable() -> Self {
        Self::unavailable_without_cause(OTHER_SERVICE)
    }
}

#[cfg(test)]
mod tests;
