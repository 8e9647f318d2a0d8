//! Errors of sessions.

use std::{sync::Arc, time::Duration};

use neonchat_common::{
    error::{ApiError, ErrorCode},
    token::TokenError,
};
use thiserror::Error;

use crate::{db::DbError, limits::limiter::rate_limited};

/// Why a session is refused, or could not be continued or ended.
#[derive(Debug, Error)]
pub(crate) enum SessionError {
    /// The token is missing, invalid or expired.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The token is valid, but its user does not exist.
    #[error("The user of this token no longer exists. Log in again.")]
    CallerNotFound,
    /// The user logged out.
    #[error("The token was revoked. Log in again.")]
    Revoked,
    /// There is neither a refresh token in the body nor a cookie with one.
    #[error("A refresh token is required, in the body or in the cookie of a login with `cookie`.")]
    NoRefreshToken,
    /// The refresh token is malformed or forged.
    #[error("The refresh token is not valid. Log in again.")]
    ForgedRefreshToken,
    /// The session of the refresh token has ended.
    #[error("The session has ended. Log in again.")]
    Ended,
    /// The refresh token was used before its successors were.
    #[error("This refresh token was used before. Someone else may have it, so the session has ended. Log in again.")]
    Reused,
    /// A page of another site sent the request.
    #[error("Only pages of this site may use the session cookie.")]
    CrossSite,
    /// The caller has no such session.
    #[error("There is no such session.")]
    NotFound,
    /// Too many refreshes.
    #[error("too many refreshes")]
    TooMany(Duration),
    /// A background task panicked or was cancelled.
    #[error("task failed: {0}")]
    Task(#[from] tokio::task::JoinError),
    /// A token could not be signed.
    #[error(transparent)]
    Internal(ApiError),
    /// The refresh that this one joined failed.
    #[error(transparent)]
    Shared(Arc<Self>),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<SessionError> for ApiError {
    fn from(error: SessionError) -> Self {
        Self::from(&error)
    }
}

impl From<&SessionError> for ApiError {
    fn from(error: &SessionError) -> Self {
        let text = error.to_string();
        match error {
            SessionError::Token(error) => (*error).into(),
            SessionError::CallerNotFound
            | SessionError::Revoked
            | SessionError::NoRefreshToken
            | SessionError::ForgedRefreshToken
            | SessionError::Ended => Self::new(ErrorCode::Unauthorized, text),
            SessionError::Reused => Self::new(ErrorCode::SessionReused, text),
            SessionError::CrossSite => Self::new(ErrorCode::Forbidden, text),
            SessionError::NotFound => Self::new(ErrorCode::NotFound, text),
            SessionError::TooMany(wait) => rate_limited(*wait),
            SessionError::Task(error) => Self::internal(error),
            SessionError::Internal(error) => Self::internal(error),
            SessionError::Shared(error) => Self::from(&**error),
            SessionError::Db(error) => error.into(),
        }
    }
}
