//! Chats, as their members and notification-service see them.

mod receipts;

use chrono::{DateTime, Utc};
use neonchat_common::{
    chat::{ChatClass, Role},
    ids::{ChatId, MessageId, Seq, UserId},
    time,
};
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use self::receipts::{ChatReceipts, MAX_MARKED, Marked, ReadState, Receipt, Seen, SeenBy};
use super::place::ListPlace;
use crate::{
    messages::extra::Entity,
    prefs::model::{ChatPrefs, Draft},
    rights::{ChatKind, ShownSettings},
    users::model::Status,
    validation::{Offset, PageLimit},
};

/// The page size of the list of chats.
pub(crate) type ListLimit = PageLimit<20, 100>;

/// The page size of the gRPC call `ListUserChats`.
pub(crate) type RpcPageLimit = PageLimit<1000, 1000>;

/// The maximum number of chats in one `GetHeads` call.
pub(crate) const MAX_HEADS: usize = 1000;

/// The members of a group with at most this number see each other's presence.
pub(crate) const MAX_PRESENCE_MEMBERS: i32 = 20;

/// A chat as one of its members sees it.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct ChatItem {
    /// The id of the chat.
    pub(crate) id: ChatId,
    /// The type of chat.
    #[serde(rename = "type")]
    pub(crate) kind: ChatKind,
    /// The other member of a direct chat; `null` for a group or channel.
    #[schema(required)]
    pub(crate) partner: Option<Partner>,
    /// What the group or channel is called; absent in a direct chat.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, examples("Team"))]
    pub(crate) title: Option<String>,
    /// What the group or channel is about, possibly empty; absent in a direct chat.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, examples(""))]
    pub(crate) description: Option<String>,
    /// The name of a public group or channel; `null` if it is not public, absent in a direct chat.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    #[expect(clippy::option_option, reason = "absent, null, or a value")]
    pub(crate) handle: Option<Option<String>>,
    /// The role of the member in the group or channel; absent in a direct chat.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) role: Option<Role>,
    /// The number of members of the group or channel; absent in a direct chat.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, examples(12))]
    pub(crate) member_count: Option<i32>,
    /// The class at the last change of members.
    #[serde(skip)]
    pub(crate) last_class: ChatClass,
    /// Until then the member may only read.
    #[serde(skip)]
    pub(crate) restricted_until: Option<DateTime<Utc>>,
    /// It grows with everything that takes a right away.
    #[serde(skip)]
    pub(crate) access_version: i32,
    /// The settings. A direct chat has only `ttl_s`.
    pub(crate) settings: ShownSettings,
    /// The newest message that exists for the member and is not deleted; `null` if there is none.
    #[schema(required)]
    pub(crate) last_message: Option<LastMessage>,
    /// Number of messages by others after the read marker of the member, without deleted ones.
    #[schema(minimum = 0, examples(1))]
    pub(crate) unread_count: i64,
    /// Number of unread messages that mention the member or all members, or answer a message of the member. 100 stands for 100 or more.
    #[schema(minimum = 0, maximum = 100, examples(0))]
    pub(crate) mention_count: i64,
    /// The `seq` of the first event that exists for the member. Earlier ones are in no answer.
    #[schema(value_type = i64, minimum = 1, examples(1))]
    pub(crate) first_seq: Seq,
    /// The `seq` of the last event; 0 if there is none.
    #[schema(value_type = i64, minimum = 0, examples(42))]
    pub(crate) last_seq: Seq,
    /// The read marker of the member: every event up to this `seq` is read.
    #[schema(value_type = i64, minimum = 0, examples(41))]
    pub(crate) read_seq: Seq,
    #[serde(flatten)]
    pub(crate) prefs: ChatPrefs,
    /// What the member has written there and not sent; `null` if there is nothing.
    #[schema(required)]
    pub(crate) draft: Option<Draft>,
    /// The read marker of the partner; absent in a group or channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, nullable = false, required = false, minimum = 0, examples(40))]
    pub(crate) partner_read_seq: Option<Seq>,
    /// The delivered marker of the partner: a device of the partner has every event up to this `seq`. Absent in a group or channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, nullable = false, required = false, minimum = 0, examples(42))]
    pub(crate) partner_delivered_seq: Option<Seq>,
    /// When the last message was stored; without messages, when the chat was created.
    #[serde(serialize_with = "time::serialize")]
    #[schema(examples("2026-01-02T03:04:05.000006Z"))]
    pub(crate) updated_at: DateTime<Utc>,
}

impl ChatItem {
    /// Returns the size of the chat.
    pub(crate) fn class(&self) -> ChatClass {
        self.kind.class(self.last_class, self.member_count.unwrap_or(0))
    }
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
    /// The presence status.
    pub(crate) status: Status,
    /// When the user was last seen: when the last socket closed. `null` if that is not known.
    #[serde(serialize_with = "time::serialize_option")]
    #[schema(required, examples("2026-01-02T03:04:05.000006Z"))]
    pub(crate) last_seen_at: Option<DateTime<Utc>>,
}

/// The newest message of a chat.
// Without `Debug`: the text of a message is in no log.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct LastMessage {
    /// The id of the message.
    pub(crate) id: MessageId,
    /// The number of the message in the sequence of its chat.
    #[schema(value_type = i64, minimum = 1, examples(42))]
    pub(crate) seq: Seq,
    /// The text.
    #[schema(examples("Привет!"))]
    pub(crate) text: String,
    /// The formatting of the text. Absent if there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(crate) entities: Vec<Entity>,
    /// The id of the user who sent it.
    pub(crate) sender_id: UserId,
    /// When it was stored.
    #[serde(serialize_with = "time::serialize")]
    #[schema(examples("2026-01-02T03:04:05.000006Z"))]
    pub(crate) created_at: DateTime<Utc>,
}

/// The filter and page of a list of chats.
#[derive(Clone, Debug)]
pub(crate) struct ListFilter {
    /// Only chats of this type.
    pub(crate) kind: Option<ChatKind>,
    /// Only chats with unread messages, or marked as unread.
    pub(crate) unread_only: bool,
    /// Only chats that changed after this time.
    pub(crate) updated_after: Option<DateTime<Utc>>,
    /// Only archived chats; otherwise none of them.
    pub(crate) archived: bool,
    /// Only chats in this folder.
    pub(crate) folder: Option<String>,
    pub(crate) limit: ListLimit,
    pub(crate) from: ListStart,
}

/// Where a page of chats begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListStart {
    /// After this number of chats.
    Offset(Offset),
    /// After the chat at this place; at the beginning if there is none.
    Cursor(Option<ListPlace>),
}

/// A page of chats: the pinned ones by their places, then the others, the most recently active first.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChatList {
    /// The chats on this page.
    pub(crate) chats: Vec<ChatItem>,
    /// Number of chats on all pages; absent if the request has `after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0, examples(1))]
    pub(crate) total: Option<i64>,
    /// Whether there are further pages.
    pub(crate) has_more: bool,
    /// The value of `after` for the next page; `null` if this is the last one.
    #[schema(required)]
    pub(crate) next: Option<String>,
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
    /// The other member of a direct chat.
    pub(crate) partner: Option<UserId>,
    /// Events up to this `seq` do not exist for the user.
    pub(crate) from_seq: Seq,
    pub(crate) class: ChatClass,
    pub(crate) role: Role,
    /// The last `seq` of the chat when the user joined.
    pub(crate) joined_seq: Seq,
    /// The lowest role that may send messages.
    pub(crate) send_role: Role,
    /// Until then the user may only read.
    pub(crate) restricted_until: Option<DateTime<Utc>>,
    /// It grows with everything that takes a right away.
    pub(crate) access_version: i32,
    /// The users who see the presence of the user because of the chat: the other member of a direct chat, and the other members of a
    /// group with at most [`MAX_PRESENCE_MEMBERS`].
    pub(crate) presence: Vec<UserId>,
}
