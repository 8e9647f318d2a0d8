//! Errors of reading events.

use diesel::result::Error as QueryError;
use neonchat_common::error::{ApiError, ErrorCode, NO_SUCH_CHAT};
use thiserror::Error;

use crate::db::{DbError, WorkError};

/// Why events could not be read.
#[derive(Debug, Error)]
pub(crate) enum TimelineError {
    /// The chat does not exist, or the user is not a member. The client does not learn which.
    #[error("{NO_SUCH_CHAT}")]
    NoSuchChat,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl WorkError for TimelineError {
    fn db_error(&self) -> Option<&DbError> {
        if let Self::Db(error) = self { Some(error) } else { None }
    }
}

impl From<QueryError> for TimelineError {
    fn from(error: QueryError) -> Self {
        Self::Db(error.into())
    }
}

impl From<TimelineError> for ApiError {
    fn from(error: TimelineError) -> Self {
        match error {
            TimelineError::NoSuchChat => Self::new(ErrorCode::NotFound, error.to_string()),
            TimelineError::Db(error) => error.into(),
        }
    }
}
