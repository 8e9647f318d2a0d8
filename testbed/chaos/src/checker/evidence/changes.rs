//! Changes of messages and groups: as they were requested, as they are stored, and as clients saw them.

use std::collections::BTreeSet;

use neonchat_common::ids::{ChatId, MessageId, SendId, Seq, UserId};

use super::{Message, Moment, Tally};

/// A change that a client asks for.
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
    /// Adds users to a group.
    Add {
        /// The users.
        users: BTreeSet<UserId>,
    },
    /// Removes members from a group.
    Remove {
        /// The members.
        users: BTreeSet<UserId>,
    },
    /// Gives a member of a group another role.
    SetRole {
        /// The member.
        user: UserId,
        /// Whether the member becomes an admin.
        admin: bool,
    },
    /// Reacts to a message, or takes the reaction back.
    React {
        /// The message.
        message: MessageId,
        /// The emoji.
        emoji: String,
        /// Whether the user reacts.
        on: bool,
    },
    /// Gives a group another title.
    Rename {
        /// The new title. It is unique in a run.
        title: String,
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
    /// The change is stored, now or before. The answer does not tell the `seq`.
    Done,
    /// The change is stored by an earlier attempt, and its event gathers it with those of others.
    Gathered,
    /// There was nothing to change, so there is no event. A first answer about a reaction that is gathered with others is the same.
    Unchanged,
    /// The change is not stored.
    Refused,
    /// The change may be stored or not.
    Indefinite,
}

/// A change in Postgres.
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
    /// The users who were added, removed, or got another role.
    pub users: BTreeSet<UserId>,
}

/// The kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// A message gets another text.
    Edit,
    /// Messages lose their text.
    Deletion,
    /// Users become members.
    Addition,
    /// Users cease to be members.
    Removal,
    /// A member gets another role.
    Role,
    /// A group gets another title.
    Title,
    /// A user reacts to a message, or takes the reaction back.
    Reaction,
    /// The reactions to a message changed. The event names neither the users nor their requests: both IDs are nil.
    Gathered,
}

impl ChangeKind {
    /// Returns whether it is about the reactions to a message, which leave the message as it is.
    pub(in crate::checker) const fn is_of_reactions(self) -> bool {
        matches!(self, Self::Reaction | Self::Gathered)
    }
}

/// An event that has a `seq`, as a client saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Durable {
    /// A message.
    Message(Message),
    /// A change.
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

/// A change, as a client saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The chat.
    pub chat: ChatId,
    /// The `seq`.
    pub seq: Seq,
    /// The user who made the change. Only an event of reactions does not name one.
    pub by: Option<UserId>,
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
    /// Messages have no text any more: all that the client wanted to delete. Some may have lost their text by an earlier event.
    Gone(BTreeSet<MessageId>),
    /// Users became members.
    Added {
        /// The users.
        users: BTreeSet<UserId>,
        /// The number of members afterwards.
        members: i64,
    },
    /// Users ceased to be members.
    Removed {
        /// The users.
        users: BTreeSet<UserId>,
        /// The number of members afterwards.
        members: i64,
    },
    /// A member got another role.
    RoleSet {
        /// The member.
        user: UserId,
        /// Whether the member is an admin.
        admin: bool,
    },
    /// A group got this title, or a later one.
    Renamed(String),
    /// The reactions to a message changed to these, or later ones.
    Reacted {
        /// The message.
        message: MessageId,
        /// All reactions.
        tallies: Vec<Tally>,
    },
}
