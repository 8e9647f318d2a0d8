//! The one table of errors: a code, and what it is as HTTP status, as gRPC status and on a socket (contract, section 3).

use std::{borrow::Cow, fmt, time::Duration};

use ::http::StatusCode;
use serde::{Deserialize, Serialize};
use tonic::Code;
use tonic_types::{ErrorDetails, StatusExt as _};
use utoipa::ToSchema;

/// The stable code of an error, the same over REST, WebSocket and gRPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The body or frame is not the JSON that it should be.
    BadJson,
    /// No token, a malformed or a forged one.
    Unauthorized,
    /// The token was good until its `exp`.
    TokenExpired,
    /// No such user, or another password.
    InvalidCredentials,
    /// Known, but not allowed.
    Forbidden,
    /// There is none, or none for this user.
    NotFound,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// The username is another user's.
    UsernameTaken,
    /// It contradicts what is stored.
    Conflict,
    /// The user has as many as a user may have.
    LimitReached,
    /// The body or frame is larger than its limit.
    PayloadTooLarge,
    /// The body is of a type that is not read.
    UnsupportedMediaType,
    /// A value breaks its rule.
    ValidationFailed,
    /// The `request_id` was used before, for other content.
    IdempotencyMismatch,
    /// Too many in too short a time.
    RateLimited,
    /// The path speaks WebSocket, the request does not.
    UpgradeRequired,
    /// A frame's `type` is none that the server knows. WebSocket only.
    UnknownType,
    /// A fault of the server. The cause is in its log. What was asked for may be done or not.
    Internal,
    /// A dependency is away, or did not answer; trying again later may help. What was asked for may be done or not.
    Unavailable,
}

impl ErrorCode {
    const ALL: [Self; 19] = [
        Self::BadJson,
        Self::Unauthorized,
        Self::TokenExpired,
        Self::InvalidCredentials,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::UsernameTaken,
        Self::Conflict,
        Self::LimitReached,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::ValidationFailed,
        Self::IdempotencyMismatch,
        Self::RateLimited,
        Self::UpgradeRequired,
        Self::UnknownType,
        Self::Internal,
        Self::Unavailable,
    ];

    /// The table: name on the wire, HTTP status, gRPC status, title.
    const fn row(self) -> (&'static str, StatusCode, Code, &'static str) {
        use StatusCode as Http;
        match self {
            Self::BadJson => ("bad_json", Http::BAD_REQUEST, Code::InvalidArgument, "Not the expected JSON"),
            Self::Unauthorized => {
                ("unauthorized", Http::UNAUTHORIZED, Code::Unauthenticated, "A valid token is needed")
            }
            Self::TokenExpired => ("token_expired", Http::UNAUTHORIZED, Code::Unauthenticated, "The token has expired"),
            Self::InvalidCredentials => {
                ("invalid_credentials", Http::UNAUTHORIZED, Code::Unauthenticated, "Wrong username or password")
            }
            Self::Forbidden => ("forbidden", Http::FORBIDDEN, Code::PermissionDenied, "Not allowed"),
            Self::NotFound => ("not_found", Http::NOT_FOUND, Code::NotFound, "Not found"),
            Self::MethodNotAllowed => {
                ("method_not_allowed", Http::METHOD_NOT_ALLOWED, Code::Unimplemented, "Method not allowed")
            }
            Self::UsernameTaken => ("username_taken", Http::CONFLICT, Code::AlreadyExists, "The username is taken"),
            Self::Conflict => ("conflict", Http::CONFLICT, Code::AlreadyExists, "Conflict"),
            Self::LimitReached => ("limit_reached", Http::CONFLICT, Code::FailedPrecondition, "A limit is reached"),
            Self::PayloadTooLarge => ("payload_too_large", Http::PAYLOAD_TOO_LARGE, Code::InvalidArgument, "Too large"),
            Self::UnsupportedMediaType => (
                "unsupported_media_type",
                Http::UNSUPPORTED_MEDIA_TYPE,
                Code::InvalidArgument,
                "Unsupported media type",
            ),
            Self::ValidationFailed => {
                ("validation_failed", Http::UNPROCESSABLE_ENTITY, Code::InvalidArgument, "Validation failed")
            }
            Self::IdempotencyMismatch => (
                "idempotency_mismatch",
                Http::UNPROCESSABLE_ENTITY,
                Code::InvalidArgument,
                "The request_id was used for other content",
            ),
            Self::RateLimited => {
                ("rate_limited", Http::TOO_MANY_REQUESTS, Code::ResourceExhausted, "Too many requests")
            }
            Self::UpgradeRequired => {
                ("upgrade_required", Http::UPGRADE_REQUIRED, Code::InvalidArgument, "WebSocket is needed")
            }
            Self::UnknownType => ("unknown_type", Http::BAD_REQUEST, Code::InvalidArgument, "Unknown frame type"),
            Self::Internal => ("internal", Http::INTERNAL_SERVER_ERROR, Code::Internal, "Internal error"),
            Self::Unavailable => {
                ("unavailable", Http::SERVICE_UNAVAILABLE, Code::Unavailable, "Temporarily unavailable")
            }
        }
    }

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status.
    #[must_use]
    pub const fn http_status(self) -> StatusCode {
        self.row().1
    }

    /// The gRPC status.
    #[must_use]
    pub const fn grpc_code(self) -> Code {
        self.row().2
    }

    /// What the code means, in a few words.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.row().3
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::RateLimited | Self::Internal | Self::Unavailable)
    }

    /// The code of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == name)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

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
        Self { cause: Some(cause.to_string()), ..Self::away(dependency) }
    }

    /// A dependency is away, for a cause that the log has already.
    #[must_use]
    pub fn away(dependency: &'static str) -> Self {
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
            (Some(info), _) => Self::told(&info.reason, status.message().to_owned()),
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
    pub fn told(code: &str, detail: String) -> Self {
        match ErrorCode::from_name(code) {
            Some(ErrorCode::Unavailable) => Self::unavailable(OTHER_SERVICE, detail),
            Some(ErrorCode::Internal) | None => Self::internal(detail),
            Some(code) => Self::new(code, detail),
        }
    }

    /// Another service of ours did not answer in time, and the log says so already.
    #[must_use]
    pub fn service_away() -> Self {
        Self::away(OTHER_SERVICE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_as_serialized() {
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_name(code.as_str()), Some(code));
            assert_eq!(serde_json::to_value(code).expect("JSON"), code.as_str());
        }
    }

    #[test]
    fn every_code_is_documented_for_clients() {
        let protocol = include_str!("../../docs/PROTOCOL.md");
        for code in ErrorCode::ALL {
            let row = protocol.lines().find(|line| line.starts_with(&format!("| `{code}` |")));
            let row = row.unwrap_or_else(|| panic!("docs/PROTOCOL.md has no row for {code}"));
            assert!(row.contains(&format!("| {} |", code.http_status().as_u16())), "{row}");
            let retryable = if code.is_retryable() { "| yes |" } else { "| no |" };
            assert!(row.contains(retryable), "{row}");
        }
    }

    #[test]
    fn a_code_survives_the_way_through_grpc() {
        for code in ErrorCode::ALL {
            let status = tonic::Status::from(ApiError::new(code, "why"));
            assert_eq!(status.code(), code.grpc_code());
            assert_eq!(ApiError::from(status).code, code);
        }
    }

    #[test]
    fn a_transport_error_is_unavailable_and_shows_no_cause() {
        let error = ApiError::from(tonic::Status::unavailable("tcp connect error: 10.0.0.7:8083"));
        assert_eq!(error.code, ErrorCode::Unavailable);
        assert!(!error.detail.contains("10.0.0.7"));
        let error = ApiError::from(tonic::Status::internal("secret"));
        assert_eq!(error.code, ErrorCode::Internal);
        assert!(!error.detail.contains("secret"));
    }

    #[test]
    fn logs_a_cause_where_the_error_leaves_the_service_and_not_before() {
        let log = Log::default();
        let lines = || String::from_utf8_lossy(&log.0.lock().expect("lock log")).lines().count();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            let errors = [ApiError::internal("disk"), ApiError::unavailable("database", "down")];
            assert_eq!(lines(), 0);
            for error in errors {
                assert!(error.to_string().ends_with(&format!(": {}", error.cause.as_deref().expect("cause"))));
                drop(tonic::Status::from(error));
            }
            drop(tonic::Status::from(ApiError::away("database")));
            assert_eq!(lines(), 2);
        });
    }

    #[derive(Clone, Default)]
    struct Log(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("lock log").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
}
