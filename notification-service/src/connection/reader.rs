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

use super::{close::CloseReason, protocol::MAX_FRAME_BYTES};

const FIN: u8 = 0x80;
const RESERVED_BITS: u8 = 0x70;
const CONTROL: u8 = 0x08;
const LENGTH: u8 = 0x7f;
const MAX_CONTROL_LENGTH: u8 = 125;

/// The reading half of a socket. It holds one frame, one message and what else came with them: each has a limit.
pub(super) struct Reader<S> {
    bytes: S,
    unread: BytesMut,
    /// The message of which fragments came, and not yet the last.
    fragments: Option<Fragments>,
}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Reader<S> {
    pub(super) fn new(bytes: S) -> Self {
        Self { bytes, unread: BytesMut::new(), fragments: None }
    }

    /// The next message, put together from its fragments. May be dropped half-way and called again: nothing is lost.
    ///
    /// # Errors
    /// None comes any more, for this reason: `Normal` where the connection is gone, else what is wrong with the frame.
    pub(super) async fn next(&mut self) -> Result<Message, CloseReason> {
        loop {
            while let Some((is_last, opcode, payload)) = self.frame()? {
                if let Some(message) = self.message(is_last, opcode, payload)? {
                    return Ok(message);
                }
            }
            if self.unread.is_empty() {
                // What is read is gone: a view of it would hold on to all of the buffer that it came in.
                self.unread = BytesMut::new();
            }
            match self.bytes.next().await {
                Some(Ok(bytes)) if self.unread.is_empty() => self.unread = bytes.into(),
                Some(Ok(bytes)) => self.unread.extend_from_slice(&bytes),
                Some(Err(_)) | None => return Err(CloseReason::Normal),
            }
        }
    }

    /// Throws away what comes next; `None` once the connection is gone.
    pub(super) async fn discard(&mut self) -> Option<()> {
        self.bytes.next().await.and_then(Result::ok).map(drop)
    }

    fn frame(&mut self) -> Result<Option<(bool, OpCode, BytesMut)>, CloseReason> {
        check_header(&self.unread)?;
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
        fragments.push(payload)?;
        if is_last {
            return fragments.end().map(Some);
        }
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

/// Refuses a frame by its first bytes, as far as they have come: what is too large is not waited for.
fn check_header(header: &[u8]) -> Result<(), CloseReason> {
    let [first, second, rest @ ..] = header else { return Ok(()) };
    let length = second & LENGTH;
    if first & RESERVED_BITS != 0 || first & CONTROL != 0 && (first & FIN == 0 || length > MAX_CONTROL_LENGTH) {
        return Err(CloseReason::ProtocolError);
    }
    let length = match length {
        126 => rest.first_chunk().map(|length| u64::from(u16::from_be_bytes(*length))),
        127 => rest.first_chunk().map(|length| u64::from_be_bytes(*length)),
        length => Some(length.into()),
    };
    match length {
        Some(length) if length > i64::MAX.unsigned_abs() => Err(CloseReason::ProtocolError),
        Some(length) if length > MAX_FRAME_BYTES as u64 => Err(CloseReason::TooBig),
        _ => Ok(()),
    }
}

/// The payloads of a message's frames, one behind the other.
struct Fragments {
    is_text: bool,
    bytes: BytesMut,
    /// So many of the bytes are whole characters.
    checked: usize,
}

impl Fragments {
    fn new(is_text: bool) -> Self {
        Self { is_text, bytes: BytesMut::new(), checked: 0 }
    }

    fn push(&mut self, payload: BytesMut) -> Result<(), CloseReason> {
        if self.bytes.len() + payload.len() > MAX_FRAME_BYTES {
            return Err(CloseReason::TooBig);
        }
        if self.bytes.is_empty() {
            self.bytes = payload;
        } else {
            self.bytes.extend_from_slice(&payload);
        }
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
