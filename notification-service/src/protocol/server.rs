//! The frames that the server sends.

use std::{borrow::Cow, collections::BTreeMap};

use chrono::{DateTime, Utc};
use neonchat_common::{
    chat::RemovalReason,
    error::{ApiError, ErrorCode, Reason},
    ids::{ChatId, MessageId, RequestId, SendId, Seq, UserId},
    json, time,
};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::Frame;

/// A frame of the server.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ServerFrame<'a> {
    /// The message is stored.
    MessageSent {
        request_id: RequestId,
        status: DeliveryStatus,
        message_id: MessageId,
        chat_id: ChatId,
        seq: Seq,
        #[serde(serialize_with = "time::serialize")]
        created_at: DateTime<Utc>,
        duplicate: bool,
        /// The message, if it has more than its text.
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<Message<'a>>,
    },
    /// What this socket asked for is stored.
    Ack {
        request_id: Cow<'a, str>,
        chat_id: ChatId,
        #[serde(flatten)]
        acked: Acked,
    },
    /// A new message of another socket.
    NewMessage { chat_id: ChatId, seq: Seq, message: Message<'a> },
    /// The user has a new chat.
    ChatCreated { chat: &'a RawValue },
    /// The user is not a member of a chat any more.
    ChatRemoved { chat_id: ChatId, reason: RemovalReason },
    /// The presence of a user changed.
    Presence { event: PresenceEvent, user_id: UserId, timestamp: i64 },
    /// Users type.
    Typing {
        chat_id: ChatId,
        #[serde(flatten)]
        typists: Typists,
    },
    /// The markers of a user in a chat, of which one moved.
    Receipt {
        chat_id: ChatId,
        user_id: UserId,
        read: Seq,
        delivered: Seq,
        /// Only for the user.
        #[serde(skip_serializing_if = "Option::is_none")]
        unread_count: Option<i64>,
    },
    /// The markers of members of a small group, of which some moved.
    Receipts { chat_id: ChatId, reads: BTreeMap<UserId, Seq>, delivered: BTreeMap<UserId, Seq> },
    /// Another socket of the user stored or deleted a draft.
    Draft {
        chat_id: ChatId,
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        reply_to: Option<MessageId>,
        #[serde(serialize_with = "time::serialize")]
        updated_at: DateTime<Utc>,
    },
    /// Catch-up has ended.
    Synced {
        #[serde(skip_serializing_if = "Option::is_none")]
        request_id: Option<&'a str>,
        chats: &'a [SyncedChat],
    },
    /// Events of the chat were left out. The client has to fetch them.
    Lagged { chat_id: ChatId, from_seq: Seq, head_seq: Seq },
    /// A message of the operator.
    System { text: &'a str },
    /// The answer to a newer token, if the client wants one.
    AuthOk {
        request_id: &'a str,
        #[serde(serialize_with = "time::serialize")]
        expires_at: DateTime<Utc>,
    },
    /// The answer to a ping.
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        request_id: Option<&'a str>,
        #[serde(serialize_with = "time::serialize")]
        server_time: DateTime<Utc>,
    },
    /// The server closes the connection. The client reconnects after this delay.
    Reconnect { after_ms: u64, reason: &'static str },
    /// A frame was refused.
    Error {
        #[serde(skip_serializing_if = "Option::is_none")]
        request_id: Option<Cow<'a, str>>,
        code: ErrorCode,
        message: &'a str,
        retryable: bool,
        /// Why it is forbidden.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<Reason>,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
}

frame_types! {
    /// The types of the frames that this service encodes.
    SERVER_TYPES of ServerFrame<'_>:
    MessageSent = "message_sent";
    Ack = "ack";
    NewMessage = "new_message";
    ChatCreated = "chat_created";
    ChatRemoved = "chat_removed";
    Presence = "presence";
    Typing = "typing";
    Receipt = "receipt";
    Receipts = "receipts";
    Draft = "draft";
    Synced = "synced";
    Lagged = "lagged";
    System = "system";
    AuthOk = "auth_ok";
    Pong = "pong";
    Reconnect = "reconnect";
    Error = "error";
}

/// The type of the frame of the event by which users become members.
pub(crate) const MEMBERS_ADDED: &str = "members_added";

/// The type of the frame of the event by which the settings of a chat change.
pub(crate) const CHAT_UPDATED: &str = "chat_updated";

/// The types of the frames that chat-service encodes. This service passes them on without parsing them.
pub(crate) const CHANGE_TYPES: [&str; 9] = [
    "message_edited",
    "messages_deleted",
    "reactions",
    "pinned",
    MEMBERS_ADDED,
    "members_removed",
    "member_changed",
    CHAT_UPDATED,
    "chat_closed",
];

/// The types of the frames for one user alone that only chat-service encodes.
pub(crate) const PERSONAL_TYPES: [&str; 3] = ["chat_settings", "my_reaction", "scheduled_failed"];

/// What an ack tells.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Acked {
    /// A change is stored. `seq` is null if it changes nothing.
    Change { seq: Option<Seq>, duplicate: bool },
    /// A receipt is stored.
    Receipt { read_seq: Seq, unread_count: i64 },
    /// Something else that is no event is stored.
    Other {},
}

/// Who types in a chat.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Typists {
    /// In a small chat: a user began or ended typing.
    One { user_id: UserId, is_typing: bool },
    /// In a chat of medium size: some of those who type, and the number of the others.
    Several { user_ids: Vec<UserId>, more: usize },
}

/// The types of the frames of durable events whose content stays as it is, unless an event of another type follows. Reactions and pins
/// are replaced by a later event of the same type: a client that gets both ends with the later one.
pub(crate) const FINAL_TYPES: [&str; 6] =
    ["new_message", "reactions", "pinned", MEMBERS_ADDED, "members_removed", "member_changed"];

/// The result of catch-up in a chat.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct SyncedChat {
    pub(crate) chat_id: ChatId,
    /// The first `seq` that exists for the user. Smaller numbers are not a gap.
    pub(crate) first_seq: Seq,
    pub(crate) head_seq: Seq,
    /// Whether everything up to `head_seq` was sent. If not, the client has to fetch it: `GET /chats/{id}/events`.
    pub(crate) complete: bool,
}

/// How far delivery of a message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DeliveryStatus {
    /// Committed, and published on Redis.
    Delivered,
    /// Committed. Redis was unavailable, so members on other instances get the message later.
    Stored,
}

impl DeliveryStatus {
    /// Returns the status of a stored message.
    pub(crate) const fn of_published(is_published: bool) -> Self {
        if is_published { Self::Delivered } else { Self::Stored }
    }
}

/// A change of a user's presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum PresenceEvent {
    #[serde(rename = "user_online")]
    Online,
    #[serde(rename = "user_away")]
    Away,
    #[serde(rename = "user_offline")]
    Offline,
}

/// A message, encoded as in the history over REST.
#[derive(Debug, Serialize)]
pub(crate) struct Message<'a> {
    pub(crate) id: MessageId,
    pub(crate) chat_id: ChatId,
    pub(crate) sender_id: UserId,
    pub(crate) text: &'a str,
    #[serde(serialize_with = "time::serialize")]
    pub(crate) created_at: DateTime<Utc>,
    #[serde(serialize_with = "time::serialize")]
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) seq: Seq,
    /// The `seq` of the event that last edited or deleted the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) changed_seq: Option<Seq>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) deleted: bool,
    #[serde(flatten)]
    pub(crate) extra: Members<'a>,
    /// Only for the sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<SendId>,
}

/// The members that only some messages have: a JSON object of chat-service, which this service does not interpret.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Members<'a>(pub(crate) Option<&'a RawValue>);

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let members: BTreeMap<Cow<'_, str>, &RawValue> = match self.0 {
            // chat-service encodes an object.
            Some(members) => serde_json::from_str(members.get()).unwrap_or_default(),
            None => BTreeMap::new(),
        };
        serializer.collect_map(members)
    }
}

impl<'a> ServerFrame<'a> {
    /// Creates the answer to a refused frame.
    pub(crate) fn error(request_id: Option<Cow<'a, str>>, error: &'a ApiError) -> Self {
        Self::Error {
            request_id,
            code: error.code,
            message: &error.detail,
            retryable: error.is_retryable(),
            reason: error.reason,
            retry_after_ms: error.retry_after.and_then(|after| u64::try_from(after.as_millis()).ok()),
        }
    }

    /// Returns the frame as JSON, for a publication.
    pub(crate) fn to_json(&self) -> Box<RawValue> {
        json::raw(self)
    }

    /// Returns the encoded frame.
    pub(crate) fn encode(&self) -> Frame {
        Frame::new(self.kind(), self.to_json())
    }
}
