//! What goes into the core, and what comes out. What may have a token in it is not `Debug`.

use std::fmt;

use serde_json::Value;

use crate::{
    ChatId, Error, Event, Login, MessageId, Page, RequestId,
    store::{EventRow, Op, Pending, Segments},
};

/// What time it is, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Time {
    /// Since any moment. It stands still while the computer sleeps.
    pub(crate) elapsed: u64,
    /// Since 1970.
    pub(crate) wall: u64,
}

/// What happens.
pub(crate) enum Input {
    /// The application calls.
    Call(CallId, Call),
    /// The handshake of an attempt succeeded.
    Opened(u64),
    /// A text message came.
    Text(u64, String),
    /// The socket was closed, or the handshake failed.
    Closed(u64, u16, String),
    /// A request was answered, or not.
    Answer(u64, Result<Answer, String>),
    /// The store was read.
    Rows(u64, Vec<EventRow>),
    /// The surroundings changed.
    Change(Change),
    /// Time has passed.
    Tick,
}

/// What the core learns from its surroundings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Online,
    Offline,
    Visible,
    Hidden,
    /// The clock jumped.
    Jump,
}

/// An HTTP answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after_ms: Option<u64>,
    pub(crate) body: String,
}

/// Under which the reply to a call is returned.
pub(crate) type CallId = u64;

/// A call of the application.
pub(crate) enum Call {
    Start,
    Stop,
    Login {
        login: Login,
        cookie: bool,
    },
    Accept(Value),
    Logout,
    Send(Box<Pending>),
    Retry(RequestId),
    Cancel(RequestId),
    Read(ChatId, u64),
    Typing(ChatId, bool),
    Presence(&'static str),
    Draft(ChatId, String, Option<MessageId>),
    Page(ChatId, PageQuery),
    Segments(ChatId),
    /// Up to which `seq` the messages of a chat are handled.
    Handled(ChatId),
    /// The messages of a chat are handled up to this `seq`.
    Handle(ChatId, u64),
    Request(Request),
}

/// Which part of a timeline.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PageQuery {
    pub(crate) before: Option<u64>,
    pub(crate) after: Option<u64>,
    pub(crate) around: Option<u64>,
    pub(crate) limit: usize,
}

/// A request below `/api/v1`.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Option<Value>,
}

impl Request {
    pub(crate) fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), query: Vec::new(), body: None }
    }

    pub(crate) fn query(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.query.push((name.to_owned(), value.to_string()));
        self
    }

    pub(crate) fn query_opt(self, name: &str, value: Option<impl fmt::Display>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }
}

/// What a call returns.
pub(crate) enum Reply {
    Done,
    Flag(bool),
    Json(Value),
    Page(Page),
    Segments(Segments),
    /// Up to which `seq` a chat is handled, if the chat is known.
    Position(Option<u64>),
}

/// What is to be done. The operations on the store come before everything else.
#[derive(Default)]
pub(crate) struct Step {
    pub(crate) ops: Vec<Op>,
    pub(crate) effects: Vec<Effect>,
}

/// What is to be done beside writing the store, in order.
pub(crate) enum Effect {
    /// Open a socket, with the subprotocols `neonchat.v1` and `bearer.TOKEN`.
    Open { attempt: u64, token: String },
    /// Close the socket.
    Close { code: u16 },
    /// Send a text message.
    Send(String),
    /// Make a request, with the token, and with cookies if they are needed.
    Request { id: u64, request: Request, token: Option<String>, cookie: bool },
    /// Read messages from the store.
    Read { id: u64, chat: ChatId, from: u64, to: u64, limit: usize, backwards: bool },
    /// Tell the application.
    Event(Event),
    /// Return from a call.
    Reply(CallId, Result<Reply, Error>),
}
