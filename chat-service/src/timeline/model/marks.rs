//! The events of what members add to messages: reactions and pins.

use neonchat_common::ids::{ChatId, MessageId, Seq};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Event, Origin};
use crate::messages::extra::Reactions;

/// The reactions to a message changed.
///
/// An event that is read late has the reactions of now. In larger chats an event gathers the changes of some seconds.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct ReactionsEvent {
    /// The type of the event.
    #[serde(rename = "type")]
    pub(crate) kind: ReactionsEventType,
    /// The id of the chat.
    pub(crate) chat_id: ChatId,
    /// The number of the event in the sequence of its chat.
    #[schema(value_type = i64, minimum = 1, examples(45))]
    pub(crate) seq: Seq,
    /// The id of the message.
    pub(crate) message_id: MessageId,
    /// The number of the message in the sequence of its chat.
    #[schema(value_type = i64, minimum = 1, examples(42))]
    pub(crate) message_seq: Seq,
    /// All reactions to it.
    pub(crate) reactions: Reactions,
}

/// The `type` of an event of reactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReactionsEventType {
    /// The only value.
    Reactions,
}

/// A message was pinned, or is not pinned any more.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct PinnedEvent {
    /// The type of the event.
    #[serde(rename = "type")]
    pub(crate) kind: PinnedEventType,
    #[serde(flatten)]
    pub(crate) origin: Origin,
    /// The id of the message.
    pub(crate) message_id: MessageId,
    /// Whether it is pinned.
    pub(crate) on: bool,
}

/// The `type` of an event of a pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PinnedEventType {
    /// The only value.
    Pinned,
}

impl Event {
    /// Returns the event of changed reactions.
    pub(crate) const fn reactions(
        chat_id: ChatId,
        seq: Seq,
        (message_id, message_seq): (MessageId, Seq),
        reactions: Reactions,
    ) -> Self {
        let kind = ReactionsEventType::Reactions;
        Self::Reactions(ReactionsEvent { kind, chat_id, seq, message_id, message_seq, reactions })
    }

    /// Returns the event of a message that was pinned, or is not pinned any more.
    pub(crate) const fn pinned(origin: Origin, message_id: MessageId, on: bool) -> Self {
        Self::Pinned(PinnedEvent { kind: PinnedEventType::Pinned, origin, message_id, on })
    }
}
