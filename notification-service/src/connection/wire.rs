//! The socket behind a small trait, so that a connection can be tested with a scripted one.

use std::{future, pin::Pin, time::Duration};

use actix_http::ws::HandshakeError;
use actix_web::{
    FromRequest as _, HttpRequest, HttpResponse,
    body::{BodyStream, BoxBody, MessageBody as _},
    dev,
    http::{Version, header},
    web::Payload,
};
use actix_ws::{AggregatedMessage as Message, CloseCode, Session};
use bytes::Bytes;
use bytestring::ByteString;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};

use super::reader::Reader;
use crate::{close::CloseReason, protocol::Frame};

/// How long actix reads on when a body has ended, before it closes TCP: not at all, for [`ActixWire::close`] has done so.
/// Else each closing handshake takes that long, where RFC 6455, section 7.1.1, wants the server to close at once.
pub(crate) const DISCONNECT_TIMEOUT: Duration = Duration::ZERO;

/// A client that broke the protocol and then says nothing for so long has nothing more under way.
const QUIET: Duration = Duration::from_millis(200);

/// What comes from the peer.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A text frame.
    Text(ByteString),
    /// A frame that is not text.
    Binary,
    /// A question for a sign of life, with what the answer has to repeat.
    Ping(Bytes),
    /// A sign of life.
    Pong,
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
    /// Gives one.
    async fn pong(&mut self, payload: Bytes) -> Result<(), Gone>;
    /// Since when the peer has been sending a message that has not ended yet.
    fn message_begun(&self) -> Option<Instant>;
    /// Says goodbye.
    async fn close(self, reason: CloseReason);
}

/// A socket of actix.
pub(crate) struct ActixWire {
    session: Session,
    reader: Reader<Payload>,
    /// As long as it is there, TCP stays open.
    _open: oneshot::Sender<()>,
}

impl ActixWire {
    /// Answers a handshake. The socket is open once the response is on its way.
    ///
    /// # Errors
    /// It is none.
    pub(crate) async fn accept(
        request: &HttpRequest,
        bytes: Payload,
        protocols: &[&str],
    ) -> actix_web::Result<(HttpResponse, Self)> {
        if !is_handshake(request) {
            return Err(HandshakeError::NoWebsocketUpgrade.into());
        }
        // The bytes are read here: see `reader.rs`.
        let none = Payload::from_request(request, &mut dev::Payload::None).await?;
        let (response, session, _) = actix_ws::handle_with_protocols(request, none, protocols)?;
        let (open, closed) = oneshot::channel();
        let response = response.map_body(|_, body| held_open(body, closed));
        Ok((response, Self { session, reader: Reader::new(bytes), _open: open }))
    }
}

/// Whether the connection becomes a WebSocket after the head. actix-ws also accepts requests of HTTP/1.0, `Upgrade` headers that
/// only contain the word, and requests with a chunked body. After these heads actix-http goes on in HTTP, and would answer a
/// further request behind the 101, which a proxy takes for a part of the socket.
fn is_handshake(request: &HttpRequest) -> bool {
    let headers = request.headers();
    let is_upgrade =
        headers.get(header::UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let has_body = headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0");
    request.version() == Version::HTTP_11 && is_upgrade && !has_body
}

/// A body that does not end with the close frame, but with the connection.
fn held_open(mut body: BoxBody, closed: oneshot::Receiver<()>) -> BoxBody {
    let written = stream::poll_fn(move |context| Pin::new(&mut body).poll_next(context));
    let end = closed.into_stream().filter_map(|_| future::ready(None));
    BoxBody::new(BodyStream::new(written.chain(end)))
}

impl Wire for ActixWire {
    async fn receive(&mut self) -> Incoming {
        match self.reader.next().await {
            Ok(Message::Text(text)) => Incoming::Text(text),
            Ok(Message::Binary(_)) => Incoming::Binary,
            Ok(Message::Ping(payload)) => Incoming::Ping(payload),
            Ok(Message::Pong(_)) => Incoming::Pong,
            Ok(Message::Close(_)) => Incoming::Closed(CloseReason::Normal),
            Err(reason) => Incoming::Closed(reason),
        }
    }

    async fn send(&mut self, frame: Frame) -> Result<(), Gone> {
        self.session.text(frame.into_json()).await.map_err(|_| Gone)
    }

    async fn ping(&mut self) -> Result<(), Gone> {
        self.session.ping(b"").await.map_err(|_| Gone)
    }

    async fn pong(&mut self, payload: Bytes) -> Result<(), Gone> {
        self.session.pong(&payload).await.map_err(|_| Gone)
    }

    fn message_begun(&self) -> Option<Instant> {
        self.reader.message_begun()
    }

    async fn close(mut self, reason: CloseReason) {
        let (code, description) = reason.code();
        let frame = actix_ws::CloseReason { code: CloseCode::from(code), description: Some(description.to_owned()) };
        if self.session.close(Some(frame)).await.is_err() {
            return;
        }
        match reason {
            // The client's close frame came first.
            CloseReason::Normal => {}
            // What follows a bad frame is not understood. It is read all the same: where TCP is closed with bytes unread,
            // the client may never see why.
            CloseReason::ProtocolError | CloseReason::InvalidUtf8 | CloseReason::TooBig => {
                while let Ok(Some(())) = timeout(QUIET, self.reader.discard()).await {}
            }
            _ => while !matches!(self.reader.next().await, Ok(Message::Close(_)) | Err(_)) {},
        }
    }
}
