//! The table of error codes (contract, section 3).

use std::fmt;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use tonic::Code;
use utoipa::ToSchema;

/// The code of an error. It is stable, and the same over REST, WebSocket and gRPC.
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
