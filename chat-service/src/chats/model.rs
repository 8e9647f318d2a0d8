//! Chats, as their members and notification-service see them.

use chrono::{DateTime, Utc};
use neonchat_common::{
    ids::{ChatId, Seq, UserId},
    time,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::validation::{Offset, PageLimit};

/// The page size of the list of chats.
pub(crate) type ListLimit = PageLimit<20, 100>;

/// The page size of the gRPC call `ListUserChats`.
pub(crate) type RpcPageLimit = PageLimit<1000, 1000>;

/// The maximum number of chats in one `GetHeads` call.
pub(crate) const MAX_HEADS: usize = 1000;

/// A chat as one of its members sees it.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct ChatItem {
    /// The id of the chat.
    pub(crate) id: ChatId,
    /// The type of chat: `direct`.
    #[serde(rename = "type")]
    #[schema(examples("direct"))]
    pub(crate) kind: String,
    /// The other member.
    pub(crate) partner: Partner,
    /// The newest message that is not deleted; `null` if there is none.
    #[schema(required)]
    pub(crate) last_message: Option<LastMessage>,
    /// Number of messages by others after the read marker of the member, without deleted ones.
    #[schema(minimum = 0, examples(1))]
    pub(crate) unread_count: i64,
    /// The `seq` of the last event; 0 if there is none.
    #[schema(value_type = i64, minimum = 0, examples(42))]
    pub(crate) last_seq: Seq,
    /// The read marker of the member: every event up to this `seq` is read.
    #[schema(value_type = i64, minimum = 0, examples(41))]
    pub(crate) read_seq: Seq,
    /// When the last message was stored; without messages, when the chat was created.
    #[serde(serialize_with = "time::serialize")]
    #[schema(examples("2026-01-02T03:04:05.000006Z"))]
    pub(crate) updated_at: DateTime<Utc>,
}

/// The other member of a direct chat.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Partner {
    /// The id of the user.
    pub(crate) id: UserId,
    /// The username.
    #[schema(examples("bob"))]
    pub(crate) username: String,
    /// Whether the user has an open socket. Users who are `away` count as online.
    pub(crate) online: bool,
}

/// The newest message of a chat.
// Without `Debug`: the text of a message is in no log.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct LastMessage {
    /// The text.
    #[schema(examples("Привет!"))]
    pub(crate) text: String,
    /// The id of the user who sent it.
    pub(crate) sender_id: UserId,
    /// When it was stored.
    #[serde(serialize_with = "time::serialize")]
    #[schema(examples("2026-01-02T03:04:05.000006Z"))]
    pub(crate) created_at: DateTime<Utc>,
}

/// The read marker and the unread count of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ReadState {
    /// The read marker: every event up to this `seq` is read.
    #[schema(value_type = i64, minimum = 0, examples(41))]
    pub(crate) read_seq: Seq,
    /// Number of messages by others after the read marker, without deleted ones.
    #[schema(minimum = 0, examples(1))]
    pub(crate) unread_count: i64,
}

/// The outcome of moving a read marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadUpdate {
    /// The read marker advanced.
    Moved(ReadState),
    /// The read marker was already there, or further.
    Unchanged(ReadState),
}

/// The filter and page of a list of chats.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListFilter {
    /// Only chats with unread messages.
    pub(crate) unread_only: bool,
    pub(crate) limit: ListLimit,
    pub(crate) offset: Offset,
}

/// A page of chats, the most recently active first.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChatList {
    /// The chats on this page.
    pub(crate) chats: Vec<ChatItem>,
    /// Number of chats on all pages.
    #[schema(minimum = 0, examples(1))]
    pub(crate) total: i64,
    /// Whether there are further pages.
    pub(crate) has_more: bool,
}

/// The result of getting the chat of two users, or creating it.
pub(crate) enum GetOrCreate<New, Existing = New> {
    Created(New),
    Existing(Existing),
}

/// A chat of a user, as notification-service needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserChat {
    pub(crate) id: ChatId,
    pub(crate) last_seq: Seq,
    /// The other members.
    pub(crate) partners: Vec<UserId>,
}
