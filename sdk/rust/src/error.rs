//! Errors.

use std::time::Duration;

use serde_json::Value;

use crate::frame::waited;

/// Why a call failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The API refused the request.
    #[error("{0}")]
    Api(Box<Problem>),
    /// The server refused a message or change, which is not stored. It stays in the outbox as failed.
    #[error("{code}{}", .detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default())]
    Refused {
        /// One of the codes of the protocol.
        code: String,
        /// More than the code says, for instance why it is forbidden.
        reason: Option<String>,
        /// What is wrong, for people.
        detail: Option<String>,
    },
    /// There was no answer.
    #[error("no answer: {0}")]
    Network(String),
    /// Nobody is signed in, or the session has ended.
    #[error("signed out: {0}")]
    SignedOut(String),
    /// The message or change was removed from the outbox, and is not sent any more. If it was sent before and the connection ended
    /// without an answer, the server may have stored it.
    #[error("cancelled")]
    Cancelled,
    /// The message does not fit in a frame of 64 KiB.
    #[error("the message is larger than 64 KiB")]
    TooLarge,
    /// The answer is not what this version expects.
    #[error("unexpected answer: {0}")]
    Answer(String),
    /// The client was closed.
    #[error("the client was closed")]
    Closed,
}

impl Error {
    /// Returns a stable code: one of the API, or `network`, `signed_out`, `cancelled`, `payload_too_large`, `bad_answer`, `closed`.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Api(problem) => &problem.code,
            Self::Refused { code, .. } => code,
            Self::Network(_) => "network",
            Self::SignedOut(_) => "signed_out",
            Self::Cancelled => "cancelled",
            Self::TooLarge => "payload_too_large",
            Self::Answer(_) => "bad_answer",
            Self::Closed => "closed",
        }
    }

    /// Returns what the code leaves open, such as why somebody is signed out.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Api(problem) => problem.reason.as_deref(),
            Self::Refused { reason, .. } => reason.as_deref(),
            Self::SignedOut(reason) => Some(reason),
            _ => None,
        }
    }

    /// Returns what is wrong, for people, if the server says it.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::Api(problem) => problem.detail.as_deref(),
            Self::Refused { detail, .. } => detail.as_deref(),
            _ => None,
        }
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Api(problem) => problem.is_retryable(),
            Self::Network(_) => true,
            _ => false,
        }
    }

    /// Returns the HTTP status, if there was an answer.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        if let Self::Api(problem) = self { Some(problem.status) } else { None }
    }

    /// Returns how long to wait before the next attempt, if the server says it: with 429 and 503 it may.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after_ms().map(Duration::from_millis)
    }

    /// As [`retry_after`](Self::retry_after), in milliseconds.
    pub(crate) fn retry_after_ms(&self) -> Option<u64> {
        if let Self::Api(problem) = self { problem.retry_after_ms } else { None }
    }
}

/// An answer of the API that is an error (RFC 9457).
#[derive(Clone, Debug, thiserror::Error)]
#[error("{status} {code}{}", .detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default())]
#[non_exhaustive]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The stable code.
    pub code: String,
    /// More than the code says, for instance why it is forbidden.
    pub reason: Option<String>,
    /// What is wrong, for people.
    pub detail: Option<String>,
    /// The whole body; `null` if it is not JSON.
    pub body: Value,
    pub(crate) retry_after_ms: Option<u64>,
}

impl Problem {
    pub(crate) fn new(status: u16, retry_after_ms: Option<u64>, body: Value) -> Self {
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        let fallback = if is_retryable(status) { "unavailable" } else { "unknown" };
        let code = text("code").unwrap_or_else(|| fallback.to_owned());
        let retry_after_ms = retry_after_ms.map(waited);
        Self { status, code, reason: text("reason"), detail: text("detail"), retry_after_ms, body }
    }

    /// Whether the answer to a refresh means that the session is over. The page of a proxy has no code.
    pub(crate) fn ends_session(&self) -> bool {
        !self.is_retryable() && (self.status == 401 || self.body.get("code").is_some_and(Value::is_string))
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        is_retryable(self.status)
    }

    /// Returns how long to wait before the next attempt, if the server says it.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after_ms.map(Duration::from_millis)
    }
}

const fn is_retryable(status: u16) -> bool {
    status == 429 || status >= 500
}
