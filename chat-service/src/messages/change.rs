//! Changes of messages that are stored: edits and deletions.

use neonchat_common::{
    ids::{ChatId, MessageId, SendId, Seq, UserId},
    message::MessageText,
};

use super::{
    extra::{Entity, Extra},
    resolve::Mentions,
};
use crate::{event_kind::EventKind, timeline::model::StoredEvent};

/// A change to be applied.
// Without `Debug`, so that no log contains what a message says.
#[derive(Clone)]
pub(crate) struct NewChange {
    pub(crate) chat: ChatId,
    pub(crate) actor: UserId,
    /// The idempotency key, if the client chose one.
    pub(crate) request_id: Option<SendId>,
    pub(crate) change: Change,
}

/// What changes.
#[derive(Clone)]
pub(crate) enum Change {
    /// A message gets another text.
    Edit {
        message: MessageId,
        text: MessageText,
        /// Its formatting. `None` if the server has to find the mentions in the text.
        entities: Option<Vec<Entity>>,
        /// Whom the text mentions. It is filled in before the change is applied.
        mentions: Mentions,
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
    /// Returns an edit whose mentions are not known yet.
    pub(crate) fn new_edit(
        message: MessageId,
        text: MessageText,
        entities: Option<Vec<Entity>>,
        if_changed_seq: Option<Seq>,
    ) -> Self {
        Self::Edit { message, text, entities, mentions: Mentions::default(), if_changed_seq }
    }

    pub(super) const fn kind(&self) -> EventKind {
        match self {
            Self::Edit { .. } => EventKind::Edited,
            Self::Delete { .. } => EventKind::Deleted,
        }
    }

    /// Returns the messages that change.
    pub(super) fn messages(&self) -> &[MessageId] {
        match self {
            Self::Edit { message, .. } => std::slice::from_ref(message),
            Self::Delete { messages } => messages,
        }
    }

    /// Returns what an edit makes of its message.
    pub(super) fn edit(&self) -> Option<Edit<'_>> {
        match self {
            Self::Edit { text, entities, mentions, if_changed_seq, .. } => Some(Edit {
                text: text.as_str(),
                entities: entities.as_deref(),
                mentions,
                if_changed_seq: *if_changed_seq,
            }),
            Self::Delete { .. } => None,
        }
    }
}

/// What an edit makes of its message.
#[derive(Clone, Copy)]
pub(super) struct Edit<'a> {
    pub(super) text: &'a str,
    pub(super) entities: Option<&'a [Entity]>,
    pub(super) mentions: &'a Mentions,
    /// The `seq` that the message's last change must have.
    pub(super) if_changed_seq: Option<Seq>,
}

impl Edit<'_> {
    /// Returns what replaces the entities and mentions of the message.
    pub(super) fn extra(&self) -> Extra {
        Extra {
            entities: self.entities.unwrap_or_default().to_vec(),
            mentions: self.mentions.users.clone(),
            mention_all: self.mentions.all,
            ..Extra::default()
        }
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
