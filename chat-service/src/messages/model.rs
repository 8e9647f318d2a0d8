//! Messages, and pages of them.

mod row;

use std::fmt;

use chrono::{DateTime, Utc};
use diesel::HasQuery;
use neonchat_common::{
    ids::{ChatId, MessageId, SendId, Seq, UserId},
    json,
    message::MessageText,
    time,
    trace::TraceContext,
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

pub(crate) use self::row::{IS_GONE, MessageRow};
use super::{
    extra::{Extra, Reactions},
    given::Given,
};
use crate::{
    notifier::MessageStored,
    rights::ChatKind,
    schema::message_versions,
    validation::{PageLimit, ValidationError},
};

/// The page size of history.
pub(crate) type HistoryLimit = PageLimit<50, 200>;

/// A message to be stored.
// Without `Debug`, so that no log contains what it says.
#[derive(Clone)]
pub(crate) struct NewMessage {
    pub(crate) chat: ChatId,
    pub(crate) sender: UserId,
    pub(crate) text: MessageText,
    /// The idempotency key.
    pub(crate) request_id: SendId,
    /// The parent of the spans for storing it.
    pub(crate) trace: TraceContext,
    /// What the sender gives beside the text, if anything.
    pub(crate) given: Option<Box<Given>>,
    /// What the message has beside its text, if anything. It is filled in before the message is stored.
    pub(crate) rich: Option<Box<Rich>>,
    /// Whether it does not read the chat for its sender: it was written long before it is sent.
    pub(crate) is_passive: bool,
}

/// What a message has beside its text.
#[derive(Clone)]
pub(crate) struct Rich {
    pub(crate) extra: Extra,
    /// The users who are counted as mentioned.
    pub(crate) counted: Vec<UserId>,
}

impl NewMessage {
    /// Returns whether a message with the same `request_id` is a repetition of this one.
    pub(super) fn has_same_content_as(&self, other: &Self) -> bool {
        self.chat == other.chat && self.text == other.text && self.given == other.given
    }

    /// Returns the approximate size of what is stored, in bytes.
    pub(super) fn size(&self) -> usize {
        self.text.as_str().len() + self.rich.as_ref().map_or(0, |rich| rich.extra.size())
    }

    /// Returns the digest of what the sender gives beside the text.
    pub(super) fn given_digest(&self) -> Option<i64> {
        self.given.as_deref().map(Given::digest)
    }
}

/// The id, number and time that a message got.
#[derive(Clone)]
pub(crate) struct StoredAt {
    pub(crate) id: MessageId,
    pub(crate) seq: Seq,
    pub(crate) created_at: DateTime<Utc>,
    /// The type of the chat; `None` if the sender is no longer a member.
    pub(crate) kind: Option<ChatKind>,
    /// Whether the message was edited or deleted since, so that the sent text is not that of the message.
    pub(crate) is_changed: bool,
    /// What it has beside its text, as it is stored.
    pub(crate) extra: Option<Box<Extra>>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

/// The outcome of storing a message.
#[derive(Clone, Copy)]
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

    pub(crate) fn into_inner(self) -> T {
        match self {
            Self::Stored(stored) | Self::Duplicate(stored) => stored,
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
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct Message {
    /// The id of the message.
    pub(crate) id: MessageId,
    /// The id of the chat.
    pub(crate) chat_id: ChatId,
    /// The id of the user who sent it.
    pub(crate) sender_id: UserId,
    /// The idempotency key of the sender, who alone sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<SendId>, nullable = false)]
    pub(crate) request_id: Option<Uuid>,
    /// The text. Empty if the message is deleted, or has disappeared.
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
    /// The number of the event that last edited or deleted the message. Absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, minimum = 1, nullable = false, examples(45))]
    pub(crate) changed_seq: Option<Seq>,
    /// Whether the message is deleted, or has disappeared. Absent if not.
    #[serde(rename = "deleted", skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub(crate) is_deleted: bool,
    /// When it disappears. Absent if it stays.
    #[serde(serialize_with = "time::serialize_option", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, examples("2026-01-02T03:04:05.000006Z"))]
    pub(crate) expires_at: Option<DateTime<Utc>>,
    /// What else it has.
    #[serde(flatten)]
    pub(crate) extra: Extra,
    /// The reactions to it. Absent if there are none.
    #[serde(skip_serializing_if = "Reactions::is_empty")]
    #[schema(required = false)]
    pub(crate) reactions: Reactions,
    /// The emoji with which the user reacted to it, the oldest first. Absent if there are none, and in frames and events.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false, examples("👍"))]
    pub(crate) my_reactions: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

impl Message {
    /// Returns the approximate size of what it says, encoded, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.text.len() + self.extra.size() + self.reactions.size()
    }

    pub(crate) fn new(sent: NewMessage, stored: StoredAt) -> Self {
        Self {
            id: stored.id,
            chat_id: sent.chat,
            sender_id: sent.sender,
            request_id: Some(sent.request_id.0),
            text: sent.text.into_string(),
            created_at: stored.created_at,
            updated_at: stored.created_at,
            seq: stored.seq,
            changed_seq: None,
            is_deleted: false,
            expires_at: stored.expires_at,
            extra: stored.extra.map(|extra| *extra).unwrap_or_default(),
            reactions: Reactions::default(),
            my_reactions: Vec::new(),
        }
    }

    /// Returns the message as a user may see it.
    pub(crate) fn seen_by(self, reader: UserId) -> Self {
        if self.sender_id == reader { self } else { self.seen_by_others() }
    }

    /// Returns the message as users other than the sender see it.
    pub(crate) fn seen_by_others(self) -> Self {
        Self { request_id: None, ..self }
    }
}

impl From<&Message> for MessageStored {
    fn from(message: &Message) -> Self {
        Self {
            message_id: message.id,
            chat_id: message.chat_id,
            sender_id: message.sender_id,
            request_id: message.request_id.map(SendId),
            text: message.text.clone(),
            created_at: message.created_at,
            seq: message.seq,
            extra: message.members(),
        }
    }
}

/// The members of a message that only some messages have.
#[derive(Serialize)]
struct Members<'a> {
    #[serde(flatten)]
    extra: &'a Extra,
    #[serde(serialize_with = "time::serialize_option", skip_serializing_if = "Option::is_none")]
    expires_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Reactions::is_empty")]
    reactions: &'a Reactions,
}

impl Message {
    /// Returns the members that only some messages have, as a JSON object, if there are any. notification-service adds them to its frame.
    pub(crate) fn members(&self) -> Option<String> {
        let Self { extra, expires_at, reactions, .. } = self;
        let has_members = !extra.is_empty() || expires_at.is_some() || !reactions.is_empty();
        has_members.then(|| json::text(&Members { extra, expires_at: *expires_at, reactions }))
    }
}

impl StoredAt {
    /// Returns the members that only some messages have, as [`Message::members`].
    pub(crate) fn members(&self) -> Option<String> {
        let Self { extra, expires_at, .. } = self;
        let has_members = extra.is_some() || expires_at.is_some();
        let (extra, reactions) = (extra.as_deref().cloned().unwrap_or_default(), &Reactions::default());
        has_members.then(|| json::text(&Members { extra: &extra, expires_at: *expires_at, reactions }))
    }
}

/// A message that its sender sent, now or before.
// Without `Debug`, so that no log contains the text.
#[derive(Clone)]
pub(crate) enum SentMessage {
    Message(Box<Message>),
    /// The sender no longer sees the message, and learns only that it is stored.
    Reference(MessageReference),
}

impl SentMessage {
    pub(super) const fn of_former_member(chat_id: ChatId, stored: &StoredAt) -> Self {
        let StoredAt { id, seq, created_at, .. } = *stored;
        Self::Reference(MessageReference { id, chat_id, seq, created_at })
    }
}

/// A message whose sender no longer sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MessageReference {
    pub(crate) id: MessageId,
    pub(crate) chat_id: ChatId,
    pub(crate) seq: Seq,
    pub(crate) created_at: DateTime<Utc>,
}

/// The position of a page in the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    /// The newest messages.
    Newest,
    /// The messages directly before this place.
    Before(Cursor),
    /// The messages directly after this place.
    After(Cursor),
    /// Messages from this place on, and those before it.
    Around(Cursor),
}

impl Position {
    /// Returns the `seq` that the client names; 0 if it names none.
    pub(crate) const fn seq(self) -> Seq {
        match self {
            Self::Before(Cursor::Seq(seq)) | Self::After(Cursor::Seq(seq)) | Self::Around(Cursor::Seq(seq)) => seq,
            Self::Newest
            | Self::Before(Cursor::Message(_))
            | Self::After(Cursor::Message(_))
            | Self::Around(Cursor::Message(_)) => 0,
        }
    }
}

/// A place in the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cursor {
    /// That of a message.
    Message(MessageId),
    /// That of an event, which need not be a message.
    Seq(Seq),
}

impl Cursor {
    pub(crate) const fn is_message(self) -> bool {
        matches!(self, Self::Message(_))
    }
}

/// What page of the history is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HistoryQuery {
    pub(crate) position: Position,
    pub(crate) limit: HistoryLimit,
    /// The `seq` up to which the client knows the chat, if it says so.
    pub(crate) min_seq: Option<Seq>,
}

/// The page size of replies and mentions.
pub(crate) type LookupLimit = PageLimit<50, 100>;

/// The messages that answer a message, the oldest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct Replies {
    /// The messages on this page. There may be fewer than `limit`.
    pub(crate) replies: Vec<Message>,
    /// The `after` of the next page; `null` on the last one.
    #[schema(required, examples("45"))]
    pub(crate) next: Option<String>,
}

/// The messages that mention a user, in all chats of the user, the newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct Mentioned {
    /// The messages on this page. There may be fewer than `limit`.
    pub(crate) mentions: Vec<Message>,
    /// The `after` of the next page; `null` on the last one.
    #[schema(required)]
    pub(crate) next: Option<String>,
}

/// The place of a mention in the list of a user's mentions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MentionPlace {
    pub(crate) at: DateTime<Utc>,
    pub(crate) chat: ChatId,
    pub(crate) seq: Seq,
}

impl MentionPlace {
    /// Parses what [`Display`](fmt::Display) writes.
    pub(crate) fn parse(text: &str) -> Result<Self, ValidationError> {
        let mut parts = text.split('.');
        let place = (|| {
            let at = time::from_micros(parts.next()?.parse().ok()?)?;
            Some(Self { at, chat: parts.next()?.parse().ok()?, seq: parts.next()?.parse().ok()? })
        })();
        place
            .filter(|_| parts.next().is_none())
            .ok_or_else(|| ValidationError::new("format", "should be the next of the previous page"))
    }
}

impl fmt::Display for MentionPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.at.timestamp_micros(), self.chat, self.seq)
    }
}

/// The page size of versions.
pub(crate) type VersionsLimit = PageLimit<50, 100>;

/// A page of messages, the newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct History {
    /// The messages on this page.
    pub(crate) messages: Vec<Message>,
    /// Whether there are older messages.
    pub(crate) has_previous: bool,
    /// Whether there are newer messages.
    pub(crate) has_next: bool,
    /// Every event up to this `seq` is reflected on this page. The page and the events after `head_seq` are the whole truth.
    #[schema(value_type = i64, minimum = 0, examples(42))]
    pub(crate) head_seq: Seq,
    /// The first `seq` that exists for the user. Those below it are no gap.
    #[schema(value_type = i64, minimum = 1, examples(1))]
    pub(crate) first_seq: Seq,
}

impl History {
    /// Returns the page as a user may see it.
    pub(super) fn seen_by(self, reader: UserId) -> Self {
        Self { messages: self.messages.into_iter().map(|message| message.seen_by(reader)).collect(), ..self }
    }
}

/// An earlier text of a message.
// Without `Debug`, so that no log contains the text.
#[derive(Serialize, ToSchema, HasQuery)]
#[diesel(table_name = message_versions)]
pub(crate) struct Version {
    /// The text.
    #[schema(examples("Првиет!"))]
    pub(crate) text: String,
    /// When it was written.
    #[serde(serialize_with = "time::serialize")]
    #[schema(examples("2026-01-02T03:04:05.000006Z"))]
    pub(crate) at: DateTime<Utc>,
    /// The number of the edit that replaced it.
    #[schema(value_type = i64, minimum = 1, examples(45))]
    pub(crate) until_seq: Seq,
    /// Its formatting.
    #[diesel(deserialize_as = Option<Extra>)]
    #[serde(flatten)]
    pub(crate) extra: Extra,
}

/// The earlier texts of a message, the oldest first. The present text is not among them.
#[derive(Serialize, ToSchema)]
pub(crate) struct Versions {
    /// The texts on this page.
    pub(crate) versions: Vec<Version>,
    /// The `after` of the next page; `null` on the last one.
    #[schema(required, examples("45"))]
    pub(crate) next: Option<String>,
}
