//! What the application is told.

use serde::{Deserialize, Serialize};

use crate::{
    Chat, ChatId, Frame, Message, MessageId, Pending, Presence, Receipt, Receipts, RequestId, Typing, frame::Object,
};

/// What has happened. It is told after it is stored: who loads a page then finds it there.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", content = "data", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The state of the connection.
    State(Status),
    /// A message has its place in a chat, an own one too. Those of a chat come in the order of `seq`, each once.
    Message(Box<NewMessage>),
    /// Any other event of a chat, or a frame without an event of its own here, unknown ones included.
    #[serde(rename = "event")]
    Frame(Frame),
    /// A chat, or the list of chats.
    Chat(ChatEvent),
    /// What became of a message or change in the outbox.
    Outbox(Box<OutboxEvent>),
    /// Events are missing.
    Gap(Gap),
    /// Somebody types. Hide it 10 s after the last one.
    Typing(Typing),
    /// The presence of somebody changed.
    Presence(Presence),
    /// How far somebody has read a chat, or has it on a device.
    Receipt(Receipt),
    /// How far members of a group have read it.
    #[serde(rename = "receipt")]
    Receipts(Receipts),
    /// A notice of the operator.
    System(Frame),
    /// Something went wrong that no call waits for. `not_found` and what may be retried are left out: `typing` in a wrong chat, or too often, is
    /// not told.
    Error(Failure),
    /// This stream was read too slowly, and this number of events was left out. Load pages, which have all messages.
    Missed(u64),
}

impl Event {
    /// Returns the event of a frame that is passed on.
    pub(crate) fn from_frame(frame: Frame) -> Self {
        let event = match frame.kind() {
            "new_message" => frame.parse().ok().map(Self::Message),
            "typing" => frame.parse().ok().map(Self::Typing),
            "presence" => frame.parse().ok().map(Self::Presence),
            "receipt" => frame.parse().ok().map(Self::Receipt),
            "receipts" => frame.parse().ok().map(Self::Receipts),
            "system" => return Self::System(frame),
            _ => None,
        };
        event.unwrap_or(Self::Frame(frame))
    }

    pub(crate) fn error(code: &str, message: impl Into<String>) -> Self {
        Self::Error(Failure { code: code.to_owned(), message: Some(message.into()), ..Failure::default() })
    }
}

/// The state of the connection. `sdk/js/README.md` has the state machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Status {
    /// Not started; or the server does not want this client.
    Stopped {
        /// `closed` if the server does not want it.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Nobody is signed in.
    SignedOut {
        /// `no_session`, `logout`, `token_expired`, `unauthorized`, `revoked` or `session_reused`.
        reason: String,
    },
    /// A token is refreshed, or the socket opens.
    Connecting,
    /// The socket is open, and the missed events are asked for.
    Syncing,
    /// The server has answered; everything that is pending is sent.
    Live,
    /// A pause before the next attempt.
    Waiting {
        /// When it ends, in milliseconds since 1970.
        until: u64,
        /// The number of failures.
        attempt: u32,
        /// Why: `closed` (the socket was closed), `no_answer` (the server was silent), `handshake` (the API answers, the WebSocket does
        /// not: is its URL right?), `network` (neither answers), or a code of the API.
        reason: String,
    },
    /// The computer has no network.
    Offline,
}

/// A new message.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NewMessage {
    /// The chat.
    pub chat_id: ChatId,
    /// The place in the chat.
    pub seq: u64,
    /// Whether it was sent by this client.
    #[serde(default)]
    pub own: bool,
    /// The message.
    pub message: Message,
    /// All other members.
    #[serde(flatten)]
    pub extra: Object,
}

/// A change of the list of chats.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChatEvent {
    /// The user is a member of a further chat.
    Created {
        /// The chat.
        chat: Box<Chat>,
    },
    /// Something about a chat is different.
    Changed {
        /// The chat as it is now.
        chat: Box<Chat>,
    },
    /// The user is not a member any more.
    Removed {
        /// The chat.
        chat_id: ChatId,
        /// `left`, `kicked`, `banned`, `closed` or `gone`.
        reason: String,
    },
    /// The list was read from the store, or that of the server is complete.
    Listed,
}

impl ChatEvent {
    pub(crate) fn new(is_created: bool, chat_id: ChatId, item: &Object) -> Self {
        let chat = Box::new(Chat::from_item(chat_id, item));
        if is_created { Self::Created { chat } } else { Self::Changed { chat } }
    }
}

/// What became of a message or change.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct OutboxEvent {
    /// What happened.
    #[serde(rename = "type")]
    pub kind: OutboxKind,
    /// The message or change.
    pub entry: Pending,
    /// The answer of the server, if it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ack: Option<Ack>,
}

/// What happened to a message or change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OutboxKind {
    /// It is new, or is sent again.
    Added,
    /// The server has stored it.
    Done,
    /// The server has said that it is not stored.
    Failed,
    /// It was removed.
    Cancelled,
}

/// The answer to a message or change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Ack {
    /// With which it was sent.
    pub request_id: RequestId,
    /// The chat.
    pub chat_id: ChatId,
    /// The place in the chat. `None`: nothing changed, or the event follows later.
    #[serde(default)]
    pub seq: Option<u64>,
    /// Whether an earlier attempt stored it.
    #[serde(default)]
    pub duplicate: bool,
    /// The ID of a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
    /// All other members.
    #[serde(flatten)]
    pub extra: Object,
}

/// Missing events of a chat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Gap {
    /// The chat.
    pub chat_id: ChatId,
    /// The first one.
    pub from_seq: u64,
    /// The last one.
    pub to_seq: u64,
    /// Whether there are too many to fetch: the history starts again after them, so load pages. Otherwise they follow, in order.
    pub skipped: bool,
    /// Whether the server was restored from a backup, so that what the client had is not the history any more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub restored: bool,
}

/// Something went wrong that no call waits for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Failure {
    /// `store_failed` (the store is full or forbidden, and is replaced by one in memory), `closed` (the server does not want this
    /// client), `bad_json`, or a code of the API.
    pub code: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The code with which the server closed the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close_code: Option<u16>,
    /// All other members of the `error` frame.
    #[serde(flatten)]
    pub extra: Object,
}
