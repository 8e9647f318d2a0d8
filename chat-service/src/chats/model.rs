//! Chats, as their members and notification-service see them.

use chrono::{DateTime, Utc};
use neonchat_common::{
    ids::{ChatId, Seq, UserId},
    time,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::validation::{Offset, PageLimit};

/// How many chats a page of the list has.
pub type ListLimit = PageLimit<20, 100>;

/// How many chats another service asks for at once.
pub type WireLimit = PageLimit<1000, 1000>;

/// The most chats whose heads are asked for at once.
pub const MAX_HEADS: usize = 1000;

/// A chat as one of its members sees it.
#[derive(Clone, Serialize, ToSchema)]
pub struct ChatItem {
    /// The id of the chat.
    pub id: ChatId,
    /// The type of chat: `direct`.
    #[serde(rename = "type")]
    #[schema(examples("direct"))]
    pub kind: String,
    /// The other member.
    pub partner: Partner,
    /// The newest message; `null` if there is none.
    #[schema(required)]
    pub last_message: Option<LastMessage>,
    /// Number of messages by others after the read marker of the member.
    #[schema(minimum = 0, examples(1))]
    pub unread_count: i64,
    /// The `seq` of the last event; 0 if there is none.
    #[schema(value_type = i64, minimum = 0, examples(42))]
    pub last_seq: Seq,
    /// The read marker of the member: every event up to this `seq` is read.
    #[schema(value_type = i64, minimum = 0, examples(41))]
    pub read_seq: Seq,
    /// When the last event was stored; without events, when the chat was created.
    #[serde(serialize_with = "time::serialize")]
    #[schema(examples("2026-01-02T03:04:05.000006Z"))]
    pub updated_at: DateTime<Utc>,
}

/// The other member of a direct chat.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Partner {
    /// The id of the user.
    pub id: UserId,
    /// The username.
    #[schema(examples("bob"))]
    pub username: String,
    /// Whether the user has an open socket. Users who are `away` count as online.
    pub online: bool,
}

/// The newest message of a chat.
// Without `Debug`: the text of a message is in no log.
#[derive(Clone, Serialize, ToSchema)]
pub struct LastMessage {
    /// The text.
    #[schema(examples("Привет!"))]
    pub text: String,
    /// The id of the user who sent it.
    pub sender_id: UserId,
    /// When it was stored.
    #[serde(serialize_with = "time::serialize")]
    #[schema(examples("2026-01-02T03:04:05.000006Z"))]
    pub created_at: DateTime<Utc>,
}

/// Returns the number of messages by others that a member has not read.
///
/// `seq` has no gaps, so a subtraction counts them. None of the messages after `read_seq` is the member's own, because sending
/// a message moves the read marker to it.
#[must_use]
pub const fn unread_count(last_seq: Seq, read_seq: Seq) -> i64 {
    last_seq - read_seq
}

/// The read marker and the unread count of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReadState {
    /// The read marker: every event up to this `seq` is read.
    #[schema(value_type = i64, minimum = 0, examples(41))]
    pub read_seq: Seq,
    /// Number of messages by others after the read marker.
    #[schema(minimum = 0, examples(1))]
    pub unread_count: i64,
}

/// What came of a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marked {
    /// The member has read more than before.
    Moved(ReadState),
    /// The member had read that far already.
    Unmoved(ReadState),
}

/// Which chats of the list are asked for.
#[derive(Clone, Copy, Debug)]
pub struct ListFilter {
    /// Only those with something unread.
    pub unread_only: bool,
    /// How many at most.
    pub limit: ListLimit,
    /// How many to leave out first.
    pub offset: Offset,
}

/// A page of chats, the most recently active first.
#[derive(Serialize, ToSchema)]
pub struct ChatList {
    /// The chats on this page.
    pub chats: Vec<ChatItem>,
    /// Number of chats on all pages.
    #[schema(minimum = 0, examples(1))]
    pub total: i64,
    /// Whether there are further pages.
    pub has_more: bool,
}

/// What came of opening a chat.
pub enum Opened<New, Existing = New> {
    /// It is new.
    Created(New),
    /// There was one.
    Existing(Existing),
}

/// A chat as another service delivers in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserChat {
    /// Which chat.
    pub id: ChatId,
    /// The place of its last event.
    pub last_seq: Seq,
    /// The other members.
    pub partners: Vec<UserId>,
}
