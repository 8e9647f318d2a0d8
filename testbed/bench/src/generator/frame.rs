//! Frames as the generator writes and reads them: a prepared buffer that is patched, and a scan for the few fields that
//! matter. A library that parses JSON and unmasks costs more here than the system that is measured.

use std::{io::Write as _, ops::Range, sync::LazyLock};

use memchr::memmem::Finder;
use uuid::{Builder, Uuid};

/// Digits of a message's number, in its text and at the end of its request id.
const DIGITS: usize = 12;

/// The longest payload whose length a frame has in its second byte.
const SHORT: usize = 125;

/// In the place of a length: it follows, in two bytes.
const LENGTH_FOLLOWS: u8 = 0x7e;

/// In the place of a length: it follows, in eight bytes.
const LONG_LENGTH_FOLLOWS: u8 = 0x7f;

/// What every message of the generator's begins with.
pub(crate) const MESSAGE: &[u8] = br#"{"type":"message""#;

/// A frame of the server's, whole, in one piece.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// What it is.
    pub(crate) kind: Kind,
    /// What it carries.
    pub(crate) payload: &'a [u8],
    /// Its length with the header, bytes.
    pub(crate) length: usize,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text.
    Text,
    /// To be answered by a pong.
    Ping,
    /// An answer to a ping.
    Pong,
    /// The end.
    Close,
    /// What this server does not send: binary, a fragment, a masked frame.
    Unexpected,
}

/// The frame of the server's at the start of `bytes`, once all of it is there.
pub(crate) fn scan(bytes: &[u8]) -> Option<Frame<'_>> {
    scan_after(bytes, 0)
}

/// The frame of a client's at the start of `bytes`, whose key is 0. What it is, is not told.
pub(crate) fn scan_masked(bytes: &[u8]) -> Option<Frame<'_>> {
    scan_after(bytes, 4)
}

/// With a mask of so many bytes before the payload.
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

/// What a text frame of the server's says, as far as the generator cares.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// `message_sent`, for the message of this number.
    Acked(u64),
    /// `new_message` with the text of this number.
    Delivered(u64),
    /// `error`, for the message of this number if it names one.
    Refused(Option<u64>),
    /// What happens beside: presence, typing, receipts, chats.
    Aside,
    /// What must not come, such as `lagged`, or is not understood.
    Unexpected,
}

static TEXT: LazyLock<Finder> = LazyLock::new(|| Finder::new(br#""text":""#));
static REQUEST: LazyLock<Finder> = LazyLock::new(|| Finder::new(br#""request_id":""#));

/// Reads a text frame.
pub(crate) fn read(payload: &[u8]) -> Heard {
    let Some(rest) = payload.strip_prefix(br#"{"type":""#) else { return Heard::Unexpected };
    let end = rest.iter().position(|byte| *byte == b'"').unwrap_or(0);
    let number_after = |finder: &Finder, skip: usize| {
        let start = finder.find(rest)? + finder.needle().len() + skip;
        number(rest.get(start..start + DIGITS)?)
    };
    let in_request = || number_after(&REQUEST, uuid::fmt::Hyphenated::LENGTH - DIGITS);
    match &rest[..end] {
        b"message_sent" => in_request().map_or(Heard::Unexpected, Heard::Acked),
        b"new_message" => number_after(&TEXT, 0).map_or(Heard::Unexpected, Heard::Delivered),
        b"error" => Heard::Refused(in_request()),
        b"presence" | b"typing" | b"receipt" | b"chat_created" => Heard::Aside,
        _ => Heard::Unexpected,
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number, digit| Some(number << 4 | u64::from(char::from(*digit).to_digit(16)?)))
}

/// A frame that sends a message, ready but for what differs from one message to the next.
#[derive(Debug)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    chat: Range<usize>,
    text: Range<usize>,
    request: Range<usize>,
    random: fastrand::Rng,
}

impl Template {
    /// For texts of `text_length` characters, those of the number at least.
    pub(crate) fn new(text_length: usize) -> Self {
        let padding = ".".repeat(text_length.saturating_sub(DIGITS));
        let (digits, id) = ("0".repeat(DIGITS), Uuid::nil());
        let json = format!(r#"{{"type":"message","chat_id":"{id}","text":"{digits}{padding}","request_id":"{id}"}}"#);
        let bytes = masked(0x81, json.as_bytes());
        let after = |name: &[u8], length: usize| {
            let start = memchr::memmem::find(&bytes, name).map_or(0, |at| at + name.len());
            start..start + length
        };
        let (chat, text) = (after(br#""chat_id":""#, uuid::fmt::Hyphenated::LENGTH), after(br#""text":""#, DIGITS));
        let request = after(br#""request_id":""#, uuid::fmt::Hyphenated::LENGTH);
        Self { bytes, chat, text, request, random: fastrand::Rng::new() }
    }

    /// The frame of the message of this number. Its request id is random, as a client's is, but for the end.
    pub(crate) fn message(&mut self, chat: Uuid, number: u64) -> &[u8] {
        let random = u128::from(self.random.u64(..)) << 64;
        let request = Builder::from_random_bytes((random | u128::from(number)).to_be_bytes()).into_uuid();
        chat.hyphenated().encode_lower(&mut self.bytes[self.chat.clone()]);
        request.hyphenated().encode_lower(&mut self.bytes[self.request.clone()]);
        // A slice of this length takes the digits, as long as the number has no more of them.
        let _ = write!(&mut self.bytes[self.text.clone()], "{number:012x}");
        &self.bytes
    }
}

/// The answer to a ping.
pub(crate) fn pong(payload: &[u8]) -> Vec<u8> {
    masked(0x8a, payload)
}

/// A text frame as a server sends it, of two parts.
pub(crate) fn text(start: &[u8], rest: &[u8]) -> Vec<u8> {
    let length = start.len() + rest.len();
    let mut bytes = Vec::with_capacity(length + 4);
    bytes.extend([0x81, LENGTH_FOLLOWS]);
    // No frame of the generator's is longer than this has room for, nor short enough for one byte.
    bytes.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
    bytes.extend(start);
    bytes.extend(rest);
    bytes
}

/// A frame masked by the key 0, which leaves the payload as it is (RFC 6455, section 5.3).
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len();
    let mut bytes = vec![first];
    match u8::try_from(length) {
        Ok(short) if length <= SHORT => bytes.push(0x80 | short),
        // No frame of the generator's is longer than this has room for.
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
    fn a_frame_is_scanned_once_all_of_it_is_there() {
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
    fn a_message_is_one_masked_frame_whose_number_is_in_text_and_request_id() {
        let chat = Uuid::new_v4();
        let mut template = Template::new(60);
        for wanted in [0, 7, 0xabc_def0_1234] {
            let bytes = template.message(chat, wanted);
            assert_eq!(bytes[..2], [0x81, 0x80 | LENGTH_FOLLOWS]);
            assert_eq!((usize::from(bytes[2]) << 8 | usize::from(bytes[3])) + 8, bytes.len());
            let json: serde_json::Value = serde_json::from_slice(&bytes[8..]).expect("JSON");
            assert_eq!(json["chat_id"], chat.to_string());
            let text = json["text"].as_str().expect("a text");
            assert_eq!((text.len(), number(&text.as_bytes()[..DIGITS])), (60, Some(wanted)));
            let request: Uuid = json["request_id"].as_str().expect("an id").parse().expect("a UUID");
            assert_eq!(request.get_version_num(), 4);
            let ack = format!(r#"{{"type":"message_sent","status":"delivered","request_id":"{request}"}}"#);
            assert_eq!(read(ack.as_bytes()), Heard::Acked(wanted));
        }
    }

    #[test]
    fn what_the_server_says_is_told_apart() {
        let message = br#"{"type":"new_message","chat_id":"c","seq":4,"message":{"id":"i","text":"0000000000ff...."}}"#;
        assert_eq!(read(message), Heard::Delivered(255));
        assert_eq!(read(br#"{"type":"error","code":"unavailable"}"#), Heard::Refused(None));
        assert_eq!(read(br#"{"type":"presence","event":"user_online"}"#), Heard::Aside);
        for bad in [&br#"{"type":"lagged"}"#[..], br#"{"type":"new_message","text":"hello"}"#, b"{", b""] {
            assert_eq!(read(bad), Heard::Unexpected);
        }
    }

    #[test]
    fn a_relayed_message_is_a_frame_of_the_servers() {
        let mut template = Template::new(60);
        let sent = scan_masked(template.message(Uuid::new_v4(), 7)).expect("a frame").payload.to_vec();
        let said = sent.strip_prefix(MESSAGE).expect("a message");
        for (start, heard) in [("message_sent", Heard::Acked(7)), ("new_message", Heard::Delivered(7))] {
            let relayed = text(format!(r#"{{"type":"{start}""#).as_bytes(), said);
            assert_eq!(scan(&relayed).map(|frame| (frame.kind, read(frame.payload))), Some((Kind::Text, heard)));
        }
    }

    #[test]
    fn a_ping_is_answered_with_what_it_carries() {
        assert_eq!(pong(b"hi"), b"\x8a\x82\0\0\0\0hi");
    }
}
