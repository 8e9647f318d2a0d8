//! The socket behind a small trait, so that tests can run a connection on a scripted socket.

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

use super::frame_reader::FrameReader;
use crate::{close::CloseReason, protocol::Frame};

/// How long actix reads on after a response body has ended, before it closes TCP. Zero, because [`ActixSocket::close`] has read
/// until then. Any more would delay each closing handshake, where RFC 6455, section 7.1.1, wants the server to close at once.
pub(crate) const DISCONNECT_TIMEOUT: Duration = Duration::ZERO;

/// After a protocol violation, a client that sends nothing for this time has no more data in flight.
const QUIET_PERIOD: Duration = Duration::from_millis(200);

/// What a client sends.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A text message.
    Text(ByteString),
    /// A binary message.
    Binary,
    /// A ping, with the payload that the pong has to repeat.
    Ping(Bytes),
    /// A pong.
    Pong,
    /// The end of the connection.
    Closed(CloseReason),
}

/// The client takes no more data.
#[derive(Debug)]
pub(crate) struct Disconnected;

/// A socket that a connection reads and writes.
pub(crate) trait SocketIo {
    /// Returns what the client sends next. Cancel-safe.
    async fn receive(&mut self) -> Incoming;
    /// Writes a text frame. Waits while the client does not read.
    async fn send(&mut self, frame: Frame) -> Result<(), Disconnected>;
    /// Sends a ping.
    async fn ping(&mut self) -> Result<(), Disconnected>;
    /// Sends a pong.
    async fn pong(&mut self, payload: Bytes) -> Result<(), Disconnected>;
    /// Returns when the client began a message whose end has not arrived.
    fn message_started_at(&self) -> Option<Instant>;
    /// Closes the connection with a close frame.
    async fn close(self, reason: CloseReason);
}

/// A socket of actix-web.
pub(crate) struct ActixSocket {
    session: Session,
    frame_reader: FrameReader<Payload>,
    /// Keeps TCP open until it is dropped.
    _open: oneshot::Sender<()>,
}

impl ActixSocket {
    /// Accepts a handshake. The socket opens when the response is sent.
    ///
    /// # Errors
    /// Fails if the request is not a WebSocket handshake.
    pub(crate) async fn accept(
        request: &HttpRequest,
        bytes: Payload,
        protocols: &[&str],
    ) -> actix_web::Result<(HttpResponse, Self)> {
        if !is_handshake(request) {
            return Err(HandshakeError::NoWebsocketUpgrade.into());
        }
        // `FrameReader` reads the bytes instead of actix-ws.
        let none = Payload::from_request(request, &mut dev::Payload::None).await?;
        let (response, session, _) = actix_ws::handle_with_protocols(request, none, protocols)?;
        let (open, closed) = oneshot::channel();
        let response = response.map_body(|_, body| held_open(body, closed));
        Ok((response, Self { session, frame_reader: FrameReader::new(bytes), _open: open }))
    }
}

/// Returns whether the connection becomes a WebSocket after the request's head. actix-ws also accepts HTTP/1.0, `Upgrade` headers
/// that merely contain the word, and requests with a chunked body. After such heads actix-http continues with HTTP, and would
/// answer a further request behind the 101, which a proxy takes for data of the socket.
fn is_handshake(request: &HttpRequest) -> bool {
    let headers = request.headers();
    let is_upgrade =
        headers.get(header::UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let has_body = headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0");
    request.version() == Version::HTTP_11 && is_upgrade && !has_body
}

/// Returns a body that ends with the connection instead of the close frame.
fn held_open(mut body: BoxBody, closed: oneshot::Receiver<()>) -> BoxBody {
    let written = stream::poll_fn(move |context| Pin::new(&mut body).poll_next(context));
    let end = closed.into_stream().filter_map(|_| future::ready(None));
    BoxBody::new(BodyStream::new(written.chain(end)))
}

impl SocketIo for ActixSocket {
    async fn receive(&mut self) -> Incoming {
        match self.frame_reader.next().await {
            Ok(Message::Text(text)) => Incoming::Text(text),
            Ok(Message::Binary(_)) => Incoming::Binary,
            Ok(Message::Ping(payload)) => Incoming::Ping(payload),
            Ok(Message::Pong(_)) => Incoming::Pong,
            Ok(Message::Close(_)) => Incoming::Closed(CloseReason::Normal),
            Err(reason) => Incoming::Closed(reason),
        }
    }

    async fn send(&mut self, frame: Frame) -> Result<(), Disconnected> {
        self.session.text(frame.into_json()).await.map_err(|_| Disconnected)
    }

    async fn ping(&mut self) -> Result<(), Disconnected> {
        self.session.ping(b"").await.map_err(|_| Disconnected)
    }

    async fn pong(&mut self, payload: Bytes) -> Result<(), Disconnected> {
        self.session.pong(&payload).await.map_err(|_| Disconnected)
    }

    fn message_started_at(&self) -> Option<Instant> {
        self.frame_reader.message_started_at()
    }

    async fn close(mut self, reason: CloseReason) {
        let (code, description) = reason.code();
        let frame = actix_ws::CloseReason { code: CloseCode::from(code), description: Some(description.to_owned()) };
        if self.session.close(Some(frame)).await.is_err() {
            return;
        }
        match reason {
            // The client's close frame arrived first.
            CloseReason::Normal => {}
            // The data after an invalid frame has no meaning. It is read all the same: if TCP is closed with unread data, the
            // client may never receive the close frame.
            CloseReason::ProtocolError | CloseReason::InvalidUtf8 | CloseReason::TooBig => {
                while let Ok(Some(())) = timeout(QUIET_PERIOD, self.frame_reader.discard()).await {}
            }
            _ => while !matches!(self.frame_reader.next().await, Ok(Message::Close(_)) | Err(_)) {},
        }
    }
}
