//! What is known of a run.

use std::collections::{BTreeMap, BTreeSet};

use neonchat_common::ids::{ChatId, MessageId, SendId, Seq, UserId};

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The chats, with their histories as they are at the end.
    pub chats: BTreeMap<ChatId, Chat>,
    /// The clients. A user may have several.
    pub clients: Vec<Client>,
}

/// A chat.
#[derive(Clone, Debug, Default)]
pub struct Chat {
    /// Who may see it.
    pub members: BTreeSet<UserId>,
    /// Its messages by SQL, ordered by `seq`.
    pub rows: Vec<Row>,
    /// Its messages as its members read them over REST.
    pub views: Vec<View>,
}

/// A message in Postgres.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The message.
    pub message: Message,
    /// What its sender chose.
    pub request: SendId,
    /// When it was stored, in microseconds.
    pub created_at: i64,
}

/// A history as one member reads it, oldest first.
#[derive(Clone, Debug)]
pub struct View {
    /// The member.
    pub reader: UserId,
    /// The messages.
    pub messages: Vec<Message>,
}

/// A message, as somebody saw it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    /// In which chat.
    pub chat: ChatId,
    /// At which place.
    pub seq: Seq,
    /// Which.
    pub id: MessageId,
    /// By whom.
    pub sender: UserId,
    /// What is written. No two messages of a run are alike.
    pub text: String,
}

/// A client: one device of a user.
#[derive(Clone, Debug)]
pub struct Client {
    /// Whose.
    pub user: UserId,
    /// What it sent, over whatever transport.
    pub sends: BTreeMap<SendId, Send>,
    /// Its connections, one after another.
    pub connections: Vec<Connection>,
    /// What it read over REST, because it was told to (`lagged`, `complete: false`) or because it tried to.
    pub fetched: Vec<Message>,
}

impl Client {
    /// One that did nothing yet.
    #[must_use]
    pub const fn new(user: UserId) -> Self {
        Self { user, sends: BTreeMap::new(), connections: Vec::new(), fetched: Vec::new() }
    }
}

/// A message that a client wants to be stored.
#[derive(Clone, Debug)]
pub struct Send {
    /// In which chat.
    pub chat: ChatId,
    /// What is written.
    pub text: String,
    /// How often it was sent. An attempt without an answer may have been stored, and may be stored yet.
    pub attempts: usize,
    /// What was answered.
    pub answers: Vec<Answer>,
}

/// An answer to a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is stored.
    Acked(Ack),
    /// It is not.
    Refused,
    /// Something failed, and it may be stored or not: `unavailable` and `internal` (`docs/PROTOCOL.md`).
    Indefinite,
}

/// Where a message was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// In which chat.
    pub chat: ChatId,
    /// At which place.
    pub seq: Seq,
    /// Which message.
    pub id: MessageId,
    /// Whether it had been stored before.
    pub duplicate: bool,
}

/// A connection.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// What was said on it, both ways, in order.
    pub events: Vec<Event>,
    /// Whether it was open still when the run had come to rest.
    pub is_open: bool,
}

/// Something that was said on a connection.
#[derive(Clone, Debug)]
pub enum Event {
    /// The client: it has everything up to these.
    Sync {
        /// The cursors.
        cursors: BTreeMap<ChatId, Seq>,
    },
    /// The client sent a message.
    Sent {
        /// Which.
        request: SendId,
    },
    /// The server stored one.
    Acked {
        /// Which.
        request: SendId,
        /// Where.
        ack: Ack,
    },
    /// A message.
    Message(Message),
    /// Events that are left out, both ends included.
    Lagged {
        /// Of which chat.
        chat: ChatId,
        /// The first.
        from: Seq,
        /// The last.
        head: Seq,
    },
    /// The answer to a sync, for one chat.
    Synced {
        /// Which.
        chat: ChatId,
        /// Up to where.
        head: Seq,
        /// Whether all of it came on this connection.
        complete: bool,
    },
    /// Any other frame that is about a chat or about a user.
    Seen {
        /// What it is.
        kind: String,
        /// The chat.
        chat: Option<ChatId>,
        /// The user.
        user: Option<UserId>,
    },
}
