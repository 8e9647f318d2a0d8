//! Frames of the generator: it patches a prepared buffer to write, and scans for a few fields to read. A library that parses
//! JSON and unmasks would take more CPU than the measured system.

use std::{io::Write as _, iter::repeat_with, ops::Range, sync::LazyLock};

use memchr::memmem::Finder;
use uuid::{Builder, Uuid};

/// The number of digits of a message number, in the text and at the end of the `request_id`.
const DIGITS: usize = 12;

/// The longest payload whose length fits into the second byte of a frame.
const SHORT: usize = 125;

/// The length code for a length in the next two bytes.
const LENGTH_FOLLOWS: u8 = 0x7e;

/// The length code for a length in the next eight bytes.
const LONG_LENGTH_FOLLOWS: u8 = 0x7f;

/// The start of each message of the generator.
pub(crate) const MESSAGE: &[u8] = br#"{"type":"message""#;

/// A complete, unfragmented frame of the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// The kind.
    pub(crate) kind: Kind,
    /// The payload.
    pub(crate) payload: &'a [u8],
    /// The length with the header, in bytes.
    pub(crate) length: usize,
}

/// The kind of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text.
    Text,
    /// A ping.
    Ping,
    /// A pong.
    Pong,
    /// A close frame.
    Close,
    /// A frame that the server must not send: binary, fragmented or masked.
    Unexpected,
}

/// Returns the frame of the server at the start of `bytes`, if it is complete.
pub(crate) fn scan(bytes: &[u8]) -> Option<Frame<'_>> {
    scan_after(bytes, 0)
}

/// Returns the frame of a client with the masking key 0 at the start of `bytes`. Its kind is not determined.
pub(crate) fn scan_masked(bytes: &[u8]) -> Option<Frame<'_>> {
    scan_after(bytes, 4)
}

/// Scans a frame with a masking key of `mask` bytes before the payload.
fn scan_after(bytes: &[u8], mask: usize) -> Option<Frame<'_>> {
    let (&first, &second) = (bytes.first()?, bytes.get(1)?);
    let (start, length) = match second & 0x7f {
        LENGTH_FOLLOWS => (4, u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        LONG_LENGTH_FOLLOWS => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)),
        short => (2, u64::from(short)),
    };
    let kind = match (first, second & 0x80) {
        (0x81, 0) => Kind::Text,
        (0x88, 0) => Kind::Close,
        (0x89, 0) => Kind::Ping,
        (0x8a, 0) => Kind::Pong,
        _ => Kind::Unexpected,
    };
    let start = start + mask;
    let end = usize::try_from(length).ok()?.checked_add(start)?;
    Some(Frame { kind, payload: bytes.get(start..end)?, length: end })
}

/// An event of the server, as far as the generator needs it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ServerEvent {
    /// `message_sent` or `ack` for the message or edit with this number.
    Acked(u64),
    /// `new_message` or `message_edited` with this number in the text.
    Delivered(u64),
    /// `error`, with the number of the message if it names one.
    Refused(Option<u64>),
    /// Presence, typing, receipts and new chats.
    Ignored,
    /// A frame that must not arrive, such as `lagged`, or is malformed.
    Unexpected,
}

impl ServerEvent {
    /// Returns the number of the message or change that it is about.
    pub(crate) const fn number(&self) -> Option<u64> {
        match *self {
            Self::Acked(number) | Self::Delivered(number) => Some(number),
            Self::Refused(number) => number,
            Self::Ignored | Self::Unexpected => None,
        }
    }
}

static TEXT: LazyLock<Finder> = LazyLock::new(|| Finder::new(br#""text":""#));
static REQUEST: LazyLock<Finder> = LazyLock::new(|| Finder::new(br#""request_id":""#));

/// Parses a text frame.
pub(crate) fn read(payload: &[u8]) -> ServerEvent {
    let Some(rest) = payload.strip_prefix(br#"{"type":""#) else { return ServerEvent::Unexpected };
    let end = rest.iter().position(|byte| *byte == b'"').unwrap_or(0);
    let number_after = |finder: &Finder, skip: usize| {
        let start = finder.find(rest)? + finder.needle().len() + skip;
        number(rest.get(start..start + DIGITS)?)
    };
    let in_request = || number_after(&REQUEST, uuid::fmt::Hyphenated::LENGTH - DIGITS);
    match &rest[..end] {
        b"message_sent" | b"ack" => in_request().map_or(ServerEvent::Unexpected, ServerEvent::Acked),
        b"new_message" | b"message_edited" => {
            number_after(&TEXT, 0).map_or(ServerEvent::Unexpected, ServerEvent::Delivered)
        }
        b"error" => ServerEvent::Refused(in_request()),
        // Reactions have no text with a number.
        b"presence" | b"typing" | b"receipt" | b"chat_created" | b"reactions" | b"my_reaction" => ServerEvent::Ignored,
        _ => ServerEvent::Unexpected,
    }
}

static SEQ: LazyLock<Finder> = LazyLock::new(|| Finder::new(br#""seq":"#));

/// Returns the first `seq` in a text frame: that of the event.
pub(crate) fn seq(payload: &[u8]) -> Option<i64> {
    let digits = payload.get(SEQ.find(payload)? + SEQ.needle().len()..)?;
    let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number, digit| Some(number << 4 | u64::from(char::from(*digit).to_digit(16)?)))
}

/// The values of `on`, in JSON of one length.
const ON: &[u8] = b"true ";
const OFF: &[u8] = b"false";

/// A prepared frame with a message or a change. Only the differing bytes are patched.
#[derive(Debug)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    chat: Range<usize>,
    /// The ID of the message that is edited, answered or reacted to.
    message: Range<usize>,
    /// The ID of the mentioned user.
    user: Range<usize>,
    /// Whether a reaction is added.
    on: Range<usize>,
    text: Range<usize>,
    request: Range<usize>,
    random: fastrand::Rng,
}

impl Template {
    /// Returns a template of a message for texts of `text_length` characters, at least those of the number.
    pub(crate) fn new(text_length: usize) -> Self {
        Self::with_fields("message", "", Some(text_length))
    }

    /// Returns a template of a message that answers another one and mentions a user: see [`Template::set_message`] and
    /// [`Template::set_user`].
    pub(crate) fn reply(text_length: usize) -> Self {
        let id = Uuid::nil();
        Self::with_fields("message", &format!(r#""reply_to":"{id}","mentions":["{id}"],"#), Some(text_length))
    }

    /// Returns a template of a reaction: see [`Template::set_message`] and [`Template::set_on`].
    pub(crate) fn react() -> Self {
        Self::with_fields("react", &format!(r#""message_id":"{}","emoji":"👍","on":false,"#, Uuid::nil()), None)
    }

    /// Returns a template of an edit. [`Template::set_message`] sets which message is edited.
    pub(crate) fn edit(text_length: usize) -> Self {
        Self::with_fields("edit", &format!(r#""message_id":"{}","#, Uuid::nil()), Some(text_length))
    }

    fn with_fields(kind: &str, fields: &str, text_length: Option<usize>) -> Self {
        let text = text_length.map_or_else(String::new, |length| {
            // Random: an edit to the text of an earlier run would change nothing, and have no event.
            let padding: String = repeat_with(fastrand::alphanumeric).take(length.saturating_sub(DIGITS)).collect();
            format!(r#""text":"{}{padding}","#, "0".repeat(DIGITS))
        });
        let id = Uuid::nil();
        let json = format!(r#"{{"type":"{kind}","chat_id":"{id}",{fields}{text}"request_id":"{id}"}}"#);
        let bytes = masked(0x81, json.as_bytes());
        // Empty if the frame does not have the member.
        let after = |name: &[u8], length: usize| {
            memchr::memmem::find(&bytes, name).map_or(0..0, |at| at + name.len()..at + name.len() + length)
        };
        let id_after = |name| after(name, uuid::fmt::Hyphenated::LENGTH);
        let (edited, answered) = (id_after(br#""message_id":""#), id_after(br#""reply_to":""#));
        Self {
            chat: id_after(br#""chat_id":""#),
            message: if edited.is_empty() { answered } else { edited },
            user: id_after(br#""mentions":[""#),
            on: after(br#""on":"#, OFF.len()),
            text: after(br#""text":""#, DIGITS),
            request: id_after(br#""request_id":""#),
            bytes,
            random: fastrand::Rng::new(),
        }
    }

    /// Sets the user whom a reply mentions.
    pub(crate) fn set_user(&mut self, id: Uuid) {
        id.hyphenated().encode_lower(&mut self.bytes[self.user.clone()]);
    }

    /// Sets whether a reaction is added or removed.
    pub(crate) fn set_on(&mut self, on: bool) {
        self.bytes[self.on.clone()].copy_from_slice(if on { ON } else { OFF });
    }

    /// Sets the message that is edited, answered or reacted to.
    pub(crate) fn set_message(&mut self, id: Uuid) {
        id.hyphenated().encode_lower(&mut self.bytes[self.message.clone()]);
    }

    /// Returns the frame of the message or edit with this number. Its `request_id` is random except for the number at the end.
    pub(crate) fn message(&mut self, chat: Uuid, number: u64) -> &[u8] {
        let random = u128::from(self.random.u64(..)) << 64;
        let request = Builder::from_random_bytes((random | u128::from(number)).to_be_bytes()).into_uuid();
        chat.hyphenated().encode_lower(&mut self.bytes[self.chat.clone()]);
        request.hyphenated().encode_lower(&mut self.bytes[self.request.clone()]);
        // The slice has room for all digits.
        let _ = write!(&mut self.bytes[self.text.clone()], "{number:012x}");
        &self.bytes
    }
}

/// Returns the frame that says that everything up to `seq` is read. It is the same for all members.
pub(crate) fn receipt(chat: Uuid, seq: i64) -> Vec<u8> {
    masked(0x81, format!(r#"{{"type":"receipt","chat_id":"{chat}","read":{seq},"delivered":{seq}}}"#).as_bytes())
}

/// Returns the answer to a ping.
pub(crate) fn pong(payload: &[u8]) -> Vec<u8> {
    masked(0x8a, payload)
}

/// Returns a text frame of a server from two parts.
pub(crate) fn text(start: &[u8], rest: &[u8]) -> Vec<u8> {
    let length = start.len() + rest.len();
    let mut bytes = Vec::with_capacity(length + 4);
    bytes.extend([0x81, LENGTH_FOLLOWS]);
    // The frames of the generator always need a length of two bytes.
    bytes.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
    bytes.extend(start);
    bytes.extend(rest);
    bytes
}

/// Returns a frame with the masking key 0, which leaves the payload unchanged (RFC 6455, section 5.3).
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len();
    let mut bytes = vec![first];
    match u8::try_from(length) {
        Ok(short) if length <= SHORT => bytes.push(0x80 | short),
        // The frames of the generator are shorter than 64 KiB.
        _ => {
            bytes.push(0x80 | LENGTH_FOLLOWS);
            bytes.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload.len() {
            length @ ..=SHORT => bytes.push(u8::try_from(length).expect("short")),
            length => {
                bytes.push(126);
                bytes.extend(u16::try_from(length).expect("16 bits").to_be_bytes());
            }
        }
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn scans_only_complete_frames() {
        for (payload, header) in [(vec![b'x'; 5], 2), (vec![b'y'; 300], 4)] {
            let mut bytes = frame(0x81, &payload);
            for end in 0..bytes.len() {
                assert_eq!(scan(&bytes[..end]), None, "{end}");
            }
            bytes.extend(b"\x89\x00");
            let length = header + payload.len();
            assert_eq!(scan(&bytes), Some(Frame { kind: Kind::Text, payload: &payload, length }));
            assert_eq!(scan(&bytes[length..]).map(|next| next.kind), Some(Kind::Ping));
        }
        assert_eq!(scan(b"\x81\x7f\0\0\0\0\0\0\0\x01a").map(|frame| frame.length), Some(11));
        assert_eq!(scan(b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff"), None);
        assert_eq!(scan(b"\x01\x01a").map(|frame| frame.kind), Some(Kind::Unexpected));
    }

    #[test]
    fn message_is_one_masked_frame_with_its_number() {
        let chat = Uuid::new_v4();
        let mut template = Template::new(60);
        for wanted in [0, 7, 0xabc_def0_1234] {
            let bytes = template.message(chat, wanted);
            assert_eq!(bytes[..2], [0x81, 0x80 | LENGTH_FOLLOWS]);
            assert_eq!((usize::from(bytes[2]) << 8 | usize::from(bytes[3])) + 8, bytes.len());
            let json: serde_json::Value = serde_json::from_slice(&bytes[8..]).expect("parse JSON");
            assert_eq!(json["chat_id"], chat.to_string());
            let text = json["text"].as_str().expect("text as string");
            assert_eq!((text.len(), number(&text.as_bytes()[..DIGITS])), (60, Some(wanted)));
            let request: Uuid = json["request_id"].as_str().expect("find an ID").parse().expect("parse UUID");
            assert_eq!(request.get_version_num(), 4);
            let ack = format!(r#"{{"type":"message_sent","status":"delivered","request_id":"{request}"}}"#);
            assert_eq!(read(ack.as_bytes()), ServerEvent::Acked(wanted));
        }
    }

    #[test]
    fn edit_is_one_masked_frame_with_its_message() {
        let (chat, message) = (Uuid::new_v4(), Uuid::new_v4());
        let mut template = Template::edit(60);
        template.set_message(message);
        let frame = scan_masked(template.message(chat, 7)).expect("scan frame").payload.to_vec();
        let json: serde_json::Value = serde_json::from_slice(&frame).expect("parse JSON");
        assert_eq!((&json["type"], &json["chat_id"]), (&"edit".into(), &chat.to_string().into()));
        assert_eq!(json["message_id"], message.to_string());
        let ack = format!(r#"{{"type":"ack","request_id":{},"seq":8}}"#, json["request_id"]);
        assert_eq!(read(ack.as_bytes()), ServerEvent::Acked(7));
        let edited = format!(r#"{{"type":"message_edited","seq":8,"message":{{"text":{}}}}}"#, json["text"]);
        assert_eq!(read(edited.as_bytes()), ServerEvent::Delivered(7));
    }

    #[test]
    fn reply_and_reaction_name_their_message() {
        let (chat, message, user) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
        let parse = |frame: &[u8]| -> serde_json::Value {
            serde_json::from_slice(scan_masked(frame).expect("scan frame").payload).expect("parse JSON")
        };
        let mut reply = Template::reply(60);
        reply.set_message(message);
        reply.set_user(user);
        let json = parse(reply.message(chat, 7));
        assert_eq!((&json["reply_to"], &json["mentions"][0]), (&message.to_string().into(), &user.to_string().into()));
        assert_eq!(json["text"].as_str().map(str::len), Some(60));
        let mut reaction = Template::react();
        reaction.set_message(message);
        for on in [true, false] {
            reaction.set_on(on);
            let json = parse(reaction.message(chat, 7));
            assert_eq!((&json["message_id"], &json["on"]), (&message.to_string().into(), &on.into()));
        }
    }

    #[test]
    fn parses_events_of_the_server() {
        let message = br#"{"type":"new_message","chat_id":"c","seq":4,"message":{"id":"i","text":"0000000000ff...."}}"#;
        assert_eq!(read(message), ServerEvent::Delivered(255));
        assert_eq!(read(br#"{"type":"error","code":"unavailable"}"#), ServerEvent::Refused(None));
        assert_eq!(read(br#"{"type":"presence","event":"user_online"}"#), ServerEvent::Ignored);
        for bad in [&br#"{"type":"lagged"}"#[..], br#"{"type":"new_message","text":"hello"}"#, b"{", b""] {
            assert_eq!(read(bad), ServerEvent::Unexpected);
        }
    }

    #[test]
    fn receipt_names_the_event_that_was_read() {
        let chat = Uuid::new_v4();
        let message = br#"{"type":"new_message","chat_id":"c","seq":41,"message":{"seq":7,"text":"0000000000ff"}}"#;
        assert_eq!(
            (seq(message), seq(br#"{"seq":8}"#), seq(br#"{"seq":null}"#), seq(b"{")),
            (Some(41), Some(8), None, None)
        );
        let receipt = receipt(chat, 41);
        let json: serde_json::Value =
            serde_json::from_slice(scan_masked(&receipt).expect("scan frame").payload).expect("parse JSON");
        assert_eq!(json, serde_json::json!({ "type": "receipt", "chat_id": chat, "read": 41, "delivered": 41 }));
    }

    #[test]
    fn relayed_message_is_a_server_frame() {
        let mut template = Template::new(60);
        let sent = scan_masked(template.message(Uuid::new_v4(), 7)).expect("scan frame").payload.to_vec();
        let said = sent.strip_prefix(MESSAGE).expect("find the prefix");
        for (start, heard) in [("message_sent", ServerEvent::Acked(7)), ("new_message", ServerEvent::Delivered(7))] {
            let relayed = text(format!(r#"{{"type":"{start}""#).as_bytes(), said);
            assert_eq!(scan(&relayed).map(|frame| (frame.kind, read(frame.payload))), Some((Kind::Text, heard)));
        }
    }

    #[test]
    fn pong_repeats_the_payload_of_a_ping() {
        assert_eq!(pong(b"hi"), b"\x8a\x82\0\0\0\0hi");
    }
}
