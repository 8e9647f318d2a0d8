//! The table of error codes (docs/PROTOCOL.md, "Errors").

use std::fmt;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use tonic::Code;
use utoipa::ToSchema;

/// The code of an error. It is stable, and the same over REST, WebSocket and gRPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The body or frame is not valid JSON, or a frame is not a JSON object.
    BadJson,
    /// The token is missing, malformed, forged or revoked.
    Unauthorized,
    /// The token was valid until its `exp`.
    TokenExpired,
    /// The username is unknown, or the password is wrong.
    InvalidCredentials,
    /// The user is not allowed to do this.
    Forbidden,
    /// The resource does not exist, or the user must not see it.
    NotFound,
    /// The path does not support this method.
    MethodNotAllowed,
    /// Another user has this username.
    UsernameTaken,
    /// The request conflicts with stored data.
    Conflict,
    /// The user has reached a limit.
    LimitReached,
    /// The body or frame is larger than its limit.
    PayloadTooLarge,
    /// The content type of the body is not supported.
    UnsupportedMediaType,
    /// A value is invalid.
    ValidationFailed,
    /// The `request_id` was already used for other content.
    IdempotencyMismatch,
    /// There were too many requests in a short time.
    RateLimited,
    /// The path needs a WebSocket handshake.
    UpgradeRequired,
    /// The server does not know the `type` of the frame. WebSocket only.
    UnknownType,
    /// An internal error. The log has the cause. The request may or may not have taken effect.
    Internal,
    /// A dependency is unavailable or did not answer. A later retry may succeed. The request may or may not have taken effect.
    Unavailable,
}

impl ErrorCode {
    pub(super) const ALL: [Self; 19] = [
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

    /// Returns the row of the table: name on the wire, HTTP status, gRPC status, title.
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

    /// Returns the name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// Returns the HTTP status.
    #[must_use]
    pub const fn http_status(self) -> StatusCode {
        self.row().1
    }

    /// Returns the gRPC status.
    #[must_use]
    pub const fn grpc_code(self) -> Code {
        self.row().2
    }

    /// Returns a short title for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.row().3
    }

    /// Returns whether the same request may succeed later.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::RateLimited | Self::Internal | Self::Unavailable)
    }

    /// Returns the code with this name.
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
