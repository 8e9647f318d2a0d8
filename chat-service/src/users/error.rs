//! What can go wrong with users.

use neonchat_common::error::{ApiError, ErrorCode};
use thiserror::Error;

use crate::{
    db::DbError,
    limits::{limiter::rate_limited, logins::TooManyFailures},
};

/// Why a user's request failed.
#[derive(Debug, Error)]
pub(crate) enum UserError {
    /// There is no such user.
    #[error("There is no such user.")]
    NotFound,
    /// The token is good, but its user is not there any more.
    #[error("The user of this token no longer exists. Log in again.")]
    CallerNotFound,
    /// Another user has this name, one that differs only by case, or one that looks the same.
    #[error("This username is taken, or looks like a taken one. Choose another.")]
    UsernameTaken,
    /// No such user, or another password. Which of the two is not told.
    #[error("The username or the password is wrong.")]
    InvalidCredentials,
    /// Too many logins failed.
    #[error(transparent)]
    TooManyFailures(#[from] TooManyFailures),
    /// Too many passwords are waiting to be hashed.
    #[error("too many passwords waiting to be hashed")]
    Busy,
    /// A fault of ours.
    #[error(transparent)]
    Internal(#[from] anyhow::Error),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<UserError> for ApiError {
    fn from(error: UserError) -> Self {
        let text = error.to_string();
        match error {
            UserError::NotFound => Self::new(ErrorCode::NotFound, text),
            UserError::CallerNotFound => Self::new(ErrorCode::Unauthorized, text),
            UserError::UsernameTaken => Self::new(ErrorCode::UsernameTaken, text),
            UserError::InvalidCredentials => Self::new(ErrorCode::InvalidCredentials, text),
            UserError::TooManyFailures(TooManyFailures { wait }) => rate_limited(wait),
            UserError::Busy => Self::unavailable("login", text),
            UserError::Internal(cause) => Self::internal(format_args!("{cause:#}")),
            UserError::Db(error) => error.into(),
        }
    }
}
