//! Errors of requests about messages.

use std::{sync::Arc, time::Duration};

use diesel::result::Error as QueryError;
use neonchat_common::error::{ApiError, ErrorCode, NO_SUCH_CHAT, Reason};
use thiserror::Error;

use crate::{
    db::{DbError, WorkError},
    limits::limiter::rate_limited,
    rights::Denied,
    scheduled::MAX_SCHEDULED,
};

/// What is limited in number.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Quantity {
    /// The reactions of a user to a message.
    Reactions,
    /// The kinds of reactions to a message.
    ReactionKinds,
    /// The pinned messages of a chat.
    Pins,
}

impl Quantity {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Reactions => "reactions",
            Self::ReactionKinds => "reaction_kinds",
            Self::Pins => "pins",
        }
    }

    fn text(self, max: i32) -> String {
        match self {
            Self::Reactions => format!("You can react to a message with {max} emoji. Remove one first."),
            Self::ReactionKinds => format!("A message can have {max} different reactions. Use one of them."),
            Self::Pins => format!("A chat can have {max} pinned messages. Unpin one first."),
        }
    }
}

/// Why a request about messages failed.
#[derive(Clone, Debug, Error)]
pub(crate) enum MessageError {
    /// The chat does not exist, or the user is not a member. The client does not learn which.
    #[error("{NO_SUCH_CHAT}")]
    NoSuchChat,
    /// The `request_id` was used before for another text or in another chat.
    #[error("This request_id was already used for something else. Use a new one for each message and change.")]
    IdempotencyMismatch,
    /// The chat has no such message, or it is deleted.
    #[error("There is no such message in this chat.")]
    NoSuchMessage,
    /// Only the author may edit a message, or delete it in a direct chat.
    #[error("Only the author can do this to a message.")]
    NotAuthor,
    /// The action needs a higher role.
    #[error("Your role in this chat does not allow this.")]
    Role,
    /// The member may only read at the moment.
    #[error("You may only read in this chat at the moment.")]
    Restricted,
    /// The chat is in slow mode, and the last message of the member is too recent.
    #[error("This chat is in slow mode. You can send the next message in {} s.", .wait.as_millis().div_ceil(1000))]
    SlowMode {
        /// The time until the member may send again.
        wait: Duration,
    },
    /// The chat is large and gets many messages, also from others.
    #[error("This chat gets too many messages. Try again in {} s.", .wait.as_millis().div_ceil(1000))]
    TooManyMessages {
        /// The time until it takes another one.
        wait: Duration,
    },
    /// A limit of quantity is reached.
    #[error("{}", .0.text(*.1))]
    LimitReached(Quantity, i32),
    /// The user makes too many requests.
    #[error("too many requests")]
    RateLimited(Duration),
    /// The message is too old to be edited.
    #[error("This message is too old to be edited.")]
    EditWindowClosed,
    /// The message was changed after the `if_changed_seq` of the client.
    #[error("The message was changed meanwhile. Read it again.")]
    ChangedSince,
    /// Only the author and admins may read the earlier texts of a message.
    #[error("Only the author and admins can read the earlier texts of a message.")]
    VersionsHidden,
    /// The messages of the chat cannot be forwarded.
    #[error("The messages of this chat cannot be forwarded.")]
    Protected,
    /// There is no such scheduled message, it is another user's, or it is being sent.
    #[error("There is no such scheduled message. It may have been sent.")]
    NoSuchScheduled,
    /// The user has too many scheduled messages in the chat.
    #[error("You have {MAX_SCHEDULED} scheduled messages in this chat. Delete one, or wait until one is sent.")]
    TooManyScheduled,
    /// A message is scheduled for a time that is too early or too late.
    #[error("should be at least {} and at most a year ahead", humantime::format_duration(*.min))]
    SendAt {
        /// The least time until it is sent.
        min: Duration,
    },
    /// The operator has switched events other than messages off.
    #[error("Messages cannot be changed on this server.")]
    EventsDisabled,
    /// Other instances kept changing the chat.
    #[error("the chat was changed by other instances at the same time")]
    Contended,
    /// The statement returned a verdict that the code does not know.
    #[error("unknown verdict {0}")]
    UnknownVerdict(i16),
    /// The chat has no message with the id that a page of history should start from.
    #[error("should be the id of a message in this chat")]
    UnknownCursor {
        /// The query parameter.
        field: &'static str,
    },
    /// The database failed, for all messages of the batch.
    #[error(transparent)]
    Db(Arc<DbError>),
    /// The process is shutting down.
    #[error("the process is shutting down")]
    ShuttingDown,
}

impl From<DbError> for MessageError {
    fn from(error: DbError) -> Self {
        Self::Db(Arc::new(error))
    }
}

impl From<Denied> for MessageError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Role => Self::Role,
            Denied::Restricted => Self::Restricted,
        }
    }
}

impl WorkError for MessageError {
    fn db_error(&self) -> Option<&DbError> {
        if let Self::Db(error) = self { Some(error) } else { None }
    }
}

impl From<QueryError> for MessageError {
    fn from(error: QueryError) -> Self {
        DbError::from(error).into()
    }
}

impl From<MessageError> for ApiError {
    fn from(error: MessageError) -> Self {
        let text = error.to_string();
        match error {
            MessageError::NoSuchChat | MessageError::NoSuchMessage | MessageError::NoSuchScheduled => {
                Self::new(ErrorCode::NotFound, text)
            }
            MessageError::TooManyScheduled => Self::limit_reached("scheduled", MAX_SCHEDULED, text),
            MessageError::SendAt { .. } => Self::invalid("send_at", "range", text),
            MessageError::NotAuthor | MessageError::VersionsHidden => Self::forbidden(Reason::Author, text),
            MessageError::Role => Self::forbidden(Reason::Role, text),
            MessageError::Restricted => Self::forbidden(Reason::Restricted, text),
            MessageError::SlowMode { wait } => {
                Self { retry_after: Some(wait), ..Self::forbidden(Reason::SlowMode, text) }
            }
            MessageError::TooManyMessages { wait } => {
                Self { retry_after: Some(wait), ..Self::new(ErrorCode::RateLimited, text) }
            }
            MessageError::LimitReached(what, max) => Self::limit_reached(what.as_str(), max, text),
            MessageError::RateLimited(wait) => rate_limited(wait),
            MessageError::EditWindowClosed => Self::forbidden(Reason::Window, text),
            MessageError::Protected => Self::forbidden(Reason::Protected, text),
            MessageError::EventsDisabled => Self::forbidden(Reason::Disabled, text),
            MessageError::ChangedSince => Self::new(ErrorCode::ChangedSince, text),
            MessageError::Contended => Self::unavailable("chat", text),
            MessageError::UnknownVerdict(_) => Self::internal(text),
            MessageError::IdempotencyMismatch => Self::new(ErrorCode::IdempotencyMismatch, text),
            MessageError::UnknownCursor { field } => Self::invalid(field, "unknown", text),
            MessageError::Db(error) => Self::from(&*error),
            MessageError::ShuttingDown => Self::unavailable("service", text),
        }
    }
}
