//! The frames that clients send, and their parser.

use std::{collections::BTreeMap, fmt};

use neonchat_common::{
    draft::DraftText,
    error::{ApiError, ErrorCode},
    http::object,
    ids::{ChatId, MessageId, RequestId, SendId, Seq},
    message::{MAX_DELETED, MessageText},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::Status;
use crate::hub::Markers;

/// The largest frame of a client, in bytes.
pub(crate) const MAX_FRAME_BYTES: usize = 64 * 1024;

/// The most chats in one `sync`.
pub(crate) const MAX_CURSORS: usize = 1000;

/// The longest `request_id` that an answer repeats, in bytes.
const MAX_REQUEST_ID_BYTES: usize = 128;

/// A frame of a client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ClientFrame {
    /// Sends a message. The server chooses a `request_id` if the client did not, so that retries store the message once.
    Message { chat_id: Option<ChatId>, text: MessageText, given: Given, request_id: RequestId },
    /// Changes stored messages. The server chooses a `request_id` if the client did not.
    Change { chat_id: Option<ChatId>, change: NewChange, request_id: RequestId },
    /// The user began or ended typing.
    Typing { request_id: Option<String>, chat_id: Option<ChatId>, is_typing: bool },
    /// The user has read a chat up to a `seq`, or has it on this device.
    Receipt { request_id: Option<String>, chat_id: Option<ChatId>, markers: Markers },
    /// What the user has written in a chat and not sent.
    Draft { request_id: Option<String>, chat_id: Option<ChatId>, draft: NewDraft },
    /// The user is active on this device, or away.
    Presence { request_id: Option<String>, status: Status },
    /// The client has everything up to these cursors.
    Sync { request_id: Option<String>, cursors: BTreeMap<ChatId, Seq> },
    /// A newer token for this connection.
    Auth { request_id: Option<String>, token: Token },
    /// Asks for a `pong`.
    Ping { request_id: Option<String> },
}

frame_types! {
    /// The types of the frames that clients send.
    CLIENT_TYPES of ClientFrame:
    Message = "message";
    Change(change: NewChange::Edit { .. }) = "edit";
    Change(change: NewChange::Delete { .. }) = "delete";
    Change(change: NewChange::React { .. }) = "react";
    Typing = "typing";
    Receipt = "receipt";
    Draft = "draft";
    Presence = "presence";
    Sync = "sync";
    Auth = "auth";
    Ping = "ping";
}

/// A change that a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NewChange {
    /// A message gets another text.
    Edit { message_id: MessageId, text: MessageText, given: Given },
    /// Messages are deleted for everybody.
    Delete { message_ids: Vec<MessageId> },
    /// The user reacts to a message, or takes a reaction back. chat-service validates the emoji.
    React { message_id: MessageId, emoji: String, on: bool },
}

/// A draft that a client wants to store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewDraft {
    /// Empty to delete the draft.
    pub(crate) text: DraftText,
    /// The message that it answers.
    pub(crate) reply_to: Option<MessageId>,
}

/// What a client gives beside a text, as JSON; empty for nothing. chat-service validates it. `Debug` does not print it.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Given(String);

impl Given {
    /// Takes the members that are given.
    fn of<const N: usize>(members: [(&str, Option<&RawValue>); N]) -> Self {
        let given = members.into_iter().filter_map(|(name, value)| {
            value.filter(|value| value.get() != "null").map(|value| format!(r#""{name}":{}"#, value.get()))
        });
        let given = given.collect::<Vec<_>>().join(",");
        Self(if given.is_empty() { given } else { format!("{{{given}}}") })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Given({} bytes)", self.0.len())
    }
}

/// A token. `Debug` does not print it.
#[derive(PartialEq, Eq, Deserialize)]
pub(crate) struct Token(pub(crate) String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// A frame that does not parse, with its `request_id` if that is readable.
#[derive(Debug)]
pub(crate) struct BadFrame {
    pub(crate) request_id: Option<String>,
    pub(crate) error: ApiError,
}

/// The unparsed fields of all frames. `type` decides which fields are required and what they contain. So the JSON is scanned once,
/// and an error names the field.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    request_id: Option<&'a RawValue>,
    #[serde(borrow)]
    chat_id: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    entities: Option<&'a RawValue>,
    #[serde(borrow)]
    mentions: Option<&'a RawValue>,
    #[serde(borrow)]
    reply_to: Option<&'a RawValue>,
    #[serde(borrow)]
    silent: Option<&'a RawValue>,
    #[serde(borrow)]
    send_at: Option<&'a RawValue>,
    #[serde(borrow)]
    message_id: Option<&'a RawValue>,
    #[serde(borrow)]
    message_ids: Option<&'a RawValue>,
    #[serde(borrow)]
    emoji: Option<&'a RawValue>,
    #[serde(borrow)]
    on: Option<&'a RawValue>,
    #[serde(borrow)]
    is_typing: Option<&'a RawValue>,
    #[serde(borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow)]
    read: Option<&'a RawValue>,
    #[serde(borrow)]
    delivered: Option<&'a RawValue>,
    #[serde(borrow)]
    cursors: Option<&'a RawValue>,
    #[serde(borrow)]
    token: Option<&'a RawValue>,
}

impl Fields<'_> {
    /// Returns the `request_id`, or a new one if the client gave none.
    fn idempotency_key(&self) -> Result<RequestId, ApiError> {
        let given = optional("request_id", self.request_id, "a UUID")?;
        Ok(given.unwrap_or_else(|| SendId::new().into()))
    }
}

impl<'a> Fields<'a> {
    fn read(json: &'a str) -> Result<Self, ApiError> {
        if object::is_array(json) {
            return Err(not_an_object());
        }
        serde_json::from_str(json).map_err(|error| {
            let text = error.to_string();
            object::repeated_field(&text).unwrap_or_else(|| {
                if error.is_data() {
                    // The error text of serde names Rust types.
                    not_an_object()
                } else {
                    ApiError::new(ErrorCode::BadJson, format!("The frame is not valid JSON: {text}."))
                }
            })
        })
    }
}

fn not_an_object() -> ApiError {
    ApiError::new(ErrorCode::BadJson, "A frame should be one JSON object with a \"type\".")
}

impl ClientFrame {
    /// Parses a text frame.
    pub(crate) fn parse(json: &str) -> Result<Self, Box<BadFrame>> {
        let fields = Fields::read(json).map_err(|error| Box::new(BadFrame { request_id: None, error }))?;
        Self::from_fields(&fields)
            .map_err(|error| Box::new(BadFrame { request_id: readable_request_id(&fields), error }))
    }

    fn from_fields(fields: &Fields<'_>) -> Result<Self, ApiError> {
        let kind: String = required("type", fields.kind, "a string")?;
        match kind.as_str() {
            "message" => {
                let text: String = required("text", fields.text, "a string")?;
                let request_id = fields.idempotency_key()?;
                // If it were ignored, the message would be sent at once.
                if fields.send_at.is_some_and(|send_at| send_at.get() != "null") {
                    return Err(ApiError::invalid("send_at", "unsupported", "is only for POST /chats/{id}/messages"));
                }
                Ok(Self::Message {
                    chat_id: optional("chat_id", fields.chat_id, "a UUID")?,
                    text: MessageText::try_from(text)?,
                    given: Given::of([
                        ("entities", fields.entities),
                        ("mentions", fields.mentions),
                        ("reply_to", fields.reply_to),
                        ("silent", fields.silent),
                    ]),
                    request_id,
                })
            }
            "edit" => {
                let message_id = required("message_id", fields.message_id, "a UUID")?;
                let text: String = required("text", fields.text, "a string")?;
                let given = Given::of([("entities", fields.entities)]);
                Self::change(fields, NewChange::Edit { message_id, text: MessageText::try_from(text)?, given })
            }
            "delete" => {
                let message_ids: Vec<MessageId> = required("message_ids", fields.message_ids, "an array of UUIDs")?;
                if !(1..=MAX_DELETED).contains(&message_ids.len()) {
                    return Err(ApiError::invalid(
                        "message_ids",
                        "length",
                        format!("should have 1 to {MAX_DELETED} ids"),
                    ));
                }
                Self::change(fields, NewChange::Delete { message_ids })
            }
            "react" => {
                let message_id = required("message_id", fields.message_id, "a UUID")?;
                let emoji = required("emoji", fields.emoji, "a string")?;
                let on = required("on", fields.on, "true or false")?;
                Self::change(fields, NewChange::React { message_id, emoji, on })
            }
            "typing" => Ok(Self::Typing {
                request_id: readable_request_id(fields),
                chat_id: optional("chat_id", fields.chat_id, "a UUID")?,
                is_typing: required("is_typing", fields.is_typing, "true or false")?,
            }),
            "receipt" => Ok(Self::Receipt {
                request_id: readable_request_id(fields),
                chat_id: optional("chat_id", fields.chat_id, "a UUID")?,
                markers: markers(fields)?,
            }),
            "draft" => {
                let text: String = required("text", fields.text, "a string")?;
                let reply_to: Option<Option<MessageId>> = optional("reply_to", fields.reply_to, "a UUID")?;
                Ok(Self::Draft {
                    request_id: readable_request_id(fields),
                    chat_id: optional("chat_id", fields.chat_id, "a UUID")?,
                    draft: NewDraft { text: DraftText::try_from(text)?, reply_to: reply_to.flatten() },
                })
            }
            "sync" => {
                let expected = "an object that has a seq, a whole number, for the UUID of each chat";
                let cursors: BTreeMap<ChatId, Seq> = required("cursors", fields.cursors, expected)?;
                if cursors.len() > MAX_CURSORS {
                    return Err(ApiError::invalid("cursors", "length", format!("has at most {MAX_CURSORS} chats")));
                }
                cursors.values().try_for_each(|cursor| not_negative("cursors", *cursor).map(drop))?;
                Ok(Self::Sync { request_id: request_id(fields)?, cursors })
            }
            "auth" => {
                Ok(Self::Auth { request_id: request_id(fields)?, token: required("token", fields.token, "a string")? })
            }
            "presence" => {
                let status = required("status", fields.status, "\"online\" or \"away\"")?;
                Ok(Self::Presence { request_id: readable_request_id(fields), status })
            }
            "ping" => Ok(Self::Ping { request_id: readable_request_id(fields) }),
            _ => Err(ApiError::new(
                ErrorCode::UnknownType,
                "This frame type is unknown. See the protocol's list of client frames.",
            )),
        }
    }
}

impl ClientFrame {
    fn change(fields: &Fields<'_>, change: NewChange) -> Result<Self, ApiError> {
        let request_id = fields.idempotency_key()?;
        Ok(Self::Change { chat_id: optional("chat_id", fields.chat_id, "a UUID")?, change, request_id })
    }

    /// Returns the `request_id` that an answer repeats.
    pub(crate) fn request_id(&self) -> Option<String> {
        match self {
            Self::Message { request_id, .. } | Self::Change { request_id, .. } => Some(request_id.to_string()),
            Self::Typing { request_id, .. }
            | Self::Receipt { request_id, .. }
            | Self::Draft { request_id, .. }
            | Self::Presence { request_id, .. }
            | Self::Sync { request_id, .. }
            | Self::Auth { request_id, .. }
            | Self::Ping { request_id } => request_id.clone(),
        }
    }
}

/// Returns the `request_id` if an answer can repeat it. Earlier versions ignored it in these frames, so another value is no error.
fn readable_request_id(fields: &Fields<'_>) -> Option<String> {
    let id = fields.request_id.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
    id.filter(|id| id.len() <= MAX_REQUEST_ID_BYTES)
}

/// Parses the `request_id` of a frame that is answered but not stored: any short text.
fn request_id(fields: &Fields<'_>) -> Result<Option<String>, ApiError> {
    let id: Option<String> = optional("request_id", fields.request_id, "a string")?;
    match id {
        Some(id) if id.len() > MAX_REQUEST_ID_BYTES => {
            Err(ApiError::invalid("request_id", "length", format!("should have at most {MAX_REQUEST_ID_BYTES} bytes")))
        }
        id => Ok(id),
    }
}

/// Parses the markers of a receipt: one of them or both.
fn markers(fields: &Fields<'_>) -> Result<Markers, ApiError> {
    let seq = |name, raw| match optional::<Seq>(name, raw, "a seq, a whole number")? {
        Some(seq) if seq < 1 => Err(ApiError::invalid(name, "range", "should be at least 1")),
        seq => Ok(seq),
    };
    let (read, delivered) = (seq("read", fields.read)?, seq("delivered", fields.delivered)?);
    if read.or(delivered).is_none() {
        let message = "is missing, and so is delivered; give at least one";
        return Err(ApiError::invalid("read", "required", message));
    }
    Ok(Markers { read: read.unwrap_or(0), delivered: delivered.unwrap_or(0) })
}

fn not_negative(name: &'static str, seq: Seq) -> Result<Seq, ApiError> {
    if seq < 0 { Err(ApiError::invalid(name, "range", "should not be negative")) } else { Ok(seq) }
}

fn required<T: DeserializeOwned>(name: &'static str, raw: Option<&RawValue>, expected: &str) -> Result<T, ApiError> {
    optional(name, raw, expected)?.ok_or_else(|| ApiError::invalid(name, "required", "is missing"))
}

fn optional<T: DeserializeOwned>(
    name: &'static str,
    raw: Option<&RawValue>,
    expected: &str,
) -> Result<Option<T>, ApiError> {
    // The error does not repeat the value: it may be the text of a message.
    raw.map(|raw| serde_json::from_str(raw.get()))
        .transpose()
        .map_err(|_| ApiError::invalid(name, "format", format!("should be {expected}")))
}
