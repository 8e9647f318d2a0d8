//! Errors as they leave a service over HTTP, gRPC or a socket.

mod code;

use std::{borrow::Cow, fmt, time::Duration};

use serde::Serialize;
use tonic::Code;
use tonic_types::{ErrorDetails, StatusExt as _};
use utoipa::ToSchema;

pub use self::code::ErrorCode;

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// The field's name in the request.
    #[schema(value_type = String, examples("username"))]
    pub field: Cow<'static, str>,
    /// The rule that the value breaks, for a program: `required`, `length`, `format`, `range`, `duplicate` and others.
    #[schema(examples("length"))]
    pub code: &'static str,
    /// For a person.
    #[schema(examples("should have 3 to 50 characters"))]
    pub message: String,
}

/// An error as it leaves a service, over whichever edge. Each domain's own error becomes one of these.
#[derive(Debug)]
pub struct ApiError {
    /// What kind.
    pub code: ErrorCode,
    /// For a person: what happened, and what to do. Never the cause of an internal error.
    pub detail: Cow<'static, str>,
    /// The fields that are wrong.
    pub fields: Vec<FieldError>,
    /// When it may be worth trying again.
    pub retry_after: Option<Duration>,
    /// The cause of an internal error, or of a dependency that is away. Logged where the error leaves the service, never shown.
    pub cause: Option<String>,
}

/// How long a client waits before it tries again what was [`ErrorCode::Unavailable`].
const UNAVAILABLE_RETRY_AFTER: Duration = Duration::from_secs(1);

/// What a client is told of a fault of the server.
pub const INTERNAL: &str =
    "The server could not process this because of an internal error. If it happens again, report the request id.";

/// The detail of `not_found` and `forbidden` for a chat. The text is the same in both cases, so that a user cannot find out
/// which chats exist.
pub const NO_SUCH_CHAT: &str = "There is no such chat, or you are not a member of it.";

impl ApiError {
    /// An error of this code, with what a person should read.
    #[must_use]
    pub fn new(code: ErrorCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into(), fields: Vec::new(), retry_after: None, cause: None }
    }

    /// One field breaks its rule.
    #[must_use]
    pub fn invalid(field: impl Into<Cow<'static, str>>, code: &'static str, message: impl Into<String>) -> Self {
        Self::invalid_fields(vec![FieldError { field: field.into(), code, message: message.into() }])
    }

    /// Some fields break their rules.
    #[must_use]
    pub fn invalid_fields(fields: Vec<FieldError>) -> Self {
        let detail = fields.iter().map(|field| format!("{}: {}", field.field, field.message)).collect::<Vec<_>>();
        Self { fields, ..Self::new(ErrorCode::ValidationFailed, detail.join("; ")) }
    }

    /// A fault of the server. The client sees nothing of the cause.
    #[must_use]
    pub fn internal(cause: impl fmt::Display) -> Self {
        Self { cause: Some(cause.to_string()), ..Self::new(ErrorCode::Internal, INTERNAL) }
    }

    /// A dependency is away. The client sees its name, and nothing of the cause.
    #[must_use]
    pub fn unavailable(dependency: &'static str, cause: impl fmt::Display) -> Self {
        Self { cause: Some(cause.to_string()), ..Self::unavailable_without_cause(dependency) }
    }

    /// A dependency is away, for a cause that the log has already.
    #[must_use]
    pub fn unavailable_without_cause(dependency: &'static str) -> Self {
        let detail = format!("The {dependency} is temporarily unavailable. Try again in a moment.");
        Self { retry_after: Some(UNAVAILABLE_RETRY_AFTER), ..Self::new(ErrorCode::Unavailable, detail) }
    }

    /// Logs the cause, if there is one. Every edge calls it once, for an error that it answers with; code that handles an error in
    /// another way does not.
    pub fn log(&self) {
        match &self.cause {
            None => {}
            Some(cause) if self.code == ErrorCode::Internal => tracing::error!(error.cause = cause, "internal error"),
            Some(cause) => tracing::warn!(error.cause = cause, error.detail = %self.detail, "dependency unavailable"),
        }
    }
}

/// For logs: with the cause.
impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)?;
        self.cause.as_ref().map_or(Ok(()), |cause| write!(f, ": {cause}"))
    }
}

impl std::error::Error for ApiError {}

/// The domain of the `google.rpc.ErrorInfo` that carries a code between the services.
const ERROR_DOMAIN: &str = "neonchat";

impl From<ApiError> for tonic::Status {
    /// The edge of gRPC: logs the cause.
    fn from(error: ApiError) -> Self {
        error.log();
        let mut details = ErrorDetails::with_error_info(error.code.as_str(), ERROR_DOMAIN, []);
        for field in error.fields {
            details.add_bad_request_violation(field.field, field.message);
        }
        Self::with_error_details(error.code.grpc_code(), error.detail, details)
    }
}

impl From<tonic::Status> for ApiError {
    /// A status without a code of ours comes from the transport: the other service is away or too slow.
    fn from(status: tonic::Status) -> Self {
        match (status.get_details_error_info(), status.code()) {
            (Some(info), _) => Self::from_remote(&info.reason, status.message().to_owned()),
            (None, Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown) => {
                Self::unavailable(OTHER_SERVICE, status)
            }
            (None, _) => Self::internal(status),
        }
    }
}

/// Another service of ours. Clients need not know which.
const OTHER_SERVICE: &str = "messaging backend";

impl ApiError {
    /// The error that another service told of, by its code and detail.
    #[must_use]
    pub fn from_remote(code: &str, detail: String) -> Self {
        match ErrorCode::from_name(code) {
            Some(ErrorCode::Unavailable) => Self::unavailable(OTHER_SERVICE, detail),
            Some(ErrorCode::Internal) | None => Self::internal(detail),
            Some(code) => Self::new(code, detail),
        }
    }

    /// Another service of ours did not answer in time, and the log says so already.
    #[must_use]
    pub fn remote_unavailable() -> Self {
        Self::unavailable_without_cause(OTHER_SERVICE)
    }
}

#[cfg(test)]
mod tests;
