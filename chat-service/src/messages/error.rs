//! What can go wrong with messages.

use diesel::result::Error as QueryError;
use neonchat_common::error::{ApiError, ErrorCode};
use thiserror::Error;

use crate::db::DbError;

/// Why a request about messages failed.
#[derive(Debug, Error)]
pub enum MessageError {
    /// There is no such chat, or the user is not a member. Which of the two is not told.
    #[error("there is no such chat")]
    NoSuchChat,
    /// The `request_id` was used before, for another text or in another chat.
    #[error("the request_id was used before, for other content")]
    IdempotencyMismatch,
    /// The message that a page of history should start from is not in this chat.
    #[error("there is no such message in this chat")]
    NoSuchCursor {
        /// The parameter that named it.
        field: &'static str,
    },
    /// A task of ours ended before its work was done.
    #[error("the task failed: {0}")]
    Task(#[from] tokio::task::JoinError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<QueryError> for MessageError {
    fn from(error: QueryError) -> Self {
        Self::Db(error.into())
    }
}

impl From<MessageError> for ApiError {
    fn from(error: MessageError) -> Self {
        let text = error.to_string();
        match error {
            MessageError::NoSuchChat => Self::new(ErrorCode::NotFound, text),
            MessageError::IdempotencyMismatch => Self::new(ErrorCode::IdempotencyMismatch, text),
            MessageError::NoSuchCursor { field } => Self::invalid(field, "unknown", text),
            MessageError::Task(error) => Self::internal(error),
            MessageError::Db(error) => error.into(),
        }
    }
}
