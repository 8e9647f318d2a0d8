//! The frames of the WebSocket protocol: two enums, one for each direction (contract, section 5).

use std::borrow::Cow;

use bytestring::ByteString;
use chrono::{DateTime, Utc};
use neonchat_common::{
    error::{ApiError, ErrorCode},
    ids::{ChatId, MessageId, SendId, Seq, UserId},
    message::MessageText,
    time,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

/// The largest frame that a client may send, in bytes.
pub(crate) const MAX_FRAME_BYTES: usize = 64 * 1024;

/// The longest `request_id` that is repeated in an answer, in bytes.
const MAX_REQUEST_ID_BYTES: usize = 128;

/// What a client says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ClientFrame {
    /// Send a message.
    Message { chat_id: Option<ChatId>, text: MessageText, request_id: Option<SendId> },
    /// The user began or ended typing.
    Typing { chat_id: Option<ChatId>, is_typing: bool },
    /// The user is at this device, or not.
    Presence { status: Status },
    /// Is anybody there?
    Ping,
}

/// Whether a user is at the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Online,
    Away,
}

/// A frame that could not be read, and the `request_id` under which its sender waits for an answer.
#[derive(Debug)]
pub(crate) struct BadFrame {
    pub(crate) request_id: Option<String>,
    pub(crate) error: ApiError,
}

/// Every field of every frame, unread. Which of them have to be there, and be what, depends on `type`; so the JSON is
/// gone through once, and a fault is told by the field's name.
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
    is_typing: Option<&'a RawValue>,
    #[serde(borrow)]
    status: Option<&'a RawValue>,
}

impl ClientFrame {
    /// Reads a text frame.
    pub(crate) fn parse(json: &str) -> Result<Self, Box<BadFrame>> {
        let fields: Fields<'_> = serde_json::from_str(json).map_err(|error| {
            let error = ApiError::new(ErrorCode::BadJson, format!("A frame is one JSON object: {error}."));
            Box::new(BadFrame { request_id: None, error })
        })?;
        Self::from_fields(&fields).map_err(|error| {
            let request_id = fields.request_id.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
            Box::new(BadFrame { request_id: request_id.filter(|id| id.len() <= MAX_REQUEST_ID_BYTES), error })
        })
    }

    fn from_fields(fields: &Fields<'_>) -> Result<Self, ApiError> {
        let kind: String = required("type", fields.kind, "a text")?;
        match kind.as_str() {
            "message" => {
                let text: String = required("text", fields.text, "a text")?;
                let text = MessageText::try_from(text);
                Ok(Self::Message {
                    chat_id: optional("chat_id", fields.chat_id, "a UUID")?,
                    text: text.map_err(|error| ApiError::invalid("text", "length", error.to_string()))?,
                    request_id: optional("request_id", fields.request_id, "a UUID")?,
                })
            }
            "typing" => Ok(Self::Typing {
                chat_id: optional("chat_id", fields.chat_id, "a UUID")?,
                is_typing: required("is_typing", fields.is_typing, "true or false")?,
            }),
            "presence" => Ok(Self::Presence { status: required("status", fields.status, "\"online\" or \"away\"")? }),
            "ping" => Ok(Self::Ping),
            _ => Err(ApiError::new(ErrorCode::UnknownType, "There is no frame of this type.")),
        }
    }
}

fn required<T: DeserializeOwned>(name: &'static str, raw: Option<&RawValue>, expected: &str) -> Result<T, ApiError> {
    optional(name, raw, expected)?.ok_or_else(|| ApiError::invalid(name, "required", "is missing"))
}

fn optional<T: DeserializeOwned>(
    name: &'static str,
    raw: Option<&RawValue>,
    expected: &str,
) -> Result<Option<T>, ApiError> {
    // What is wrong is not repeated: it may be the text of a message.
    raw.map(|raw| serde_json::from_str(raw.get()))
        .transpose()
        .map_err(|_| ApiError::invalid(name, "format", format!("should be {expected}")))
}

/// What the server says.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ServerFrame<'a> {
    /// The message is stored.
    MessageSent {
        request_id: SendId,
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
    /// The socket was too slow: these events of the chat were left out, and have to be fetched.
    Lagged { chat_id: ChatId, from_seq: Seq, head_seq: Seq },
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

/// A frame, encoded. To clone it is to count a reference: one message to 1,000 sockets is one serialisation.
pub(crate) type Frame = ByteString;

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

    /// The frame as it is sent.
    pub(crate) fn encode(&self) -> Frame {
        // Cannot fail: no map with keys other than text, no `Serialize` of our own that fails.
        serde_json::to_string(self).unwrap_or_default().into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CHAT: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
    const REQUEST: &str = "550e8400-e29b-41d4-a716-446655440000";

    fn parse(json: &serde_json::Value) -> Result<ClientFrame, (Option<String>, ErrorCode, String)> {
        ClientFrame::parse(&json.to_string())
            .map_err(|bad| (bad.request_id, bad.error.code, bad.error.detail.into_owned()))
    }

    #[test]
    fn reads_every_frame_and_ignores_what_it_does_not_know() {
        let chat_id = Some(CHAT.parse().expect("a UUID"));
        let text = MessageText::try_from("hi".to_owned()).expect("a text");
        assert_eq!(
            parse(&json!({"type": "message", "chat_id": CHAT, "text": "hi", "request_id": REQUEST, "mood": 1})),
            Ok(ClientFrame::Message { chat_id, text, request_id: Some(REQUEST.parse().expect("a UUID")) })
        );
        assert_eq!(
            parse(&json!({"type": "typing", "is_typing": true})),
            Ok(ClientFrame::Typing { chat_id: None, is_typing: true })
        );
        assert_eq!(
            parse(&json!({"type": "presence", "status": "away"})),
            Ok(ClientFrame::Presence { status: Status::Away })
        );
        assert_eq!(parse(&json!({"type": "ping", "text": 5})), Ok(ClientFrame::Ping));
    }

    #[test]
    fn names_the_fault_under_the_senders_request_id_and_repeats_no_text() {
        let (request_id, code, detail) =
            parse(&json!({"type": "message", "chat_id": "x", "text": "secret", "request_id": REQUEST}))
                .expect_err("a bad chat_id");
        assert_eq!((request_id.as_deref(), code), (Some(REQUEST), ErrorCode::ValidationFailed));
        assert_eq!(detail, "chat_id: should be a UUID");

        let (_, code, detail) = parse(&json!({"type": "message", "chat_id": CHAT, "text": {"secret": 1}}))
            .expect_err("a text that is none");
        assert_eq!((code, detail.as_str()), (ErrorCode::ValidationFailed, "text: should be a text"));
    }

    #[test]
    fn tells_apart_what_is_no_json_no_frame_and_no_known_frame() {
        let code = |json: &str| ClientFrame::parse(json).expect_err("a bad frame").error.code;
        for bad in ["", "{", "[]", "1", r#"{"type":"ping"} x"#] {
            assert_eq!(code(bad), ErrorCode::BadJson, "{bad}");
        }
        assert_eq!(code("{}"), ErrorCode::ValidationFailed);
        assert_eq!(code(r#"{"type":"dance"}"#), ErrorCode::UnknownType);
        for text in [r#""a\u0000b""#, r#""""#, r#""\ud800""#] {
            let frame = format!(r#"{{"type":"message","chat_id":"{CHAT}","text":{text}}}"#);
            assert_eq!(code(&frame), ErrorCode::ValidationFailed, "{text}");
        }
    }

    #[test]
    fn frames_look_as_the_contract_has_them() {
        let seen = |frame: ServerFrame<'_>| serde_json::from_str::<serde_json::Value>(&frame.encode()).expect("JSON");
        let created_at = time::from_micros(1_700_000_000_123_456);
        let (id, chat_id, sender_id) = (MessageId::new(), ChatId::new(), UserId::new());
        let message = Message { id, chat_id, sender_id, text: "hi", created_at, updated_at: created_at, seq: 42 };
        assert_eq!(
            seen(ServerFrame::NewMessage { chat_id, seq: 42, message }),
            json!({"type": "new_message", "chat_id": chat_id, "seq": 42, "message": {
                "id": id, "chat_id": chat_id, "sender_id": sender_id, "text": "hi", "seq": 42,
                "created_at": "2023-11-14T22:13:20.123456Z", "updated_at": "2023-11-14T22:13:20.123456Z"}})
        );
        let request_id = SendId::new();
        let status = DeliveryStatus::Delivered;
        let sent = ServerFrame::MessageSent {
            request_id,
            status,
            message_id: id,
            chat_id,
            seq: 42,
            created_at,
            duplicate: false,
        };
        assert_eq!(
            seen(sent),
            json!({"type": "message_sent", "request_id": request_id, "status": "delivered", "message_id": id,
                "chat_id": chat_id, "seq": 42, "created_at": "2023-11-14T22:13:20.123456Z", "duplicate": false})
        );
        let error = ApiError::new(ErrorCode::NotFound, "no");
        assert_eq!(
            seen(ServerFrame::error(Some("r".into()), &error)),
            json!({"type": "error", "request_id": "r", "code": "not_found", "message": "no", "retryable": false})
        );
        assert_eq!(
            seen(ServerFrame::Presence { event: PresenceEvent::Offline, user_id: sender_id, timestamp: 5 }),
            json!({"type": "presence", "event": "user_offline", "user_id": sender_id, "timestamp": 5})
        );
    }
}
