//! What a client sends: bytes to frames, frames to messages (RFC 6455, section 5).
//!
//! actix-http parses the frames. What stands between it and the socket is not actix-ws' `MessageStream`, since that takes
//! a frame in whole before it looks at its size, tells a reserved bit as it tells bad UTF-8, and loses what came together
//! with a bad frame and before it.

use actix_http::ws::{OpCode, Parser};
use actix_web::error::PayloadError;
use actix_ws::AggregatedMessage as Message;
use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use futures_util::{Stream, StreamExt as _};
use tokio::time::Instant;

use crate::{close::CloseReason, protocol::MAX_FRAME_BYTES};

const FIN: u8 = 0x80;
const RESERVED_BITS: u8 = 0x70;
const CONTROL: u8 = 0x08;
const LENGTH: u8 = 0x7f;
const MAX_CONTROL_LENGTH: u8 = 125;

/// The most fragments of one message. Only whole messages are counted by the rate limiter, and a fragment may be empty: without
/// this limit a client could keep a core busy with one message.
pub(crate) const MAX_FRAGMENTS: usize = 1024;

/// The longest that what stands before a payload is: two bytes, the length and the mask.
const MAX_HEADER_BYTES: usize = 14;

/// The reading half of a socket. While it waits for more, what it holds has one limit: the fragments of a message and the next
/// frame of it are together no longer than the largest message, and nothing else is kept in memory with them.
pub(super) struct Reader<S> {
    bytes: S,
    unread: BytesMut,
    /// Whether what is unread has a buffer to itself. What has just come is in one that it shares.
    is_compact: bool,
    /// The message of which fragments came, and not yet the last.
    fragments: Option<Fragments>,
    /// Since when it holds a part of a message.
    message_begun: Option<Instant>,
}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Reader<S> {
    pub(super) fn new(bytes: S) -> Self {
        Self { bytes, unread: BytesMut::new(), is_compact: false, fragments: None, message_begun: None }
    }

    /// Since when the client has been sending a message of which the end has not come. Known once the reader waits for it.
    pub(super) const fn message_begun(&self) -> Option<Instant> {
        self.message_begun
    }

    /// The next message, put together from its fragments. May be dropped half-way and called again: nothing is lost.
    ///
    /// # Errors
    /// None comes any more, for this reason: `Normal` where the connection is gone, else what is wrong with the frame.
    pub(super) async fn next(&mut self) -> Result<Message, CloseReason> {
        loop {
            while let Some((is_last, opcode, payload)) = self.frame()? {
                self.is_compact = false;
                let message = self.message(is_last, opcode, payload)?;
                if self.fragments.is_none() {
                    self.message_begun = None;
                }
                if let Some(message) = message {
                    return Ok(message);
                }
            }
            self.compact();
            match self.bytes.next().await {
                Some(Ok(bytes)) if self.unread.is_empty() => self.unread = bytes.into(),
                Some(Ok(bytes)) => self.unread.extend_from_slice(&bytes),
                Some(Err(_)) | None => return Err(CloseReason::Normal),
            }
        }
    }

    /// Before it waits: gives what is unread a buffer of its own, as large as the frame, for it would hold on to all of the
    /// buffer that it came in; and notes since when.
    fn compact(&mut self) {
        if self.unread.is_empty() {
            self.unread = BytesMut::new();
        } else if !self.is_compact {
            let length = payload_length(&self.unread).and_then(|length| usize::try_from(length).ok());
            let mut own = BytesMut::with_capacity(length.unwrap_or_default() + MAX_HEADER_BYTES);
            own.extend_from_slice(&self.unread);
            self.unread = own;
            // Until its length is known, the buffer is not that of the frame.
            self.is_compact = length.is_some();
        }
        let is_idle = self.unread.is_empty() && self.fragments.is_none();
        self.message_begun = if is_idle { None } else { self.message_begun.or_else(|| Some(Instant::now())) };
    }

    /// Throws away what comes next; `None` once the connection is gone.
    pub(super) async fn discard(&mut self) -> Option<()> {
        self.bytes.next().await.and_then(Result::ok).map(drop)
    }

    fn frame(&mut self) -> Result<Option<(bool, OpCode, BytesMut)>, CloseReason> {
        check_header(&self.unread, self.fragments.as_ref().map_or(0, |fragments| fragments.bytes.len()))?;
        let frame = Parser::parse(&mut self.unread, true, MAX_FRAME_BYTES);
        let frame = frame.map_err(|_| CloseReason::ProtocolError)?;
        Ok(frame.map(|(is_last, opcode, payload)| (is_last, opcode, payload.unwrap_or_default())))
    }

    /// The message that ends with this frame, if one does.
    fn message(&mut self, is_last: bool, opcode: OpCode, payload: BytesMut) -> Result<Option<Message>, CloseReason> {
        let mut fragments = match (opcode, self.fragments.take()) {
            (OpCode::Text | OpCode::Binary, None) => Fragments::new(opcode == OpCode::Text),
            (OpCode::Continue, Some(fragments)) => fragments,
            (OpCode::Ping | OpCode::Pong | OpCode::Close, fragments) => {
                self.fragments = fragments;
                return control(opcode, payload).map(Some);
            }
            _ => return Err(CloseReason::ProtocolError),
        };
        if is_last {
            fragments.push_last(payload)?;
            return fragments.end().map(Some);
        }
        fragments.push(&payload)?;
        self.fragments = Some(fragments);
        Ok(None)
    }
}

fn control(opcode: OpCode, payload: BytesMut) -> Result<Message, CloseReason> {
    match opcode {
        OpCode::Ping => Ok(Message::Ping(payload.freeze())),
        OpCode::Pong => Ok(Message::Pong(payload.freeze())),
        _ => Parser::try_parse_close_payload(&payload).map(Message::Close).map_err(|_| CloseReason::ProtocolError),
    }
}

/// Refuses a frame by its first bytes, as far as they have come: what is too large is not waited for. `held` is how long the
/// fragments before it are.
fn check_header(header: &[u8], held: usize) -> Result<(), CloseReason> {
    let [first, second, ..] = header else { return Ok(()) };
    let is_control = first & CONTROL != 0;
    if first & RESERVED_BITS != 0 || is_control && (first & FIN == 0 || second & LENGTH > MAX_CONTROL_LENGTH) {
        return Err(CloseReason::ProtocolError);
    }
    let room = MAX_FRAME_BYTES - if is_control { 0 } else { held };
    match payload_length(header) {
        Some(length) if length > i64::MAX.unsigned_abs() => Err(CloseReason::ProtocolError),
        Some(length) if length > room as u64 => Err(CloseReason::TooBig),
        _ => Ok(()),
    }
}

/// How long the payload of a frame is, where that has come.
fn payload_length(header: &[u8]) -> Option<u64> {
    let [_, second, rest @ ..] = header else { return None };
    match second & LENGTH {
        126 => rest.first_chunk().map(|length| u64::from(u16::from_be_bytes(*length))),
        127 => rest.first_chunk().map(|length| u64::from_be_bytes(*length)),
        length => Some(length.into()),
    }
}

/// The payloads of a message's frames, one behind the other.
struct Fragments {
    is_text: bool,
    bytes: BytesMut,
    /// The number of frames so far.
    count: usize,
    /// So many of the bytes are whole characters.
    checked: usize,
}

impl Fragments {
    fn new(is_text: bool) -> Self {
        Self { is_text, bytes: BytesMut::new(), count: 0, checked: 0 }
    }

    /// Copies a payload: it would hold on to the buffer that it came in.
    fn push(&mut self, payload: &[u8]) -> Result<(), CloseReason> {
        self.count += 1;
        let length = self.bytes.len() + payload.len();
        if length > MAX_FRAME_BYTES || self.count > MAX_FRAGMENTS {
            return Err(CloseReason::TooBig);
        }
        if length > self.bytes.capacity() {
            // A quarter larger than needed, so that not every fragment is copied again; and never larger than a message.
            let mut larger = BytesMut::with_capacity((length + length / 4).min(MAX_FRAME_BYTES));
            larger.extend_from_slice(&self.bytes);
            self.bytes = larger;
        }
        self.bytes.extend_from_slice(payload);
        self.check()
    }

    /// The last payload. A message in one frame is not copied.
    fn push_last(&mut self, payload: BytesMut) -> Result<(), CloseReason> {
        if !self.bytes.is_empty() {
            return self.push(&payload);
        }
        self.bytes = payload;
        self.check()
    }

    fn check(&mut self) -> Result<(), CloseReason> {
        if self.is_text {
            self.checked += match str::from_utf8(&self.bytes[self.checked..]) {
                Ok(text) => text.len(),
                // A character that is cut off may go on in the next frame.
                Err(error) if error.error_len().is_none() => error.valid_up_to(),
                Err(_) => return Err(CloseReason::InvalidUtf8),
            };
        }
        Ok(())
    }

    fn end(self) -> Result<Message, CloseReason> {
        let bytes = self.bytes.freeze();
        if self.is_text {
            ByteString::try_from(bytes).map(Message::Text).map_err(|_| CloseReason::InvalidUtf8)
        } else {
            Ok(Message::Binary(bytes))
        }
    }
}

#[cfg(test)]
mod tests;
