//! The table of error codes (docs/PROTOCOL.md, "Errors").

use std::fmt;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use tonic::Code;
use utoipa::ToSchema;

/// A row of the table.
struct Row {
    name: &'static str,
    http: StatusCode,
    grpc: Code,
    is_retryable: bool,
    title: &'static str,
}

/// Generates the enum, its list and its table. The columns: name on the wire, HTTP status, gRPC status, whether the same request
/// may succeed later, title.
macro_rules! error_codes {
    (@is_retryable retryable) => { true };
    (@is_retryable final) => { false };
    ($($(#[$doc:meta])+ $code:ident: $name:literal, $http:ident, $grpc:ident, $retry:tt, $title:literal;)+) => {
        /// The code of an error. It is stable, and the same over REST, WebSocket and gRPC.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum ErrorCode {
            $($(#[$doc])+ $code,)+
        }

        impl ErrorCode {
            pub(super) const ALL: [Self; [$($name),+].len()] = [$(Self::$code),+];

            const fn row(self) -> Row {
                match self {
                    $(Self::$code => Row {
                        name: $name,
                        http: StatusCode::$http,
                        grpc: Code::$grpc,
                        is_retryable: error_codes!(@is_retryable $retry),
                        title: $title,
                    },)+
                }
            }
        }
    };
}

error_codes! {
    /// The body or frame is not valid JSON, or a frame is not a JSON object.
    BadJson: "bad_json", BAD_REQUEST, InvalidArgument, final, "Not the expected JSON";
    /// The token is missing, malformed, forged or revoked.
    Unauthorized: "unauthorized", UNAUTHORIZED, Unauthenticated, final, "A valid token is needed";
    /// The token was valid until its `exp`.
    TokenExpired: "token_expired", UNAUTHORIZED, Unauthenticated, final, "The token has expired";
    /// The username is unknown, or the password is wrong.
    InvalidCredentials: "invalid_credentials", UNAUTHORIZED, Unauthenticated, final, "Wrong username or password";
    /// The refresh token was used before its successors were. The session has ended, because someone else may have the token.
    SessionReused: "session_reused", UNAUTHORIZED, Unauthenticated, final, "The session has ended";
    /// The user is not allowed to do this.
    Forbidden: "forbidden", FORBIDDEN, PermissionDenied, final, "Not allowed";
    /// The resource does not exist, or the user must not see it.
    NotFound: "not_found", NOT_FOUND, NotFound, final, "Not found";
    /// The path does not support this method.
    MethodNotAllowed: "method_not_allowed", METHOD_NOT_ALLOWED, Unimplemented, final, "Method not allowed";
    /// Another user has this username.
    UsernameTaken: "username_taken", CONFLICT, AlreadyExists, final, "The username is taken";
    /// The request conflicts with stored data.
    Conflict: "conflict", CONFLICT, AlreadyExists, final, "Conflict";
    /// The resource was changed after the state that the request expects.
    ChangedSince: "changed_since", CONFLICT, Aborted, final, "Changed meanwhile";
    /// Another user or chat has this handle.
    HandleTaken: "handle_taken", CONFLICT, AlreadyExists, final, "The handle is taken";
    /// The owner of a chat cannot leave it.
    LastOwner: "last_owner", CONFLICT, FailedPrecondition, final, "The owner cannot leave";
    /// The user has reached a limit.
    LimitReached: "limit_reached", CONFLICT, FailedPrecondition, final, "A limit is reached";
    /// The body or frame is larger than its limit.
    PayloadTooLarge: "payload_too_large", PAYLOAD_TOO_LARGE, InvalidArgument, final, "Too large";
    /// The content type of the body is not supported.
    UnsupportedMediaType: "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, InvalidArgument, final,
        "Unsupported media type";
    /// A value is invalid.
    ValidationFailed: "validation_failed", UNPROCESSABLE_ENTITY, InvalidArgument, final, "Validation failed";
    /// The `request_id` was already used for other content.
    IdempotencyMismatch: "idempotency_mismatch", UNPROCESSABLE_ENTITY, InvalidArgument, final,
        "The request_id was used for other content";
    /// There were too many requests in a short time.
    RateLimited: "rate_limited", TOO_MANY_REQUESTS, ResourceExhausted, retryable, "Too many requests";
    /// The path needs a WebSocket handshake.
    UpgradeRequired: "upgrade_required", UPGRADE_REQUIRED, InvalidArgument, final, "WebSocket is needed";
    /// The server does not know the `type` of the frame. WebSocket only.
    UnknownType: "unknown_type", BAD_REQUEST, InvalidArgument, final, "Unknown frame type";
    /// An internal error. The log has the cause. The request may or may not have taken effect.
    Internal: "internal", INTERNAL_SERVER_ERROR, Internal, retryable, "Internal error";
    /// A dependency is unavailable or did not answer. A later retry may succeed. The request may or may not have taken effect.
    Unavailable: "unavailable", SERVICE_UNAVAILABLE, Unavailable, retryable, "Temporarily unavailable";
}

impl ErrorCode {
    /// Returns the name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().name
    }

    /// Returns the HTTP status.
    #[must_use]
    pub const fn http_status(self) -> StatusCode {
        self.row().http
    }

    /// Returns the gRPC status.
    #[must_use]
    pub const fn grpc_code(self) -> Code {
        self.row().grpc
    }

    /// Returns a short title for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.row().title
    }

    /// Returns whether the same request may succeed later.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        self.row().is_retryable
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

/// Why something is forbidden, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Only the author of the message may do this.
    Author,
    /// The time in which this is allowed is over.
    Window,
    /// The operator has switched this off.
    Disabled,
    /// The action needs a higher role.
    Role,
    /// The member may only read at the moment.
    Restricted,
    /// The user is banned from the chat.
    Banned,
    /// The chat is in slow mode, and the last message of the user is too recent.
    SlowMode,
    /// The messages of the chat cannot be forwarded.
    Protected,
}

impl Reason {
    pub(super) const ALL: [Self; 8] = [
        Self::Author,
        Self::Window,
        Self::Disabled,
        Self::Role,
        Self::Restricted,
        Self::Banned,
        Self::SlowMode,
        Self::Protected,
    ];

    /// Returns the name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Author => "author",
            Self::Window => "window",
            Self::Disabled => "disabled",
            Self::Role => "role",
            Self::Restricted => "restricted",
            Self::Banned => "banned",
            Self::SlowMode => "slow_mode",
            Self::Protected => "protected",
        }
    }

    /// Returns whether the same request may succeed later, without a change by another user.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        match self {
            Self::SlowMode => true,
            Self::Author
            | Self::Window
            | Self::Disabled
            | Self::Role
            | Self::Restricted
            | Self::Banned
            | Self::Protected => false,
        }
    }

    /// Returns the reason with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }
}
