//! What can go wrong with a session.

use neonchat_common::{
    error::{ApiError, ErrorCode},
    token::TokenError,
};
use thiserror::Error;

use crate::db::DbError;

/// Why a session is refused, or could not be ended.
#[derive(Debug, Error)]
pub(crate) enum SessionError {
    /// The token by itself is no good.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The token is valid, but its user was deleted or never existed here.
    #[error("The user of this token no longer exists. Log in again.")]
    CallerNotFound,
    /// Its bearer logged out.
    #[error("The token was revoked. Log in again.")]
    Revoked,
    /// A task of ours ended before its work was done.
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
