//! The read and delivered markers of members.

use std::collections::BTreeMap;

use neonchat_common::{
    chat::ChatClass,
    ids::{ChatId, Seq, UserId},
};
use serde::Serialize;
use utoipa::ToSchema;

/// The most members whose markers one call moves.
pub(crate) const MAX_MARKED: usize = 1000;

/// How far the markers of a member are to be moved. 0 leaves a marker where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) chat: ChatId,
    pub(crate) user: UserId,
    pub(crate) read: Seq,
    pub(crate) delivered: Seq,
}

/// The markers and the unread count of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ReadState {
    /// The read marker: every event up to this `seq` is read.
    #[schema(value_type = i64, minimum = 0, examples(41))]
    pub(crate) read_seq: Seq,
    /// The delivered marker: a device of the member has every event up to this `seq`. What is read is delivered too.
    #[schema(value_type = i64, minimum = 0, examples(47))]
    pub(crate) delivered_seq: Seq,
    /// Number of messages by others after the read marker, without deleted ones.
    #[schema(minimum = 0, examples(1))]
    pub(crate) unread_count: i64,
}

/// The outcome of a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marked {
    /// The markers after it.
    pub(crate) state: ReadState,
    /// Whether a marker moved, or may have moved.
    pub(crate) has_moved: bool,
    /// Whether the chat was marked as unread, and is not any more.
    pub(crate) is_unmarked: bool,
    pub(crate) class: ChatClass,
    /// Whether the chat is a group or channel.
    pub(crate) is_group: bool,
}

/// The markers of all members of a chat.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChatReceipts {
    /// The read marker of each member, by the id of the user.
    #[schema(value_type = BTreeMap<String, i64>)]
    pub(crate) read: BTreeMap<UserId, Seq>,
    /// The delivered marker of each member, by the id of the user. What is read is delivered too.
    #[schema(value_type = BTreeMap<String, i64>)]
    pub(crate) delivered: BTreeMap<UserId, Seq>,
}

/// The members who have read a message.
#[derive(Serialize, ToSchema)]
pub(crate) struct Seen {
    /// Without the sender, and without members who joined after the message. Ordered by the id of the user.
    pub(crate) seen: Vec<SeenBy>,
    /// Always `null`: there is one page.
    #[schema(required, nullable, value_type = String)]
    pub(crate) next: Option<&'static str>,
}

/// A member who has read a message.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct SeenBy {
    /// The id of the user.
    pub(crate) user_id: UserId,
}
