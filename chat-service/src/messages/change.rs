//! Changes of messages that are stored: edits and deletions.

use neonchat_common::{
    ids::{ChatId, MessageId, SendId, Seq, UserId},
    message::MessageText,
};

use crate::{event_kind::EventKind, timeline::model::StoredEvent};

/// A change to be applied.
#[derive(Clone, Debug)]
pub(crate) struct NewChange {
    pub(crate) chat: ChatId,
    pub(crate) actor: UserId,
    /// The idempotency key, if the client chose one.
    pub(crate) request_id: Option<SendId>,
    pub(crate) change: Change,
}

/// What changes.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// A message gets another text.
    Edit {
        message: MessageId,
        text: MessageText,
        /// The `seq` that the message's last change must have.
        if_changed_seq: Option<Seq>,
    },
    /// Messages lose their content, for everybody.
    Delete {
        /// 1 to [`MAX_DELETED`](neonchat_common::message::MAX_DELETED), each once.
        messages: Vec<MessageId>,
    },
}

impl Change {
    pub(super) const fn kind(&self) -> EventKind {
        match self {
            Self::Edit { .. } => EventKind::Edited,
            Self::Delete { .. } => EventKind::Deleted,
        }
    }

    /// Returns each message, with its new text and the expected `seq` of its last change.
    pub(super) fn items(&self) -> impl Iterator<Item = (MessageId, Option<&str>, Option<Seq>)> {
        let (messages, text, expected) = match self {
            Self::Edit { message, text, if_changed_seq } => {
                (std::slice::from_ref(message), Some(text.as_str()), *if_changed_seq)
            }
            Self::Delete { messages } => (messages.as_slice(), None, None),
        };
        messages.iter().map(move |message| (*message, text, expected))
    }
}

/// The outcome of a change.
// Without `Debug`, so that no log contains a text.
#[derive(Clone)]
pub(crate) enum ChangeOutcome {
    /// It is committed. The event is as the change stored it.
    Applied(Box<StoredEvent>),
    /// It was committed before, by a request with the same `request_id`, as the event with this `seq`.
    Duplicate(Seq),
    /// It changes nothing, so it has no place in the sequence.
    Unchanged,
}

/// The rules for changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChangePolicy {
    /// `EDIT_WINDOW`: how long after sending a message can be edited, in microseconds. 0 is no limit.
    pub(crate) edit_window_us: i64,
    /// Whether replaced texts are kept (`EDIT_HISTORY`).
    pub(crate) keeps_versions: bool,
}
