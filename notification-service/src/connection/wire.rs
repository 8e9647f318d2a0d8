//! The socket behind a small trait, so that a connection can be tested with a scripted one.

use std::io::ErrorKind;

use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, MessageStream, ProtocolError, Session};
use bytestring::ByteString;

use super::{
    close::CloseReason,
    protocol::{Frame, MAX_FRAME_BYTES},
};

/// What comes from the peer.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A text frame.
    Text(ByteString),
    /// A frame that is not text.
    Binary,
    /// A sign of life, answered if need be.
    Alive,
    /// It ends, for this reason; the last of it.
    Closed(CloseReason),
}

/// The peer takes nothing any more.
#[derive(Debug)]
pub(crate) struct Gone;

/// A socket.
pub(crate) trait Wire {
    /// What comes next. May be dropped half-way and called again: nothing is lost.
    async fn receive(&mut self) -> Incoming;
    /// Writes a text frame. Waits while the peer does not read.
    async fn send(&mut self, frame: Frame) -> Result<(), Gone>;
    /// Asks for a sign of life.
    async fn ping(&mut self) -> Result<(), Gone>;
    /// Says goodbye.
    async fn close(self, reason: CloseReason);
}

/// A socket of actix.
pub(crate) struct ActixWire {
    session: Session,
    messages: AggregatedMessageStream,
}

impl ActixWire {
    pub(crate) fn new(session: Session, messages: MessageStream) -> Self {
        let messages = messages.max_frame_size(MAX_FRAME_BYTES).aggregate_continuations();
        Self { session, messages: messages.max_continuation_size(MAX_FRAME_BYTES) }
    }
}

impl Wire for ActixWire {
    async fn receive(&mut self) -> Incoming {
        match self.messages.recv().await {
            Some(Ok(AggregatedMessage::Text(text))) => Incoming::Text(text),
            Some(Ok(AggregatedMessage::Binary(_))) => Incoming::Binary,
            Some(Ok(AggregatedMessage::Ping(payload))) => match self.session.pong(&payload).await {
                Ok(()) => Incoming::Alive,
                Err(_) => Incoming::Closed(CloseReason::Normal),
            },
            Some(Ok(AggregatedMessage::Pong(_))) => Incoming::Alive,
            Some(Ok(AggregatedMessage::Close(_))) | None => Incoming::Closed(CloseReason::Normal),
            Some(Err(error)) => Incoming::Closed(reason(&error)),
        }
    }

    async fn send(&mut self, frame: Frame) -> Result<(), Gone> {
        self.session.text(frame).await.map_err(|_| Gone)
    }

    async fn ping(&mut self) -> Result<(), Gone> {
        self.session.ping(b"").await.map_err(|_| Gone)
    }

    async fn close(self, reason: CloseReason) {
        let (code, description) = reason.code();
        let reason = actix_ws::CloseReason { code: CloseCode::from(code), description: Some(description.to_owned()) };
        // The peer may be gone, which is as good.
        let _ = self.session.close(Some(reason)).await;
    }
}

/// What a broken frame is answered with (RFC 6455, section 7.4.1).
fn reason(error: &ProtocolError) -> CloseReason {
    match error {
        ProtocolError::Overflow => CloseReason::TooBig,
        ProtocolError::Io(error) => match error.kind() {
            ErrorKind::InvalidData | ErrorKind::InvalidInput => CloseReason::InvalidUtf8,
            // How actix-ws tells that the fragments of a message are too large together.
            ErrorKind::Other => CloseReason::TooBig,
            _ => CloseReason::Normal,
        },
        _ => CloseReason::ProtocolError,
    }
}
