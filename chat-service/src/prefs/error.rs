//! Errors of what members set for themselves.

use diesel::result::Error as QueryError;
use neonchat_common::error::{ApiError, ErrorCode, NO_SUCH_CHAT};
use thiserror::Error;

use super::model::MAX_PIN_PLACE;
use crate::{
    chats::error::ChatError,
    db::{DbError, WorkError},
};

/// Why a request about one's own view of a chat failed.
#[derive(Debug, Error)]
pub(crate) enum PrefsError {
    /// The chat does not exist, or the user is not a member. The client does not learn which.
    #[error("{NO_SUCH_CHAT}")]
    NoSuchChat,
    /// Another pinned chat would move behind the last place.
    #[error("There is no room for another pinned chat at this place. Unpin one, or choose a lower place.")]
    TooManyPins,
    /// The chat could not be read.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// A background task panicked or was cancelled.
    #[error("task failed: {0}")]
    Task(#[from] tokio::task::JoinError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl WorkError for PrefsError {
    fn db_error(&self) -> Option<&DbError> {
        if let Self::Db(error) = self { Some(error) } else { None }
    }
}

impl From<QueryError> for PrefsError {
    fn from(error: QueryError) -> Self {
        Self::Db(error.into())
    }
}

impl From<PrefsError> for ApiError {
    fn from(error: PrefsError) -> Self {
        let text = error.to_string();
        match error {
            PrefsError::NoSuchChat => Self::new(ErrorCode::NotFound, text),
            PrefsError::TooManyPins => Self::limit_reached("pinned_chats", MAX_PIN_PLACE, text),
            PrefsError::Chat(error) => error.into(),
            PrefsError::Task(error) => Self::internal(error),
            PrefsError::Db(error) => error.into(),
        }
    }
}
