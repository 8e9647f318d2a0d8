//! Reads a socket: bytes to frames, frames to messages (RFC 6455, section 5).
//!
//! actix-http parses the frames. This replaces the `MessageStream` of actix-ws, which reads a whole frame before it checks its
//! size, reports a reserved bit like invalid UTF-8, and loses valid frames that arrive together with an invalid one.

use actix_http::ws::{OpCode, Parser};
use actix_web::error::PayloadError;
use actix_ws::AggregatedMessage as Message;
use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use futures_util::{Stream, StreamExt as _};
use tokio::time::Instant;

use crate::{close::CloseReason, protocol::MAX_FRAME_BYTES};

const FIN_BIT: u8 = 0x80;
const RESERVED_BITS: u8 = 0x70;
const CONTROL_BIT: u8 = 0x08;
const LENGTH_BITS: u8 = 0x7f;
const MAX_CONTROL_LENGTH: u8 = 125;

/// The most fragments of one message. The rate limiter counts only whole messages, and a fragment may be empty: without this
/// limit a client could keep a core busy with one message.
pub(crate) const MAX_FRAGMENTS: usize = 1024;

/// The longest header of a frame: two bytes, the length and the mask.
const MAX_HEADER_BYTES: usize = 14;

/// The reading half of a socket. Its memory is bounded while it waits for data: the fragments of a message and its next frame
/// are together no longer than the largest message, and keep no other data in memory.
pub(super) struct FrameReader<S> {
    bytes: S,
    unread: BytesMut,
    /// Whether `unread` has a buffer of its own. Data that has just arrived shares its buffer.
    is_compact: bool,
    /// The fragments of an incomplete message.
    fragments: Option<Fragments>,
    /// When the first part of the incomplete message arrived.
    message_started_at: Option<Instant>,
}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> FrameReader<S> {
    pub(super) fn new(bytes: S) -> Self {
        Self { bytes, unread: BytesMut::new(), is_compact: false, fragments: None, message_started_at: None }
    }

    /// Returns when the client began a message whose end has not arrived. Set once the reader waits for that end.
    pub(super) const fn message_started_at(&self) -> Option<Instant> {
        self.message_started_at
    }

    /// Returns the next message, assembled from its fragments. Cancel-safe.
    ///
    /// # Errors
    /// Fails when no further message can be read: with `ConnectionLost` if the client sent no close frame, else with the violation.
    pub(super) async fn next(&mut self) -> Result<Message, CloseReason> {
        loop {
            while let Some((is_last, opcode, payload)) = self.frame()? {
                self.is_compact = false;
                let message = self.message(is_last, opcode, payload)?;
                if self.fragments.is_none() {
                    self.message_started_at = None;
                }
                if let Some(message) = message {
                    return Ok(message);
                }
            }
            self.compact();
            match self.bytes.next().await {
                Some(Ok(bytes)) if self.unread.is_empty() => self.unread = bytes.into(),
                Some(Ok(bytes)) => self.unread.extend_from_slice(&bytes),
                Some(Err(_)) | None => return Err(CloseReason::ConnectionLost),
            }
        }
    }

    /// Prepares for waiting: copies unread bytes to a buffer as large as the frame, because they would keep the whole buffer
    /// of their arrival in memory; and records when the message began.
    fn compact(&mut self) {
        if self.unread.is_empty() {
            self.unread = BytesMut::new();
        } else if !self.is_compact {
            let length = payload_length(&self.unread).and_then(|length| usize::try_from(length).ok());
            let mut own = BytesMut::with_capacity(length.unwrap_or_default() + MAX_HEADER_BYTES);
            own.extend_from_slice(&self.unread);
            self.unread = own;
            // Until the frame's length is known, the buffer is too small for it.
            self.is_compact = length.is_some();
        }
        let is_idle = self.unread.is_empty() && self.fragments.is_none();
        self.message_started_at = if is_idle { None } else { self.message_started_at.or_else(|| Some(Instant::now())) };
    }

    /// Discards the next bytes. Returns `None` once the connection is closed.
    pub(super) async fn discard(&mut self) -> Option<()> {
        self.bytes.next().await.and_then(Result::ok).map(drop)
    }

    fn frame(&mut self) -> Result<Option<(bool, OpCode, BytesMut)>, CloseReason> {
        check_header(&self.unread, self.fragments.as_ref().map_or(0, |fragments| fragments.bytes.len()))?;
        let frame = Parser::parse(&mut self.unread, true, MAX_FRAME_BYTES);
        let frame = frame.map_err(|_| CloseReason::ProtocolError)?;
        Ok(frame.map(|(is_last, opcode, payload)| (is_last, opcode, payload.unwrap_or_default())))
    }

    /// Adds a frame. Returns the message that the frame completes, if it completes one.
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

/// Refuses a frame by its header, before its payload arrives. `buffered` is the length of the fragments before it.
fn check_header(header: &[u8], buffered: usize) -> Result<(), CloseReason> {
    let [first, second, ..] = header else { return Ok(()) };
    let is_control = first & CONTROL_BIT != 0;
    if first & RESERVED_BITS != 0 || is_control && (first & FIN_BIT == 0 || second & LENGTH_BITS > MAX_CONTROL_LENGTH) {
        return Err(CloseReason::ProtocolError);
    }
    let room = MAX_FRAME_BYTES - if is_control { 0 } else { buffered };
    match payload_length(header) {
        Some(length) if length > i64::MAX.unsigned_abs() => Err(CloseReason::ProtocolError),
        Some(length) if length > room as u64 => Err(CloseReason::TooBig),
        _ => Ok(()),
    }
}

/// Returns the payload length of a frame, if the header has arrived.
fn payload_length(header: &[u8]) -> Option<u64> {
    let [_, second, rest @ ..] = header else { return None };
    match second & LENGTH_BITS {
        126 => rest.first_chunk().map(|length| u64::from(u16::from_be_bytes(*length))),
        127 => rest.first_chunk().map(|length| u64::from_be_bytes(*length)),
        length => Some(length.into()),
    }
}

/// The concatenated payloads of a message's frames.
struct Fragments {
    is_text: bool,
    bytes: BytesMut,
    /// The number of frames.
    count: usize,
    /// The number of bytes that are known to be valid UTF-8.
    checked: usize,
}

impl Fragments {
    fn new(is_text: bool) -> Self {
        Self { is_text, bytes: BytesMut::new(), count: 0, checked: 0 }
    }

    /// Copies a payload, because it would keep the whole buffer of its arrival in memory.
    fn push(&mut self, payload: &[u8]) -> Result<(), CloseReason> {
        self.count += 1;
        let length = self.bytes.len() + payload.len();
        if length > MAX_FRAME_BYTES || self.count > MAX_FRAGMENTS {
            return Err(CloseReason::TooBig);
        }
        if length > self.bytes.capacity() {
            // A quarter larger than needed, so that not every fragment causes a copy; but never larger than a message.
            let mut larger = BytesMut::with_capacity((length + length / 4).min(MAX_FRAME_BYTES));
            larger.extend_from_slice(&self.bytes);
            self.bytes = larger;
        }
        self.bytes.extend_from_slice(payload);
        self.check()
    }

    /// Adds the last payload. The payload of an unfragmented message is not copied.
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
                // A truncated character may continue in the next frame.
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
