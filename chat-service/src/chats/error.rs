//! What can go wrong with chats.

use diesel::result::Error as QueryError;
use neonchat_common::error::{ApiError, ErrorCode, NO_SUCH_CHAT};
use thiserror::Error;

use crate::db::{DbError, WorkError};

/// Why a request about chats failed.
#[derive(Debug, Error)]
pub(crate) enum ChatError {
    /// There is no such chat, or the user is not a member. Which of the two is not told.
    #[error("{NO_SUCH_CHAT}")]
    NotFound,
    /// There is nobody to chat with.
    #[error("There is no such user.")]
    NoSuchPartner,
    /// A chat with oneself.
    #[error("should be the id of another user")]
    PartnerIsCaller,
    /// The user has as many chats as allowed, and cannot open another.
    #[error("You have reached the limit of {0} direct chats. Others can still open chats with you.")]
    TooMany(u32),
    /// The token is good, but its user is not there any more.
    #[error("The user of this token no longer exists. Log in again.")]
    CallerNotFound,
    /// A task of ours ended before its work was done.
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
            ChatError::NotFound | ChatError::NoSuchPartner => Self::new(ErrorCode::NotFound, text),
            ChatError::PartnerIsCaller => Self::invalid("partner_id", "oneself", text),
            ChatError::TooMany(_) => Self::new(ErrorCode::LimitReached, text),
            ChatError::CallerNotFound => Self::new(ErrorCode::Unauthorized, text),
            ChatError::Task(error) => Self::internal(error),
            ChatError::Db(error) => error.into(),
        }
    }
}
