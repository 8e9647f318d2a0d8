//! Where the client keeps its data.

mod file;
mod memory;
mod op;
mod patch;
mod segments;

use std::{collections::BTreeMap, fmt, ops::RangeInclusive, path::PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::{
    file::FileStore,
    memory::MemoryStore,
    op::{Op, Patch},
};
pub(crate) use self::{
    patch::message_row,
    segments::{Segments, clipped, covering},
};
use crate::{ChatId, Frame, RequestId, frame::Object};

/// Where the client keeps its data: four functions, which may block. They are called one at a time.
pub trait Store: Send + 'static {
    /// Returns how many `seq`s of a chat are kept.
    fn capacity(&self) -> u64;

    /// Returns everything but the events.
    ///
    /// # Errors
    /// The data cannot be read.
    fn load(&mut self) -> Result<Saved, StoreError>;

    /// Returns at most `limit` events of a chat with a `seq` in this range, ascending, or descending if `backwards`.
    ///
    /// # Errors
    /// The data cannot be read.
    fn events(
        &self,
        chat: ChatId,
        range: RangeInclusive<u64>,
        limit: usize,
        backwards: bool,
    ) -> Result<Vec<EventRow>, StoreError>;

    /// Makes all changes, in order, or none. When it returns, what cannot be fetched again (see [`Op::is_precious`]) survives
    /// the end of the process and of the computer.
    ///
    /// # Errors
    /// The data cannot be written. The client goes on with a [`MemoryStore`].
    fn write(&mut self, ops: &[Op]) -> Result<(), StoreError>;
}

/// Why a store fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file cannot be read or written, for instance because the disk is full.
    #[error("{}: {error}", .path.display())]
    #[non_exhaustive]
    Io {
        /// The journal.
        path: PathBuf,
        /// What is wrong. It is part of the text, and so not the `source`.
        error: std::io::Error,
    },
    /// Another process has the store open.
    #[error("{}: another process uses the store", .0.display())]
    Locked(PathBuf),
    /// The file is not a journal of this client. It is left as it is.
    #[error("{}: not a journal of neonchat-client", .0.display())]
    NotAJournal(PathBuf),
    /// A reason of another implementation.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

/// What a store has, without the events.
#[derive(Clone, Default)]
pub struct Saved {
    /// Single values by name.
    pub values: BTreeMap<String, Value>,
    /// The chats.
    pub chats: Vec<ChatRow>,
    /// What is not acknowledged, in any order.
    pub outbox: Vec<Pending>,
}

/// Without the values, which have tokens.
impl fmt::Debug for Saved {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = formatter.debug_struct("Saved");
        fields.field("chats", &self.chats).field("outbox", &self.outbox).finish_non_exhaustive()
    }
}

/// What the client knows of a chat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChatRow {
    /// The ID.
    pub id: ChatId,
    /// The cursor: every event up to this `seq` is in the store.
    pub applied: u64,
    /// Ranges of `seq` of which the store has every message, ascending. The last one ends at `applied`, and may be empty
    /// (`[applied + 1, applied]`).
    pub segments: Segments,
    /// The item of `GET /chats`.
    #[serde(default, skip_serializing_if = "Object::is_empty")]
    pub item: Object,
    /// Whether there are events after `applied` that were not fetched.
    #[serde(default, skip_serializing_if = "is_false")]
    pub stale: bool,
    /// Whether the draft was not sent.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unsent: bool,
    /// A read marker that the server has not confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_to: Option<u64>,
}

/// A durable event as it is stored: a message, or a change of the chat that is shown in its history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EventRow {
    /// The chat.
    pub chat_id: ChatId,
    /// The place in the chat.
    pub seq: u64,
    /// `message`, or the type of the event.
    #[serde(rename = "type")]
    pub kind: String,
    /// The message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Object>,
    /// When the message disappears, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    /// All other members of the event. They have a place of their own, because an event of a later version may have a member with
    /// the name of one above.
    #[serde(default, skip_serializing_if = "Object::is_empty")]
    pub extra: Object,
}

/// A message or change that is not acknowledged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Pending {
    /// With which it is sent.
    pub request_id: RequestId,
    /// The chat.
    pub chat_id: ChatId,
    /// Milliseconds since 1970, strictly ascending: the order of a chat.
    pub created: u64,
    /// Whether it waits, or has failed.
    pub state: PendingState,
    /// What is sent.
    pub frame: Frame,
    /// The `seq`s of the messages that it changes, as far as they are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seqs: Vec<Option<u64>>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// More than the code says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What is wrong, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Whether something in the outbox waits, or has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PendingState {
    /// It is sent until the server answers.
    Pending,
    /// The server has refused it. It stays until it is retried or cancelled.
    Failed,
}

/// Returns up to `limit` messages of a range, in ascending order. Between messages there are other events.
pub(crate) fn messages(
    store: &dyn Store,
    chat: ChatId,
    range: RangeInclusive<u64>,
    limit: usize,
    backwards: bool,
) -> Result<Vec<EventRow>, StoreError> {
    let (mut from, mut to) = range.into_inner();
    let mut found = Vec::new();
    while found.len() < limit && from <= to {
        let rows = store.events(chat, from..=to, limit, backwards)?;
        let Some(last) = rows.last().map(|row| row.seq) else { break };
        let is_end = rows.len() < limit;
        found.extend(rows.into_iter().filter(|row| row.message.is_some()));
        if is_end {
            break;
        }
        if backwards {
            to = last.saturating_sub(1);
        } else {
            from = last + 1;
        }
    }
    found.truncate(limit);
    if backwards {
        found.reverse();
    }
    Ok(found)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls")]
const fn is_false(value: &bool) -> bool {
    !*value
}
