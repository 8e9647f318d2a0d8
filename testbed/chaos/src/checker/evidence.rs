//! The evidence of a run.

mod changes;
mod reactions;
mod scheduled;

use std::collections::{BTreeMap, BTreeSet};

use neonchat_common::ids::{ChatId, MessageId, SendId, Seq, UserId};

pub use self::{
    changes::{Action, Change, ChangeAnswer, ChangeKind, ChangeRow, Changed, Durable, What},
    reactions::{Reactor, Shown, Tally},
    scheduled::{CancelAnswer, Cancellation},
};

/// The evidence of a run.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The chats with their final histories.
    pub chats: BTreeMap<ChatId, Chat>,
    /// The clients. A user may have several.
    pub clients: Vec<Client>,
}

/// A moment of the run, in microseconds.
pub type Moment = u64;

/// A chat.
#[derive(Clone, Debug, Default)]
pub struct Chat {
    /// The members at the beginning, without those who have no client. Those of a direct chat stay.
    pub founders: BTreeSet<UserId>,
    /// Whether a new member sees the history from before, which is a setting of a group.
    pub shows_history: bool,
    /// The messages by SQL, ordered by `seq`.
    pub rows: Vec<Row>,
    /// The changes by SQL, ordered by `seq`.
    pub changes: Vec<ChangeRow>,
    /// The messages as users read them over REST: those who are told that they are members.
    pub views: Vec<View>,
    /// Who reacted to each message, as a member reads it over REST. Messages without reactions may be missing.
    pub reactors: BTreeMap<MessageId, Vec<Reactor>>,
}

/// A message in Postgres.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The message.
    pub message: Message,
    /// The `request_id`.
    pub request_id: SendId,
    /// The time of storage, in microseconds since 1970.
    pub created_at: i64,
}

impl Chat {
    /// Returns the `seq` of each message and change.
    pub(super) fn seqs(&self) -> impl Iterator<Item = Seq> {
        self.rows.iter().map(|row| row.message.seq).chain(self.changes.iter().map(|row| row.seq))
    }
}

/// The history as one member reads it, oldest first.
#[derive(Clone, Debug)]
pub struct View {
    /// The member.
    pub reader: UserId,
    /// The username of the member.
    pub name: String,
    /// The messages.
    pub messages: Vec<Message>,
    /// The reactions to those of the messages that have some.
    pub reactions: BTreeMap<MessageId, Shown>,
    /// The read marker.
    pub read_seq: Seq,
    /// The number of unread messages.
    pub unread_count: i64,
    /// The number of unread messages that mention the member.
    pub mention_count: i64,
}

/// A message as a client saw it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    /// The chat.
    pub chat: ChatId,
    /// The `seq`.
    pub seq: Seq,
    /// The ID.
    pub id: MessageId,
    /// The sender.
    pub sender: UserId,
    /// The text. It is unique in a run, but empty in a deleted message.
    pub text: String,
    /// The `seq` of the last change, if there is one.
    pub changed_seq: Option<Seq>,
    /// Whether it is deleted.
    pub is_deleted: bool,
}

/// An event that a client read over REST.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// When the client sent the request.
    pub begun: Moment,
    /// The event.
    pub event: Durable,
}

/// A client: one device of a user.
#[derive(Clone, Debug)]
pub struct Client {
    /// The user.
    pub user: UserId,
    /// The messages that it sent, over any transport.
    pub sends: BTreeMap<SendId, Send>,
    /// The scheduled messages that it canceled.
    pub cancellations: BTreeMap<SendId, Cancellation>,
    /// The changes that it asked for.
    pub changes: BTreeMap<SendId, Change>,
    /// Its connections, in order.
    pub connections: Vec<Connection>,
    /// The events that it read over REST, after `lagged` or `complete: false`, or on its own.
    pub fetched: Vec<Fetched>,
    /// What else it read over REST. It does not count as received.
    pub reads: Vec<Fetched>,
}

impl Client {
    /// Returns a client with an empty log.
    #[must_use]
    pub const fn new(user: UserId) -> Self {
        Self {
            user,
            sends: BTreeMap::new(),
            cancellations: BTreeMap::new(),
            changes: BTreeMap::new(),
            connections: Vec::new(),
            fetched: Vec::new(),
            reads: Vec::new(),
        }
    }
}

/// A message that a client wants to be stored.
#[derive(Clone, Debug)]
pub struct Send {
    /// The chat.
    pub chat: ChatId,
    /// The text.
    pub text: String,
    /// The number of attempts. An attempt without an answer may have been stored, or may still be.
    pub attempts: usize,
    /// The answers.
    pub answers: Vec<Answer>,
}

/// An answer to a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The message is stored.
    Acked(Ack),
    /// The message is scheduled, and will be stored later.
    Scheduled,
    /// The message is not stored.
    Refused,
    /// The message may be stored or not: `unavailable` and `internal` (`docs/PROTOCOL.md`).
    Indefinite,
}

/// Where a message was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The chat.
    pub chat: ChatId,
    /// The `seq`.
    pub seq: Seq,
    /// The ID of the message.
    pub id: MessageId,
    /// Whether the message was stored before.
    pub duplicate: bool,
}

/// A connection.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// The events in both directions, in order.
    pub events: Vec<Event>,
    /// Whether it was open at the end of the run.
    pub is_open: bool,
    /// Whether it stands for all connections of a client on the SDK, which reconnects by itself and puts the events in order. The SDK forgets
    /// a chat when it is told that its user is not a member, and starts over if the user joins again.
    pub reconnects: bool,
}

/// An event on a connection.
#[derive(Clone, Debug)]
pub enum Event {
    /// The client sent its cursors.
    Sync {
        /// The cursors.
        cursors: BTreeMap<ChatId, Seq>,
    },
    /// The client sent a message.
    Sent {
        /// The `request_id`.
        request_id: SendId,
    },
    /// The server acked a message.
    Acked {
        /// The `request_id`.
        request_id: SendId,
        /// The ack.
        ack: Ack,
    },
    /// The server sent a message.
    Message(Message),
    /// The server sent a change.
    Changed(Changed),
    /// The server announced a chat of which the user has become a member.
    Joined {
        /// The chat.
        chat: ChatId,
        /// The last event before those that this connection delivers.
        head: Seq,
    },
    /// The server announced that the user is not a member any more.
    Left {
        /// The chat.
        chat: ChatId,
    },
    /// The server left out events, both ends included.
    Lagged {
        /// The chat.
        chat: ChatId,
        /// The first.
        from: Seq,
        /// The last.
        head: Seq,
    },
    /// The answer to a sync, for one chat.
    Synced {
        /// The chat.
        chat: ChatId,
        /// The first event that exists for the user.
        first: Seq,
        /// The head of the chat.
        head: Seq,
        /// Whether this connection delivered everything up to the head.
        complete: bool,
    },
    /// Any other frame of the server.
    Seen {
        /// The type of the frame.
        kind: String,
        /// The chat, if it names one.
        chat: Option<ChatId>,
        /// The user, if it names one.
        user: Option<UserId>,
    },
}

impl Event {
    /// Returns the place of a durable event that the server sent.
    pub(super) const fn place(&self) -> Option<(ChatId, Seq)> {
        match self {
            Self::Message(message) => Some((message.chat, message.seq)),
            Self::Changed(change) => Some((change.chat, change.seq)),
            _ => None,
        }
    }
}
