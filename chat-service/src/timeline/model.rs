//! Durable events, and pages of them.

mod marks;
mod membership;
mod view;

use chrono::{DateTime, Utc};
use neonchat_common::{
    chat::MembershipChange,
    ids::{ChatId, MessageId, SendId, Seq, UserId},
    json, time,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub(crate) use self::marks::{PinnedEvent, ReactionsEvent};
#[cfg(test)]
pub(crate) use self::membership::{AddedBody, ChangedBody, RemovedBody};
pub(crate) use self::membership::{
    ChatClosedEvent, ChatClosedEventType, ChatProfile, ChatUpdatedEvent, ChatUpdatedEventType, MemberChange,
    MemberChangedEvent, MemberChangedEventType, MembersAddedEvent, MembersAddedEventType, MembersRemovedEvent,
    MembersRemovedEventType, Origin,
};
use crate::{
    access::Access,
    messages::model::Message,
    notifier::{ChangeStored, Frames},
    rights::ChatKind,
    validation::PageLimit,
};

/// The page size of events.
pub(crate) type EventsLimit = PageLimit<200, 1000>;

/// A durable event, with what its frames need to be addressed.
#[derive(Clone)]
pub(crate) struct StoredEvent {
    pub(crate) actor: UserId,
    /// The idempotency key of the actor.
    pub(crate) request_id: Option<SendId>,
    /// The type of the chat. Not for a message.
    pub(crate) chat_kind: Option<ChatKind>,
    pub(crate) event: Event,
}

impl StoredEvent {
    /// Returns the announcement of the event to the sockets of its chat.
    pub(crate) fn announcement(&self, chat_id: ChatId) -> ChangeStored {
        ChangeStored {
            chat_id,
            seq: self.event.seq(),
            actor_id: self.actor,
            request_id: self.request_id,
            frames: self.frames(),
            membership: self.event.membership(),
        }
    }

    /// Returns the event as a member may see it. It has no frame for others.
    pub(super) fn seen_by(self, access: Access) -> Self {
        Self { chat_kind: None, event: self.event.seen_by(access), ..self }
    }

    /// Encodes the frames for the sockets of the members. Not for a message: notification-service encodes its frame.
    pub(crate) fn frames(&self) -> Frames {
        let others = self.event.clone().seen_by_others();
        let for_actor = self.event.has_secrets_of_actor().then(|| json::raw(&self.event));
        let hidden = self.chat_kind.and_then(|kind| self.event.hidden(kind));
        Frames { for_others: json::raw(&others), for_actor, hidden }
    }
}

/// A page of events, with the head of the chat.
pub(crate) struct EventsPage {
    pub(crate) events: Vec<StoredEvent>,
    pub(crate) head_seq: Seq,
    /// The membership of the member whose view this is.
    pub(crate) access: Option<Access>,
}

impl EventsPage {
    /// Returns the first `seq` that exists for the member.
    pub(crate) fn first_seq(&self) -> Option<Seq> {
        self.access.map(|access| access.hidden_up_to() + 1)
    }
}

/// A durable event of a chat. Its `type` says which one.
///
/// Later versions may add types. A client ignores an event of an unknown type, but counts its `seq` as received.
#[derive(Clone, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(discriminator(property_name = "type", mapping(
    ("message" = "#/components/schemas/MessageEvent"),
    ("message_edited" = "#/components/schemas/MessageEditedEvent"),
    ("messages_deleted" = "#/components/schemas/MessagesDeletedEvent"),
    ("reactions" = "#/components/schemas/ReactionsEvent"),
    ("pinned" = "#/components/schemas/PinnedEvent"),
    ("members_added" = "#/components/schemas/MembersAddedEvent"),
    ("members_removed" = "#/components/schemas/MembersRemovedEvent"),
    ("member_changed" = "#/components/schemas/MemberChangedEvent"),
    ("chat_updated" = "#/components/schemas/ChatUpdatedEvent"),
    ("chat_closed" = "#/components/schemas/ChatClosedEvent"),
    ("unknown" = "#/components/schemas/UnknownEvent"),
)))]
pub(crate) enum Event {
    /// A message was sent.
    Message(MessageEvent),
    /// A message was edited.
    Edited(MessageEditedEvent),
    /// Messages were deleted.
    Deleted(MessagesDeletedEvent),
    /// The reactions to a message changed.
    Reactions(ReactionsEvent),
    /// A message was pinned, or is not pinned any more.
    Pinned(PinnedEvent),
    /// Users became members.
    MembersAdded(MembersAddedEvent),
    /// Users ceased to be members.
    MembersRemoved(MembersRemovedEvent),
    /// A member got another role, or was restricted.
    MemberChanged(MemberChangedEvent),
    /// Title, description, handle or settings changed.
    ChatUpdated(Box<ChatUpdatedEvent>),
    /// The chat was closed.
    ChatClosed(ChatClosedEvent),
    /// An event that only a newer version of the service knows.
    Unknown(UnknownEvent),
}

/// A message was sent.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct MessageEvent {
    /// The type of the event.
    #[serde(rename = "type")]
    pub(crate) kind: MessageEventType,
    /// The number of the event in the sequence of its chat.
    #[schema(value_type = i64, minimum = 1, examples(42))]
    pub(crate) seq: Seq,
    /// The message as it is now: edited, or empty if it is deleted or has disappeared.
    pub(crate) message: Message,
}

/// The `type` of an event of a sent message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MessageEventType {
    /// The only value.
    Message,
}

/// A message was edited.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct MessageEditedEvent {
    /// The type of the event.
    #[serde(rename = "type")]
    pub(crate) kind: MessageEditedEventType,
    /// The id of the chat.
    pub(crate) chat_id: ChatId,
    /// The number of the event in the sequence of its chat.
    #[schema(value_type = i64, minimum = 1, examples(45))]
    pub(crate) seq: Seq,
    /// The id of the user who edited it.
    pub(crate) by: UserId,
    /// When it was edited.
    #[serde(serialize_with = "time::serialize")]
    #[schema(examples("2026-01-02T03:04:05.000006Z"))]
    pub(crate) at: DateTime<Utc>,
    /// The message. Absent if the event is superseded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) message: Option<Message>,
    /// The id of the message. Only if the event is superseded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) message_id: Option<MessageId>,
    /// `true` if a later event changes the message again, or the message has disappeared. Absent if not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) superseded: Option<bool>,
}

/// The `type` of an event of an edited message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MessageEditedEventType {
    /// The only value.
    MessageEdited,
}

/// Messages were deleted.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct MessagesDeletedEvent {
    /// The type of the event.
    #[serde(rename = "type")]
    pub(crate) kind: MessagesDeletedEventType,
    /// The id of the chat.
    pub(crate) chat_id: ChatId,
    /// The number of the event in the sequence of its chat.
    #[schema(value_type = i64, minimum = 1, examples(46))]
    pub(crate) seq: Seq,
    /// The id of the user who deleted them.
    pub(crate) by: UserId,
    /// When they were deleted.
    #[serde(serialize_with = "time::serialize")]
    #[schema(examples("2026-01-02T03:04:05.000006Z"))]
    pub(crate) at: DateTime<Utc>,
    /// The deleted messages.
    pub(crate) messages: Vec<DeletedMessage>,
}

/// The `type` of an event of deleted messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MessagesDeletedEventType {
    /// The only value.
    MessagesDeleted,
}

/// A deleted message.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct DeletedMessage {
    /// The id of the message.
    pub(crate) id: MessageId,
    /// Its number in the sequence of its chat.
    #[schema(value_type = i64, minimum = 1, examples(42))]
    pub(crate) seq: Seq,
}

/// An event that only a newer version of the service knows.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct UnknownEvent {
    /// The type of the event.
    #[serde(rename = "type")]
    pub(crate) kind: UnknownEventType,
    /// The id of the chat.
    pub(crate) chat_id: ChatId,
    /// The number of the event in the sequence of its chat.
    #[schema(value_type = i64, minimum = 1, examples(47))]
    pub(crate) seq: Seq,
}

/// The `type` of an unknown event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UnknownEventType {
    /// The only value.
    Unknown,
}

impl Event {
    pub(crate) const fn message(message: Message) -> Self {
        Self::Message(MessageEvent { kind: MessageEventType::Message, seq: message.seq, message })
    }

    /// Returns the event of an edit. It is superseded if the message was changed again since, or has disappeared.
    pub(crate) fn edited(origin: Origin, message: Message) -> Self {
        let Origin { chat_id, seq, by, at } = origin;
        let is_superseded = message.is_deleted || message.changed_seq != Some(seq);
        Self::Edited(MessageEditedEvent {
            kind: MessageEditedEventType::MessageEdited,
            chat_id,
            seq,
            by,
            at,
            message_id: is_superseded.then_some(message.id),
            superseded: is_superseded.then_some(true),
            message: (!is_superseded).then_some(message),
        })
    }

    /// Returns the event of a deletion.
    pub(crate) const fn deleted(origin: Origin, messages: Vec<DeletedMessage>) -> Self {
        let Origin { chat_id, seq, by, at } = origin;
        let kind = MessagesDeletedEventType::MessagesDeleted;
        Self::Deleted(MessagesDeletedEvent { kind, chat_id, seq, by, at, messages })
    }

    pub(crate) const fn seq(&self) -> Seq {
        match self {
            Self::Message(event) => event.seq,
            Self::Edited(event) => event.seq,
            Self::Deleted(event) => event.seq,
            Self::Reactions(event) => event.seq,
            Self::Pinned(event) => event.origin.seq,
            Self::MembersAdded(event) => event.origin.seq,
            Self::MembersRemoved(event) => event.origin.seq,
            Self::MemberChanged(event) => event.seq,
            Self::ChatUpdated(event) => event.origin.seq,
            Self::ChatClosed(event) => event.origin.seq,
            Self::Unknown(event) => event.seq,
        }
    }

    /// Returns whether the actor sees more of the event than others.
    const fn has_secrets_of_actor(&self) -> bool {
        matches!(self, Self::Edited(MessageEditedEvent { message: Some(_), .. }))
    }

    /// Returns who ceases to be a member, or gets another role, with this event.
    pub(crate) fn membership(&self) -> Option<MembershipChange> {
        match self {
            Self::MembersRemoved(event) => Some(event.membership()),
            Self::MemberChanged(event) => event.membership(),
            Self::ChatClosed(_) => Some(ChatClosedEvent::membership()),
            _ => None,
        }
    }

    /// Returns the approximate size of the event, encoded, in bytes.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Message(MessageEvent { message, .. })
            | Self::Edited(MessageEditedEvent { message: Some(message), .. }) => message.size() + EVENT_OVERHEAD,
            Self::Deleted(event) => EVENT_OVERHEAD + event.messages.len() * DELETED_MESSAGE_SIZE,
            Self::Reactions(event) => EVENT_OVERHEAD + event.reactions.size(),
            Self::MembersAdded(event) => EVENT_OVERHEAD + event.body.user_ids.len() * USER_ID_SIZE,
            Self::MembersRemoved(event) => EVENT_OVERHEAD + event.body.user_ids.len() * USER_ID_SIZE,
            Self::ChatUpdated(event) => EVENT_OVERHEAD + event.profile.size(),
            Self::Edited(_) | Self::Pinned(_) | Self::MemberChanged(_) | Self::ChatClosed(_) | Self::Unknown(_) => {
                EVENT_OVERHEAD
            }
        }
    }
}

/// The size of an event without its text, encoded for gRPC and rounded up, in bytes.
const EVENT_OVERHEAD: usize = 512;

/// The size of a [`DeletedMessage`], encoded and rounded up, in bytes.
const DELETED_MESSAGE_SIZE: usize = 80;

/// The size of the id of a user, encoded, in bytes.
const USER_ID_SIZE: usize = 40;

/// A page of the durable events of a chat, in ascending order of `seq`.
#[derive(Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names are those of the API")]
pub(crate) struct Events {
    /// The events on this page. With long texts there are fewer than `limit`.
    pub(crate) events: Vec<Event>,
    /// The highest `seq` of the chat; at least that of the last event on this page.
    #[schema(value_type = i64, minimum = 0, examples(42))]
    pub(crate) head_seq: Seq,
    /// The first `seq` that exists for the user. Those below it are no gap, and a lower `after` counts as the one before it.
    #[schema(value_type = i64, minimum = 1, examples(1))]
    pub(crate) first_seq: Seq,
    /// Whether there are further pages.
    pub(crate) has_more: bool,
}
