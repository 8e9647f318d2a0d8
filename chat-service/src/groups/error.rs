//! Errors of requests about groups and channels.

use std::time::Duration;

use diesel::result::{DatabaseErrorKind, Error as QueryError};
use neonchat_common::error::{ApiError, ErrorCode, NO_SUCH_CHAT, Reason};
use thiserror::Error;

use crate::{
    chats::error::ChatError,
    db::{DbError, WorkError},
    limits::limiter::rate_limited,
    rights::Denied,
    validation::ValidationError,
};

/// What is limited in number.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Quantity {
    /// The groups and channels of a user.
    Chats,
    /// The members of a chat.
    Members,
    /// The admins of a chat.
    Admins,
    /// The valid invites of a chat.
    Invites,
    /// The uses of an invite.
    Uses,
    /// The users who wait for an answer of a chat.
    Requests,
}

impl Quantity {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Chats => "chats",
            Self::Members => "members",
            Self::Admins => "admins",
            Self::Invites => "invites",
            Self::Uses => "uses",
            Self::Requests => "requests",
        }
    }

    fn text(self, max: i32) -> String {
        match self {
            Self::Chats => format!("You have reached the limit of {max} groups and channels."),
            Self::Members => format!("This chat can have {max} members."),
            Self::Admins => format!("A chat can have {max} admins."),
            Self::Invites => format!("A chat can have {max} valid invites. Revoke one."),
            Self::Uses => format!("The invite of this user has no use left of {max}."),
            Self::Requests => format!("{max} users are waiting to join this chat. Try again later."),
        }
    }
}

/// Why a request about a group or channel failed.
#[derive(Debug, Error)]
pub(crate) enum GroupError {
    /// The chat does not exist, or the user is not a member. The client does not learn which.
    #[error("{NO_SUCH_CHAT}")]
    NoSuchChat,
    /// The chat has no such member.
    #[error("There is no such member in this chat.")]
    NoSuchMember,
    /// The chat has no such invite, or it cannot be used any more.
    #[error("There is no such invite.")]
    NoSuchInvite,
    /// The user has not asked to join.
    #[error("This user has not asked to join.")]
    NoSuchRequest,
    /// The action needs a higher role.
    #[error("Your role in this chat does not allow this.")]
    Role,
    /// The member may only read at the moment.
    #[error("You may only read in this chat at the moment.")]
    Restricted,
    /// The user is banned.
    #[error("You are banned from this chat.")]
    Banned,
    /// A direct chat has no members, roles or settings to change.
    #[error("This is a direct chat. Only groups and channels have this.")]
    DirectChat,
    /// The owner cannot leave while there are other members.
    #[error("The owner cannot leave. Give the chat to another member first, or close it.")]
    LastOwner,
    /// The new owner has to be an admin.
    #[error("Only an admin can become the owner.")]
    NotAdmin,
    /// The password is wrong.
    #[error("is wrong")]
    WrongPassword,
    /// Another chat or user has the handle.
    #[error("This handle is taken.")]
    HandleTaken,
    /// Nobody may choose this handle.
    #[error("{}", .0.message)]
    HandleRefused(ValidationError),
    /// A limit of quantity is reached.
    #[error("{}", .0.text(*.1))]
    LimitReached(Quantity, i32),
    /// The user makes too many requests.
    #[error("too many requests")]
    RateLimited(Duration),
    /// The `request_id` was used before for something else.
    #[error("This request_id was already used for something else. Use a new one for each change.")]
    IdempotencyMismatch,
    /// The operator has switched events other than messages off.
    #[error("Groups and channels are switched off on this server.")]
    EventsDisabled,
    /// The chat, or something else that the change needs, stayed locked by other requests.
    #[error("the chat is being changed by other requests")]
    Contended,
    /// The stored settings cannot be read.
    #[error("settings of a chat cannot be read: {0}")]
    Settings(#[from] serde_json::Error),
    /// The token is valid, but its user does not exist.
    #[error("The user of this token no longer exists. Log in again.")]
    CallerNotFound,
    /// The system has no random numbers.
    #[error("no random numbers")]
    NoRandomness,
    /// A background task panicked or was cancelled.
    #[error("task failed: {0}")]
    Task(#[from] tokio::task::JoinError),
    /// The chat could not be read after the change.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl WorkError for GroupError {
    fn db_error(&self) -> Option<&DbError> {
        if let Self::Db(error) = self { Some(error) } else { None }
    }
}

impl From<Denied> for GroupError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Role => Self::Role,
            Denied::Restricted => Self::Restricted,
        }
    }
}

impl From<QueryError> for GroupError {
    fn from(error: QueryError) -> Self {
        // diesel has no error kind for a lock that was not available in time.
        if matches!(&error, QueryError::DatabaseError(_, info) if info.message().contains("lock timeout")) {
            return Self::Contended;
        }
        if let QueryError::DatabaseError(DatabaseErrorKind::UniqueViolation, info) = &error {
            match info.constraint_name() {
                Some("chat_events_request" | "chat_audit_request" | "chat_profiles_request") => {
                    return Self::IdempotencyMismatch;
                }
                Some("chat_profiles_handle_key") => return Self::HandleTaken,
                _ => {}
            }
        }
        Self::Db(error.into())
    }
}

impl From<GroupError> for ApiError {
    fn from(error: GroupError) -> Self {
        let text = error.to_string();
        match error {
            GroupError::NoSuchChat
            | GroupError::NoSuchMember
            | GroupError::NoSuchInvite
            | GroupError::NoSuchRequest => Self::new(ErrorCode::NotFound, text),
            GroupError::Role => Self::forbidden(Reason::Role, text),
            GroupError::Restricted => Self::forbidden(Reason::Restricted, text),
            GroupError::Banned => Self::forbidden(Reason::Banned, text),
            GroupError::EventsDisabled => Self::forbidden(Reason::Disabled, text),
            GroupError::DirectChat | GroupError::NotAdmin => Self::new(ErrorCode::Conflict, text),
            GroupError::LastOwner => Self::new(ErrorCode::LastOwner, text),
            GroupError::HandleTaken => Self::new(ErrorCode::HandleTaken, text),
            GroupError::RateLimited(wait) => rate_limited(wait),
            GroupError::LimitReached(what, max) => Self::limit_reached(what.as_str(), max, text),
            GroupError::HandleRefused(error) => Self::invalid("handle", error.code, text),
            GroupError::WrongPassword => Self::invalid("password", "wrong", text),
            GroupError::IdempotencyMismatch => Self::new(ErrorCode::IdempotencyMismatch, text),
            GroupError::CallerNotFound => Self::new(ErrorCode::Unauthorized, text),
            GroupError::NoRandomness => Self::internal(text),
            GroupError::Contended => Self::unavailable("chat", text),
            GroupError::Settings(error) => Self::internal(error),
            GroupError::Task(error) => Self::internal(error),
            GroupError::Chat(error) => error.into(),
            GroupError::Db(error) => error.into(),
        }
    }
}
