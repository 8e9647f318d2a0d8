//! Changes of the store.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ChatRow, EventRow, Pending, is_false};
use crate::{ChatId, RequestId, frame::Object};

/// A change of the store.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Op {
    /// Sets a single value.
    Set {
        /// Its name.
        key: String,
        /// The value.
        value: Value,
    },
    /// Removes a single value.
    Unset {
        /// Its name.
        key: String,
    },
    /// Adds or replaces a chat.
    Chat {
        /// The chat.
        row: ChatRow,
    },
    /// Removes a chat.
    DropChat {
        /// The chat.
        id: ChatId,
    },
    /// Adds or replaces an event.
    Event {
        /// The event.
        row: EventRow,
    },
    /// Adds or replaces something in the outbox.
    Pending {
        /// What is sent.
        row: Pending,
    },
    /// Removes something from the outbox.
    DropPending {
        /// With which it was sent.
        id: RequestId,
    },
    /// Removes the events of a chat below a `seq`.
    Trim {
        /// The chat.
        chat_id: ChatId,
        /// The first `seq` that stays.
        below: u64,
    },
    /// Erases the messages that have disappeared: see [`EventRow::expire`].
    Expire {
        /// Milliseconds since 1970.
        now: u64,
    },
    /// Changes a stored message, if there is one: see [`Patch::apply`].
    Patch(Patch),
    /// Removes everything.
    Wipe,
}

/// Without the values, which have tokens.
impl fmt::Debug for Op {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set { key, .. } => write!(formatter, "Set({key})"),
            Self::Unset { key } => write!(formatter, "Unset({key})"),
            Self::Chat { row } => row.fmt(formatter),
            Self::DropChat { id } => write!(formatter, "DropChat({id})"),
            Self::Event { row } => row.fmt(formatter),
            Self::Pending { row } => row.fmt(formatter),
            Self::DropPending { id } => write!(formatter, "DropPending({id})"),
            Self::Trim { chat_id, below } => write!(formatter, "Trim({chat_id}, {below})"),
            Self::Expire { now } => write!(formatter, "Expire({now})"),
            Self::Patch(patch) => patch.fmt(formatter),
            Self::Wipe => formatter.write_str("Wipe"),
        }
    }
}

/// A change of a stored message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Patch {
    /// The chat.
    pub chat_id: ChatId,
    /// The place of the message.
    pub seq: u64,
    /// The `seq` of the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_seq: Option<u64>,
    /// Whether the content is deleted.
    #[serde(default, skip_serializing_if = "is_false")]
    pub erase: bool,
    /// Members of the message that are set.
    #[serde(default, skip_serializing_if = "Object::is_empty")]
    pub set: Object,
}

impl Op {
    /// Whether this cannot be fetched from the server again: tokens, and what was not sent yet. Cursors are stored together with
    /// their events, so if both are lost, both are fetched again.
    #[must_use]
    pub fn is_precious(&self) -> bool {
        match self {
            Self::Set { .. } | Self::Unset { .. } | Self::Pending { .. } | Self::Wipe => true,
            Self::Chat { row } => row.unsent || row.read_to.is_some(),
            _ => false,
        }
    }

    pub(crate) fn set(key: &str, value: impl Into<Value>) -> Self {
        Self::Set { key: key.to_owned(), value: value.into() }
    }
}
