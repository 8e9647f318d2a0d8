//! The frames that the server sends.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use neonchat_common::{
    error::{ApiError, ErrorCode},
    ids::{ChatId, MessageId, RequestId, Seq, UserId},
    json, time,
};
use serde::Serialize;
use serde_json::value::RawValue;

use super::Frame;

/// What the server says.
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
    },
    /// Somebody sent a message.
    NewMessage { chat_id: ChatId, seq: Seq, message: Message<'a> },
    /// There is a new chat with this user.
    ChatCreated { chat: &'a RawValue },
    /// Somebody came, went away, or left.
    Presence { event: PresenceEvent, user_id: UserId, timestamp: i64 },
    /// Somebody began or ended typing.
    Typing { user_id: UserId, chat_id: ChatId, is_typing: bool },
    /// Somebody has read a chat up to here.
    Receipt { chat_id: ChatId, user_id: UserId, read: Seq },
    /// What the client missed has been sent.
    Synced {
        #[serde(skip_serializing_if = "Option::is_none")]
        request_id: Option<String>,
        chats: Vec<SyncedChat>,
    },
    /// The socket was too slow: these events of the chat were left out, and have to be fetched.
    Lagged { chat_id: ChatId, from_seq: Seq, head_seq: Seq },
    /// A word from those who run the server.
    System { text: &'a str },
    /// The answer to a ping.
    Pong {
        #[serde(serialize_with = "time::serialize")]
        server_time: DateTime<Utc>,
    },
    /// The server is about to end: come back after so long.
    Reconnect { after_ms: u64, reason: &'static str },
    /// A frame was refused.
    Error {
        #[serde(skip_serializing_if = "Option::is_none")]
        request_id: Option<Cow<'a, str>>,
        code: ErrorCode,
        message: &'a str,
        retryable: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
}

/// A chat in which a client caught up.
#[derive(Debug, Serialize)]
pub(crate) struct SyncedChat {
    pub(crate) chat_id: ChatId,
    pub(crate) head_seq: Seq,
    /// Whether all up to `head_seq` was sent. Where not, the client fetches it: `GET /chats/{id}/events`.
    pub(crate) complete: bool,
}

/// How far a message got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DeliveryStatus {
    /// Committed, and published on Redis.
    Delivered,
    /// Committed. Redis is away, so that members on other instances get it later.
    Stored,
}

/// A change of presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum PresenceEvent {
    #[serde(rename = "user_online")]
    Online,
    #[serde(rename = "user_away")]
    Away,
    #[serde(rename = "user_offline")]
    Offline,
}

/// A message, as in the history over REST.
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
}

impl<'a> ServerFrame<'a> {
    /// The answer to a frame that was refused.
    pub(crate) fn error(request_id: Option<Cow<'a, str>>, error: &'a ApiError) -> Self {
        Self::Error {
            request_id,
            code: error.code,
            message: &error.detail,
            retryable: error.code.is_retryable(),
            retry_after_ms: error.retry_after.and_then(|after| u64::try_from(after.as_millis()).ok()),
        }
    }

    /// Returns its `type`.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::MessageSent { .. } => "message_sent",
            Self::NewMessage { .. } => "new_message",
            Self::ChatCreated { .. } => "chat_created",
            Self::Presence { .. } => "presence",
            Self::Typing { .. } => "typing",
            Self::Receipt { .. } => "receipt",
            Self::Synced { .. } => "synced",
            Self::Lagged { .. } => "lagged",
            Self::System { .. } => "system",
            Self::Pong { .. } => "pong",
            Self::Reconnect { .. } => "reconnect",
            Self::Error { .. } => "error",
        }
    }

    /// Returns the frame as JSON, for a publication.
    pub(crate) fn to_json(&self) -> Box<RawValue> {
        json::raw(self)
    }

    /// Returns the frame as it is sent.
    pub(crate) fn encode(&self) -> Frame {
        Frame::new(self.kind(), self.to_json())
    }
}
