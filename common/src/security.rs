//! Security events: refusals that operators must be able to see.
//!
//! Each is one count of `security_events_total` and one log line with target `security`, except that refused gRPC calls are
//! logged once per connection. Neither contains a token, a password
//! or a message's text.

use metrics::{counter, describe_counter};

use crate::telemetry::start_at_zero;

const TOTAL: &str = "security_events_total";

/// The kind of refusal. [`security_event!`](crate::security_event) logs and counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecurityEvent {
    /// A login with an unknown name or a wrong password.
    LoginFailed,
    /// A login that was refused without checking the password, because too many failed before.
    LoginLimited,
    /// A token that is malformed or forged. Expired tokens are not counted.
    TokenRejected,
    /// A token with a valid signature that was revoked, or whose user does not exist.
    TokenRevoked,
    /// A refresh token that was used again after its successors: someone else may have it. Its session ended.
    SessionReused,
    /// A refresh token, or a cookie with one, that is forged, or whose session has ended.
    RefreshRejected,
    /// A request with the session cookie from a page that may not use it.
    CrossSiteRejected,
    /// A call to a gRPC server without the internal token, or with a wrong one.
    InternalTokenRejected,
    /// A handshake from a page whose origin is not allowed.
    OriginRejected,
    /// A socket that was closed for abuse (4008).
    SocketAbuse,
}

impl SecurityEvent {
    const ALL: [Self; 10] = [
        Self::LoginFailed,
        Self::LoginLimited,
        Self::TokenRejected,
        Self::TokenRevoked,
        Self::SessionReused,
        Self::RefreshRejected,
        Self::CrossSiteRejected,
        Self::InternalTokenRejected,
        Self::OriginRejected,
        Self::SocketAbuse,
    ];

    /// Returns the name in the log and in the label `event` of the metric.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LoginFailed => "login_failed",
            Self::LoginLimited => "login_limited",
            Self::TokenRejected => "token_rejected",
            Self::TokenRevoked => "token_revoked",
            Self::SessionReused => "session_reused",
            Self::RefreshRejected => "refresh_rejected",
            Self::CrossSiteRejected => "cross_site_rejected",
            Self::InternalTokenRejected => "internal_token_rejected",
            Self::OriginRejected => "origin_rejected",
            Self::SocketAbuse => "socket_abuse",
        }
    }

    /// Counts the event. Call [`security_event!`](crate::security_event), which also logs it.
    pub fn count(self) {
        counter!(TOTAL, "event" => self.as_str()).increment(1);
    }
}

/// The maximum number of characters of a client's text in the log.
const MAX_CHARS: usize = 64;

/// Returns a text of a client for the log: its first 64 characters, with non-printable characters escaped.
#[must_use]
pub fn excerpt(text: &str) -> String {
    text.chars().take(MAX_CHARS).flat_map(char::escape_debug).collect()
}

/// Describes the metric and makes every event's series start at 0, so that the first event is an increase.
pub fn describe() {
    describe_counter!(TOTAL, "Requests, calls and sockets that were refused for reasons of security");
    start_at_zero(TOTAL, SecurityEvent::ALL.map(|event| [("event", event.as_str())]));
}

/// Logs and counts a [`SecurityEvent`](crate::security::SecurityEvent), with fields as those of `tracing::warn!`.
#[macro_export]
macro_rules! security_event {
    ($event:expr $(, $($field:tt)*)?) => {{
        let event: $crate::security::SecurityEvent = $event;
        event.count();
        ::tracing::warn!(target: "security", { security.event = event.as_str(), $($($field)*)? }, "security event");
    }};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpt_is_short_and_on_one_line() {
        assert_eq!(excerpt("алиса"), "алиса");
        assert_eq!(excerpt("a\nb\u{1b}[31m\u{202e}"), "a\\nb\\u{1b}[31m\\u{202e}");
        assert_eq!(excerpt(&"x".repeat(1000)).len(), MAX_CHARS);
    }
}
