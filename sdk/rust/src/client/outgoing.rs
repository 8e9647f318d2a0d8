//! What is sent: messages and changes.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{ChatId, Error, Frame, Message, MessageId, Pending, PendingState, RequestId, UserId, frame::Object};

/// The largest frame.
const FRAME: usize = 65_536;

/// A message to send. A `&str` or `String` is one without anything else.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Text {
    #[serde(default, rename = "text")]
    content: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mentions: Option<Vec<UserId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    silent: Option<bool>,
    #[serde(skip_serializing)]
    request_id: Option<RequestId>,
    /// Further members of the frame.
    #[serde(flatten)]
    extra: Object,
}

impl Text {
    /// A message with 1 to 4,096 characters.
    pub fn new(text: impl Into<String>) -> Self {
        Self { content: text.into(), ..Self::default() }
    }

    /// Answers a message.
    #[must_use]
    pub const fn reply_to(mut self, message: MessageId) -> Self {
        self.reply_to = Some(message);
        self
    }

    /// Mentions users.
    #[must_use]
    pub fn mentions(mut self, users: impl IntoIterator<Item = UserId>) -> Self {
        self.mentions = Some(users.into_iter().collect());
        self
    }

    /// Notifies nobody.
    #[must_use]
    pub const fn silent(mut self) -> Self {
        self.silent = Some(true);
        self
    }

    /// Adds another member of the frame, such as `entities`.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.extra.insert(name.into(), value.into());
        self
    }

    /// Chooses the request ID, which is random otherwise. Two messages with the same one are one message.
    #[must_use]
    pub fn request_id(mut self, id: impl Into<RequestId>) -> Self {
        self.request_id = Some(id.into());
        self
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

/// A message that is changed: one of a timeline, or an ID. With a whole message the store is changed at once when the server has
/// acknowledged the change.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    pub(crate) id: MessageId,
    pub(crate) seq: Option<u64>,
}

impl From<MessageId> for Target {
    fn from(id: MessageId) -> Self {
        Self { id, seq: None }
    }
}

impl From<&Message> for Target {
    fn from(message: &Message) -> Self {
        Self { id: message.id, seq: Some(message.seq) }
    }
}

pub(crate) fn message(chat: ChatId, text: &Text) -> Result<Pending, Error> {
    let request_id = text.request_id;
    pending(chat, request_id, content("message", text), Vec::new())
}

pub(crate) fn edit(chat: ChatId, target: Target, text: &Text) -> Result<Pending, Error> {
    let request_id = text.request_id;
    let mut frame = content("edit", text);
    frame.insert("message_id".to_owned(), json!(target.id));
    pending(chat, request_id, frame, vec![target.seq])
}

pub(crate) fn delete(chat: ChatId, targets: &[Target], request_id: Option<RequestId>) -> Result<Pending, Error> {
    let ids: Vec<_> = targets.iter().map(|target| target.id).collect();
    let seqs = targets.iter().map(|target| target.seq).collect();
    let frame = Object::from_iter([("type".to_owned(), json!("delete")), ("message_ids".to_owned(), json!(ids))]);
    pending(chat, request_id, frame, seqs)
}

pub(crate) fn react(
    chat: ChatId,
    target: MessageId,
    emoji: &str,
    on: bool,
    request_id: Option<RequestId>,
) -> Result<Pending, Error> {
    let frame = json!({ "type": "react", "message_id": target, "emoji": emoji, "on": on });
    pending(chat, request_id, frame.as_object().cloned().unwrap_or_default(), Vec::new())
}

fn content(kind: &str, text: &Text) -> Object {
    let mut frame = serde_json::to_value(text).ok().and_then(|text| text.as_object().cloned()).unwrap_or_default();
    frame.insert("type".to_owned(), kind.into());
    frame
}

fn pending(
    chat_id: ChatId,
    request_id: Option<RequestId>,
    mut frame: Object,
    seqs: Vec<Option<u64>>,
) -> Result<Pending, Error> {
    let request_id = request_id.unwrap_or_else(|| RequestId(uuid::Uuid::new_v4()));
    frame.insert("chat_id".to_owned(), json!(chat_id));
    frame.insert("request_id".to_owned(), json!(request_id));
    let frame = Frame(frame);
    // The server would close the connection, and so again with every attempt.
    if serde_json::to_string(&frame).is_ok_and(|text| text.len() > FRAME) {
        return Err(Error::TooLarge);
    }
    let state = PendingState::Pending;
    Ok(Pending { request_id, chat_id, created: 0, state, frame, seqs, code: None, reason: None, detail: None })
}
