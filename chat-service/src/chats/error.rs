//! Errors of requests about chats.

use diesel::result::Error as QueryError;
use neonchat_common::error::{ApiError, ErrorCode, NO_SUCH_CHAT};
use thiserror::Error;

use crate::db::{DbError, WorkError};

/// Why a request about chats failed.
#[derive(Debug, Error)]
pub(crate) enum ChatError {
    /// The chat does not exist, or the user is not a member. The client does not learn which.
    #[error("{NO_SUCH_CHAT}")]
    NotFound,
    /// The message does not exist, or not for the user.
    #[error("There is no such message.")]
    NoSuchMessage,
    /// The chat is too large for what was asked.
    #[error("Only direct chats, and groups of at most 100 members, tell who has read what.")]
    TooManyMembers,
    /// The partner does not exist.
    #[error("There is no such user.")]
    NoSuchPartner,
    /// A user tried to open a chat with themselves.
    #[error("should be the id of another user")]
    PartnerIsCaller,
    /// The user has reached the limit of chats.
    #[error("You have reached the limit of {0} direct chats. Others can still open chats with you.")]
    TooMany(u32),
    /// The token is valid, but its user does not exist.
    #[error("The user of this token no longer exists. Log in again.")]
    CallerNotFound,
    /// A background task panicked or was cancelled.
    #[error("task failed: {0}")]
    Task(#[from] tokio::task::JoinError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl WorkError for ChatError {
    fn db_error(&self) -> Option<&DbError> {
        if let Self::Db(error) = self { Some(error) } else { None }
    }
}

impl From<QueryError> for ChatError {
    fn from(error: QueryError) -> Self {
        Self::Db(error.into())
    }
}

impl From<ChatError> for ApiError {
    fn from(error: ChatError) -> Self {
        let text = error.to_string();
        match error {
            ChatError::NotFound | ChatError::NoSuchMessage | ChatError::NoSuchPartner => {
                Self::new(ErrorCode::NotFound, text)
            }
            ChatError::TooManyMembers => Self::new(ErrorCode::Forbidden, text),
            ChatError::PartnerIsCaller => Self::invalid("partner_id", "oneself", text),
            ChatError::TooMany(max) => Self::limit_reached("direct_chats", max, text),
            ChatError::CallerNotFound => Self::new(ErrorCode::Unauthorized, text),
            ChatError::Task(error) => Self::internal(error),
            ChatError::Db(error) => error.into(),
        }
    }
}
