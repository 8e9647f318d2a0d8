//! Messages, events, and pages of them.

use chrono::{DateTime, Utc};
use diesel::HasQuery;
use neonchat_common::{
    ids::{ChatId, MessageId, SendId, Seq, UserId},
    message::MessageText,
    time,
    trace::TraceContext,
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{notifier::MessageStored, schema::messages, validation::PageLimit};

/// The page size of history.
pub(crate) type HistoryLimit = PageLimit<50, 200>;

/// The page size of events.
pub(crate) type EventsLimit = PageLimit<200, 1000>;

/// A message to be stored.
#[derive(Clone, Debug)]
pub(crate) struct NewMessage {
    pub(crate) chat: ChatId,
    pub(crate) sender: UserId,
    pub(crate) text: MessageText,
    /// The idempotency key.
    pub(crate) request_id: SendId,
    /// The parent of the spans for storing it.
    pub(crate) trace: TraceContext,
}

impl NewMessage {
    /// Returns whether a message with the same `request_id` is a repetition of this one.
    pub(super) fn has_same_content_as(&self, other: &Self) -> bool {
        self.chat == other.chat && self.text == other.text
    }
}

/// The id, number and time that a message got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoredAt {
    pub(crate) id: MessageId,
    pub(crate) seq: Seq,
    pub(crate) created_at: DateTime<Utc>,
}

/// The outcome of storing a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreOutcome<T = StoredAt> {
    /// It is new.
    Stored(T),
    /// It was stored before, by a send with the same `request_id`.
    Duplicate(T),
}

impl<T> StoreOutcome<T> {
    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> StoreOutcome<U> {
        match self {
            Self::Stored(stored) => StoreOutcome::Stored(f(stored)),
            Self::Duplicate(stored) => StoreOutcome::Duplicate(f(stored)),
        }
    }

    pub(crate) const fn get(&self) -> &T {
        match self {
            Self::Stored(stored) | Self::Duplicate(stored) => stored,
        }
    }
}

/// A message.
// Without `Debug`, so that no log contains the text.
#[derive(Clone, Serialize, ToSchema, HasQuery)]
pub(crate) struct Message {
    /// The id of the message.
    #[diesel(deserialize_as = Uuid)]
    pub(crate) id: MessageId,
    /// The id of the chat.
    #[diesel(deserialize_as = Uuid)]
    pub(crate) chat_id: ChatId,
    /// The id of the user who sent it.
    #[diesel(deserialize_as = Uuid)]
    pub(crate) sender_id: UserId,
    /// The sender's idempotency key. Only the sender needs it, so history does not show it.
    #[diesel(deserialize_as = Uuid)]
    #[serde(skip)]
    pub(crate) request_id: SendId,
    /// The text.
    #[schema(examples("Привет!"))]
    pub(crate) text: String,
    /// When it was stored.
    #[serde(serialize_with = "time::serialize")]
    #[schema(examples("2026-01-02T03:04:05.000006Z"))]
    pub(crate) created_at: DateTime<Utc>,
    /// When it was last changed; for a new message, the same as `created_at`.
    #[serde(serialize_with = "time::serialize")]
    #[schema(examples("2026-01-02T03:04:05.000006Z"))]
    pub(crate) updated_at: DateTime<Utc>,
    /// The number of the message in the sequence of its chat.
    #[schema(value_type = i64, minimum = 1, examples(42))]
    pub(crate) seq: Seq,
}

impl Message {
    pub(crate) fn new(sent: NewMessage, stored: StoredAt) -> Self {
        Self {
            id: stored.id,
            chat_id: sent.chat,
            sender_id: sent.sender,
            request_id: sent.request_id,
            text: sent.text.into_string(),
            created_at: stored.created_at,
            updated_at: stored.created_at,
            seq: stored.seq,
        }
    }
}

impl From<&Message> for MessageStored {
    fn from(message: &Message) -> Self {
        Self {
            message_id: message.id,
            chat_id: message.chat_id,
            sender_id: message.sender_id,
            request_id: message.request_id,
            text: message.text.clone(),
            created_at: message.created_at,
            seq: message.seq,
        }
    }
}

/// The position of a page in the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    /// The newest messages.
    Newest,
    /// The messages directly before this one.
    Before(MessageId),
    /// The messages directly after this one.
    After(MessageId),
}

/// A page of messages, the newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct History {
    /// The messages on this page.
    pub(crate) messages: Vec<Message>,
    /// Whether there are older messages.
    pub(crate) has_previous: bool,
    /// Whether there are newer messages.
    pub(crate) has_next: bool,
}

/// A durable event of a chat. Its `type` says which one.
///
/// Later versions may add types. A client ignores an event of an unknown type, but counts its `seq` as received.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(discriminator(property_name = "type", mapping(("message" = "#/components/schemas/MessageEvent"))))]
pub(crate) enum Event {
    /// A message was sent.
    Message(MessageEvent),
}

impl Event {
    pub(crate) const fn message(message: Message) -> Self {
        Self::Message(MessageEvent { kind: MessageEventType::Message, seq: message.seq, message })
    }

    pub(crate) const fn seq(&self) -> Seq {
        match self {
            Self::Message(event) => event.seq,
        }
    }
}

/// A message was sent.
#[derive(Serialize, ToSchema)]
pub(crate) struct MessageEvent {
    /// The type of the event.
    #[serde(rename = "type")]
    pub(crate) kind: MessageEventType,
    /// The number of the event in the sequence of its chat.
    #[schema(value_type = i64, minimum = 1, examples(42))]
    pub(crate) seq: Seq,
    /// The message.
    pub(crate) message: Message,
}

/// The `type` of an event of a sent message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MessageEventType {
    /// The only value.
    Message,
}

/// A page of the durable events of a chat, in ascending order of `seq`.
#[derive(Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "both names are those of the API")]
pub(crate) struct Events {
    /// The events on this page. With long texts there are fewer than `limit`.
    pub(crate) events: Vec<Event>,
    /// The highest `seq` of the chat; at least that of the last event on this page.
    #[schema(value_type = i64, minimum = 0, examples(42))]
    pub(crate) head_seq: Seq,
    /// Whether there are further pages.
    pub(crate) has_more: bool,
}
