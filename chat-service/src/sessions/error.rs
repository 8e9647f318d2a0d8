//! Errors of sessions.

use neonchat_common::{
    error::{ApiError, ErrorCode},
    token::TokenError,
};
use thiserror::Error;

use crate::db::DbError;

/// Why a session is refused, or could not be revoked.
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
    /// A background task panicked or was cancelled.
    #[error("task failed: {0}")]
    Task(#[from] tokio::task::JoinError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<SessionError> for ApiError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Token(error) => error.into(),
            SessionError::CallerNotFound | SessionError::Revoked => {
                Self::new(ErrorCode::Unauthorized, error.to_string())
            }
            SessionError::Task(error) => Self::internal(error),
            SessionError::Db(error) => error.into(),
        }
    }
}
