//! Messages and chats.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{ChatId, Error, MessageId, RequestId, UserId, frame::Object};

/// A message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Message {
    /// The ID.
    pub id: MessageId,
    /// The chat.
    pub chat_id: ChatId,
    /// The author.
    pub sender_id: UserId,
    /// The place in the chat: 1, 2, 3 …
    pub seq: u64,
    /// The text; empty if the message was deleted.
    #[serde(default)]
    pub text: String,
    /// When it was stored.
    pub created_at: DateTime<Utc>,
    /// Whether it was deleted, or has disappeared.
    #[serde(default, skip_serializing_if = "is_false")]
    pub deleted: bool,
    /// The `seq` of its last edit or deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_seq: Option<u64>,
    /// With which it was sent, for the user's own messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
    /// The message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Object>,
    /// When it disappears.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// The reactions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<Reaction>,
    /// All other members, such as `entities` and `mentions`.
    #[serde(flatten)]
    pub extra: Object,
}

/// How often a message has a reaction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Reaction {
    /// The emoji.
    pub emoji: String,
    /// The number of users.
    pub count: u64,
    /// All other members, such as `recent`.
    #[serde(flatten)]
    pub extra: Object,
}

/// A chat as it is now: an item of `GET /chats`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Chat {
    /// The ID.
    pub id: ChatId,
    /// `direct`, `group` or `channel`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// The other member of a direct chat.
    #[serde(default)]
    pub partner: Option<Partner>,
    /// The title of a group or channel.
    #[serde(default)]
    pub title: Option<String>,
    /// The newest message that is not deleted.
    #[serde(default)]
    pub last_message: Option<LastMessage>,
    /// The number of unread messages.
    #[serde(default)]
    pub unread_count: u64,
    /// Events before it do not exist for the user.
    #[serde(default)]
    pub first_seq: u64,
    /// The `seq` of the last event.
    #[serde(default)]
    pub last_seq: u64,
    /// Up to where the user has read the chat.
    #[serde(default)]
    pub read_seq: u64,
    /// Up to where the partner of a direct chat has read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partner_read_seq: Option<u64>,
    /// Up to where the partner of a direct chat has it on a device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partner_delivered_seq: Option<u64>,
    /// The place of a pinned chat.
    #[serde(default)]
    pub pin_place: Option<u64>,
    /// What the user has written and not sent.
    #[serde(default)]
    pub draft: Option<Draft>,
    /// When something happened last.
    #[serde(default)]
    pub updated_at: DateTime<Utc>,
    /// All other members, such as `settings` and `muted_until`.
    #[serde(flatten)]
    pub extra: Object,
}

impl Chat {
    /// Returns the typed form of an item. If a later version changed the type of a member, all are in `extra`.
    pub(crate) fn from_item(id: ChatId, item: &Object) -> Self {
        typed(item).unwrap_or_else(|error| {
            tracing::warn!(%error, chat.id = %id, "chat of an unknown form");
            Self {
                id,
                kind: String::new(),
                partner: None,
                title: None,
                last_message: None,
                unread_count: 0,
                first_seq: 0,
                last_seq: 0,
                read_seq: 0,
                partner_read_seq: None,
                partner_delivered_seq: None,
                pin_place: None,
                draft: None,
                updated_at: DateTime::default(),
                extra: item.clone(),
            }
        })
    }
}

/// The other member of a direct chat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Partner {
    /// The ID.
    pub id: UserId,
    /// The username.
    pub username: String,
    /// `online`, `away` or `offline`, when the chat was loaded.
    #[serde(default)]
    pub status: String,
    /// All other members.
    #[serde(flatten)]
    pub extra: Object,
}

/// The newest message of a chat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LastMessage {
    /// The ID.
    pub id: MessageId,
    /// The place in the chat.
    pub seq: u64,
    /// The text.
    #[serde(default)]
    pub text: String,
    /// All other members, such as `sender_id` and `entities`.
    #[serde(flatten)]
    pub extra: Object,
}

/// What the user has written in a chat and not sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Draft {
    /// The text.
    pub text: String,
    /// The message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId>,
}

/// A part of a timeline.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Page {
    /// The messages, in ascending order.
    pub messages: Vec<Message>,
    /// Whether there are messages before.
    pub has_previous: bool,
    /// Whether there are messages after.
    pub has_next: bool,
}

/// Returns the typed form of a JSON object of the server or the store.
pub(crate) fn typed<T: serde::de::DeserializeOwned>(object: &Object) -> Result<T, Error> {
    T::deserialize(serde_json::Value::Object(object.clone())).map_err(|error| Error::Answer(error.to_string()))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls")]
const fn is_false(value: &bool) -> bool {
    !*value
}
