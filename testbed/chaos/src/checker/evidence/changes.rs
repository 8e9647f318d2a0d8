//! Edits and deletions: as they were requested, as they are stored, and as clients saw them.

use std::collections::BTreeSet;

use neonchat_common::ids::{ChatId, MessageId, SendId, Seq, UserId};

use super::{Message, Moment};

/// An edit or a deletion that a client asks for.
#[derive(Clone, Debug)]
pub struct Change {
    /// The chat.
    pub chat: ChatId,
    /// What to change.
    pub action: Action,
    /// When the first attempt began.
    pub begun: Moment,
    /// The number of attempts.
    pub attempts: usize,
    /// The answers, each with its time.
    pub answers: Vec<(Moment, ChangeAnswer)>,
}

/// What to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Gives a message another text.
    Edit {
        /// The message.
        message: MessageId,
        /// The new text. It is unique in a run.
        text: String,
    },
    /// Deletes messages.
    Delete {
        /// The messages.
        messages: BTreeSet<MessageId>,
    },
}

/// An answer to a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeAnswer {
    /// The change is stored.
    Applied {
        /// The `seq` of its event.
        seq: Seq,
        /// Whether it was stored before.
        duplicate: bool,
    },
    /// There was nothing to change, so there is no event.
    Unchanged,
    /// The change is not stored.
    Refused,
    /// The change may be stored or not.
    Indefinite,
}

/// An edit or a deletion in Postgres.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeRow {
    /// The `seq`.
    pub seq: Seq,
    /// The user who made the change.
    pub actor: UserId,
    /// The `request_id`.
    pub request: SendId,
    /// The time of storage, in microseconds since 1970.
    pub created_at: i64,
    /// The kind.
    pub kind: ChangeKind,
    /// The changed messages.
    pub messages: BTreeSet<MessageId>,
}

/// The kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// A message gets another text.
    Edit,
    /// Messages lose their text.
    Deletion,
}

/// An event that has a `seq`, as a client saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Durable {
    /// A message.
    Message(Message),
    /// An edit or a deletion.
    Change(Changed),
}

impl Durable {
    /// Returns the chat and the `seq`.
    #[must_use]
    pub const fn place(&self) -> (ChatId, Seq) {
        match self {
            Self::Message(message) => (message.chat, message.seq),
            Self::Change(change) => (change.chat, change.seq),
        }
    }

    /// Returns the message, if the event has its text.
    pub(in crate::checker) const fn message(&self) -> Option<&Message> {
        match self {
            Self::Message(message) | Self::Change(Changed { what: What::Edited(message), .. }) => Some(message),
            Self::Change(_) => None,
        }
    }
}

/// An edit or a deletion, as a client saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The chat.
    pub chat: ChatId,
    /// The `seq`.
    pub seq: Seq,
    /// The user who made the change.
    pub by: UserId,
    /// What changed.
    pub what: What,
}

/// What an event changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The text of a message.
    Edited(Message),
    /// The text of a message that a later event changed again.
    Superseded(MessageId),
    /// Messages lost their text.
    Deleted(BTreeSet<MessageId>),
}
