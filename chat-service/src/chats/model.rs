//! A chat as one of its members sees it.

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

/// One item of the list of chats.
#[derive(Clone, Serialize, ToSchema)]
pub struct ChatItem {
    /// Which chat.
    pub id: ChatId,
    /// `direct`.
    #[serde(rename = "type")]
    #[schema(examples("direct"))]
    pub kind: String,
    /// The other member.
    pub partner: Partner,
    /// The newest message.
    #[schema(required)]
    pub last_message: Option<LastMessage>,
    /// How many messages of others the reader has not read.
    #[schema(minimum = 0, examples(1))]
    pub unread_count: i64,
    /// The place of the last event.
    #[schema(value_type = i64, minimum = 0, examples(42))]
    pub last_seq: Seq,
    /// The reader has read every event up to this one.
    #[schema(value_type = i64, minimum = 0, examples(41))]
    pub read_seq: Seq,
    /// When the last event was made, or the chat.
    #[serde(serialize_with = "time::serialize")]
    #[schema(examples("2026-01-02T03:04:05.000006Z"))]
    pub updated_at: DateTime<Utc>,
}

/// The other member of a direct chat.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Partner {
    /// Who.
    pub id: UserId,
    /// The name.
    #[schema(examples("bob"))]
    pub username: String,
    /// Whether any of the partner's sockets is open, also if it is `away`.
    pub online: bool,
}

/// The newest message of a chat.
// Without `Debug`: the text of a message is in no log.
#[derive(Clone, Serialize, ToSchema)]
pub struct LastMessage {
    /// What was written.
    #[schema(examples("Привет!"))]
    pub text: String,
    /// Who wrote it.
    pub sender_id: UserId,
    /// When it was stored.
    #[serde(serialize_with = "time::serialize")]
    #[schema(examples("2026-01-02T03:04:05.000006Z"))]
    pub created_at: DateTime<Utc>,
}

/// How many messages of others a member has not read.
///
/// Numbers without a gap are counted by subtraction. None of those after `read_seq` is the reader's own, since sending
/// a message reads the chat up to it.
#[must_use]
pub const fn unread_count(last_seq: Seq, read_seq: Seq) -> i64 {
    last_seq - read_seq
}

/// How far a member has read a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReadState {
    /// Every event up to this one is read.
    #[schema(value_type = i64, minimum = 0, examples(41))]
    pub read_seq: Seq,
    /// How many messages of others are not.
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

/// A page of the list of chats, latest first.
#[derive(Serialize, ToSchema)]
pub struct ChatList {
    /// The chats.
    pub chats: Vec<ChatItem>,
    /// How many there are on all pages.
    #[schema(minimum = 0, examples(1))]
    pub total: i64,
    /// Whether more follow.
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
