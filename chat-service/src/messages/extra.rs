//! What only some messages have beside their text. It is stored as JSON, in the form in which clients see it.

use chrono::{DateTime, Utc};
use diesel::{
    deserialize::{self, FromSql, FromSqlRow},
    pg::{Pg, PgValue},
    sql_types::Jsonb,
};
use neonchat_common::{
    ids::{MessageId, Seq, UserId},
    time,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use utoipa::ToSchema;

/// What a message has beside its text. Absent members say nothing.
// Without `Debug`, so that no log contains what a message says.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, FromSqlRow)]
#[diesel(sql_type = Jsonb)]
pub(crate) struct Extra {
    /// The formatting of the text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(crate) entities: Vec<Entity>,
    /// The message that this one answers. It may be deleted, or not exist for the reader.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) reply_to: Option<ReplyTo>,
    /// The members whom the message mentions, without the sender of the message that it answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(crate) mentions: Vec<UserId>,
    /// Whether the message mentions all members. Absent if not.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub(crate) mention_all: bool,
    /// Where the message was forwarded from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) forward: Option<Forward>,
    /// Whether clients show the message without a sound. Absent if not.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub(crate) silent: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// The message that a message answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct ReplyTo {
    /// The id of the message.
    pub(crate) id: MessageId,
    /// Its number in the sequence of the chat.
    #[schema(value_type = i64, minimum = 1, examples(41))]
    pub(crate) seq: Seq,
    /// The id of the user who sent it.
    pub(crate) sender_id: UserId,
}

/// Where a message was forwarded from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Forward {
    /// The id of the user who first sent it.
    pub(crate) sender_id: UserId,
    /// When it was first sent.
    #[serde(serialize_with = "time::serialize")]
    #[schema(examples("2026-01-02T03:04:05.000006Z"))]
    pub(crate) sent_at: DateTime<Utc>,
}

/// The formatting of a part of a text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Entity {
    /// What the part is.
    #[serde(rename = "type")]
    pub(crate) kind: EntityKind,
    /// Where the part begins, in UTF-16 code units.
    #[schema(minimum = 0, examples(0))]
    pub(crate) offset: u32,
    /// The length of the part, in UTF-16 code units.
    #[schema(minimum = 1, examples(5))]
    pub(crate) length: u32,
    /// Where a `link` leads: a URL with the scheme http, https or mailto.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 2048, examples("https://example.com/"))]
    pub(crate) url: Option<String>,
    /// Whom a `mention` names.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) user_id: Option<UserId>,
    /// The programming language of a `pre`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 32, examples("rust"))]
    pub(crate) language: Option<String>,
}

/// What a part of a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EntityKind {
    /// Bold.
    Bold,
    /// Italic.
    Italic,
    /// Underlined.
    Underline,
    /// Struck through.
    Strike,
    /// Code in a line.
    Code,
    /// A block of code.
    Pre,
    /// Hidden until it is clicked.
    Spoiler,
    /// A quotation.
    Quote,
    /// A link with a text of its own.
    Link,
    /// The name of a user.
    Mention,
    /// A name for all members.
    MentionAll,
}

/// The size of an entity without its URL, or of a reaction without its users, encoded and rounded up, in bytes.
const ENTITY_SIZE: usize = 80;

/// The size of the id of a user, encoded, in bytes.
const USER_ID_SIZE: usize = 40;

impl Extra {
    /// Returns whether there is anything.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns its approximate size, encoded, in bytes.
    pub(crate) fn size(&self) -> usize {
        let entities = self.entities.iter().map(|entity| ENTITY_SIZE + entity.url.as_ref().map_or(0, String::len));
        entities.sum::<usize>() + self.mentions.len() * USER_ID_SIZE
    }
}

impl FromSql<Jsonb, Pg> for Extra {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        from_jsonb(value)
    }
}

/// The reactions to a message, by emoji.
#[derive(Clone, Default, Serialize, Deserialize, FromSqlRow, ToSchema)]
#[diesel(sql_type = Jsonb)]
#[serde(transparent)]
pub(crate) struct Reactions(Vec<Reaction>);

/// How many users reacted to a message with an emoji.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Reaction {
    /// The emoji.
    #[schema(examples("👍"))]
    emoji: String,
    /// The number of users.
    #[schema(minimum = 1, examples(3))]
    count: i64,
    /// The ids of the last of them, at most 3, the newest first. Absent in a channel, except for admins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    recent: Vec<UserId>,
}

impl Reactions {
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Removes who reacted.
    pub(crate) fn hide_users(&mut self) {
        for reaction in &mut self.0 {
            reaction.recent.clear();
        }
    }

    /// Returns the approximate size, encoded, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.0.iter().map(|reaction| ENTITY_SIZE + reaction.recent.len() * USER_ID_SIZE).sum()
    }
}

impl FromSql<Jsonb, Pg> for Reactions {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        from_jsonb(value)
    }
}

fn from_jsonb<T: DeserializeOwned>(value: PgValue<'_>) -> deserialize::Result<T> {
    let value = <Value as FromSql<Jsonb, Pg>>::from_sql(value)?;
    Ok(serde_json::from_value(value)?)
}

impl From<Option<Self>> for Reactions {
    fn from(stored: Option<Self>) -> Self {
        stored.unwrap_or_default()
    }
}

impl From<Option<Self>> for Extra {
    fn from(stored: Option<Self>) -> Self {
        stored.unwrap_or_default()
    }
}
