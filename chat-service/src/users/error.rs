//! Errors of requests about users.

use neonchat_common::error::{ApiError, ErrorCode};
use thiserror::Error;

use crate::{
    db::DbError,
    limits::{limiter::rate_limited, logins::TooManyFailures},
    sessions::error::SessionError,
    validation::ValidationError,
};

/// Why a request about users failed.
#[derive(Debug, Error)]
pub(crate) enum UserError {
    /// The user does not exist.
    #[error("There is no such user.")]
    NotFound,
    /// The token is valid, but its user does not exist.
    #[error("The user of this token no longer exists. Log in again.")]
    CallerNotFound,
    /// Another user has this name, or one that differs only in case or looks the same.
    #[error("This username is taken, or looks like a taken one. Choose another.")]
    UsernameTaken,
    /// The user does not exist, or the password is wrong. The client does not learn which.
    #[error("The username or the password is wrong.")]
    InvalidCredentials,
    /// The password of a user who is logged in is wrong.
    #[error("The password is wrong.")]
    WrongPassword,
    /// The new password is not allowed.
    #[error("{}", .0.message)]
    InvalidPassword(ValidationError),
    /// The session could not be started, or the others could not be ended.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// Too many logins failed.
    #[error(transparent)]
    TooManyFailures(#[from] TooManyFailures),
    /// Too many passwords are waiting to be hashed.
    #[error("Too many sign-ups and logins at the moment. Try again.")]
    Busy,
    /// notification-service did not report the presence of users.
    #[error(transparent)]
    PresenceUnavailable(ApiError),
    /// An internal error.
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
            UserError::WrongPassword => Self::invalid("old", "wrong", text),
            UserError::InvalidPassword(ValidationError { code, .. }) => Self::invalid("new", code, text),
            UserError::Session(error) => error.into(),
            UserError::TooManyFailures(TooManyFailures { wait }) => rate_limited(wait),
            // No cause: the limit was reached, but nothing failed.
            UserError::Busy => Self { detail: text.into(), ..Self::unavailable_without_cause("service") },
            UserError::PresenceUnavailable(error) => error,
            UserError::Internal(cause) => Self::internal(format_args!("{cause:#}")),
            UserError::Db(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_of_passwords_is_no_failed_dependency() {
        let error = ApiError::from(UserError::Busy);
        assert_eq!((error.code, error.cause), (ErrorCode::Unavailable, None));
        assert_eq!(error.detail, "Too many sign-ups and logins at the moment. Try again.");
        assert!(error.retry_after.is_some());
    }
}
