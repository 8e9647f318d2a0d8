//! Messages, and pages of them.

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

use crate::{schema::messages, validation::PageLimit};

/// How many messages a page of history has.
pub(crate) type HistoryLimit = PageLimit<50, 200>;

/// How many events a page of them has.
pub(crate) type EventsLimit = PageLimit<200, 1000>;

/// A message to be stored.
#[derive(Clone, Debug)]
pub(crate) struct NewMessage {
    /// In which chat.
    pub(crate) chat: ChatId,
    /// The id of the sender.
    pub(crate) sender: UserId,
    /// What is written.
    pub(crate) text: MessageText,
    /// What makes sending it again store nothing.
    pub(crate) request: SendId,
    /// Where in a trace it is stored.
    pub(crate) trace: TraceContext,
}

impl NewMessage {
    /// Whether another one of the same request is just that one again.
    pub(super) fn has_same_content_as(&self, other: &Self) -> bool {
        self.chat == other.chat && self.text == other.text
    }
}

/// Where a message was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoredAt {
    /// The message.
    pub(crate) id: MessageId,
    /// Its place in its chat.
    pub(crate) seq: Seq,
    /// When.
    pub(crate) created_at: DateTime<Utc>,
}

/// What came of a message that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreOutcome<T = StoredAt> {
    /// It is new.
    Stored(T),
    /// It was stored before; this is the answer of the first time.
    Duplicate(T),
}

impl<T> StoreOutcome<T> {
    /// Tells more of it.
    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> StoreOutcome<U> {
        match self {
            Self::Stored(receipt) => StoreOutcome::Stored(f(receipt)),
            Self::Duplicate(receipt) => StoreOutcome::Duplicate(f(receipt)),
        }
    }

    /// What it tells, new or not.
    pub(crate) const fn get(&self) -> &T {
        match self {
            Self::Stored(receipt) | Self::Duplicate(receipt) => receipt,
        }
    }
}

/// A message.
// Without `Debug`: its text is in no log.
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
    /// The message that was stored so.
    #[must_use]
    pub(crate) fn new(sent: NewMessage, stored: StoredAt) -> Self {
        Self {
            id: stored.id,
            chat_id: sent.chat,
            sender_id: sent.sender,
            request_id: sent.request,
            text: sent.text.into_string(),
            created_at: stored.created_at,
            updated_at: stored.created_at,
            seq: stored.seq,
        }
    }
}

/// Where a page of history lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    /// At the end: the newest messages.
    Newest,
    /// Before a message: the newest of those that are older.
    Before(MessageId),
    /// After a message: the oldest of those that are newer.
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
    /// The event that a message was sent.
    #[must_use]
    pub(crate) const fn message(message: Message) -> Self {
        Self::Message(MessageEvent { kind: MessageEventType::Message, seq: message.seq, message })
    }

    /// The place of the event in its chat.
    #[must_use]
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
