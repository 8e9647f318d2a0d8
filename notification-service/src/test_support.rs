//! Access to internals for `benches/frames.rs` and `examples/echo.rs` (feature `test-support`). The service does not use it.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, rt, web::Payload};
use bytestring::ByteString;
use chrono::Utc;
use futures_util::FutureExt as _;
use neonchat_common::{
    error::ApiError,
    ids::{ChatId, MessageId, SendId, Seq, TokenId, UserId},
};
use tokio::time::{Duration, Instant};

use crate::{
    chat_service::StoredMessage,
    config::SocketSettings,
    connection::{
        run::{Handler, run},
        socket_io::{self, ActixSocket},
    },
    event_frame,
    hub::{DurableEvent, EventFrames, Hub, Socket, UserChat, outbox::Outbox},
    protocol::{ClientFrame, Frame},
};

/// The `ServerLimits::disconnect` of the server that [`accept`] needs.
pub const DISCONNECT_TIMEOUT: Duration = socket_io::DISCONNECT_TIMEOUT;

/// Parses a client frame. Returns whether it is valid.
#[must_use]
pub fn parse(json: &str) -> bool {
    ClientFrame::parse(json).is_ok()
}

/// Answers a handshake and runs the socket. Each text is answered with what `answer` returns.
///
/// # Errors
/// The request is not a WebSocket handshake.
pub async fn accept(
    request: &HttpRequest,
    body: Payload,
    settings: SocketSettings,
    answer: fn(ByteString) -> ByteString,
) -> actix_web::Result<HttpResponse> {
    let (response, socket) = ActixSocket::accept(request, body, &[]).await?;
    #[expect(clippy::disallowed_methods, reason = "the server of a benchmark")]
    rt::spawn(async move { run(&Outbox::default(), &Answering(answer), socket, settings).await });
    Ok(response)
}

struct Answering(fn(ByteString) -> ByteString);

impl Handler for Answering {
    async fn on_text(&self, text: ByteString) -> Option<Frame> {
        Some(Frame::opaque(self.0(text)))
    }

    fn on_other(&self) -> Result<(), ApiError> {
        Ok(())
    }

    fn expires_at(&self) -> Instant {
        Instant::now() + Duration::from_hours(24)
    }
}

/// A hub with one chat, and sockets that cover it.
#[derive(Debug)]
pub struct FanOut {
    hub: Hub,
    sockets: Vec<Arc<Socket>>,
    message: StoredMessage,
}

impl FanOut {
    /// Returns a chat with `sockets` sockets. Each message in it has this text.
    #[must_use]
    pub fn new(sockets: usize, text: &str) -> Self {
        let (hub, user, now) = (Hub::default(), UserId::new(), Utc::now());
        let chat = UserChat::direct(ChatId::new(), 0, UserId::new());
        let message = StoredMessage {
            changed_seq: None,
            deleted: false,
            extra: None,
            id: MessageId::new(),
            chat_id: chat.id,
            sender_id: user,
            request_id: Some(SendId::new()),
            text: text.to_owned(),
            created_at: now,
            updated_at: now,
            seq: 0,
        };
        let sockets = (0..sockets).map(|_| open(&hub, &chat)).collect();
        Self { hub, sockets, message }
    }

    /// Encodes the next message. Returns the size of the frame in bytes.
    #[must_use]
    pub fn encode(&self) -> usize {
        event_frame::new_message(&self.message).encode().len()
    }

    /// Lets the sockets of this number of further users join the chat, and then leave it in the order of joining.
    pub fn join_and_leave(&self, users: usize) {
        let chat = UserChat::direct(self.message.chat_id, 0, UserId::new());
        let joined: Vec<_> = (0..users).map(|_| open(&self.hub, &chat)).collect();
        for socket in joined {
            self.hub.unregister(&socket);
        }
    }

    /// Delivers the next message to all sockets and takes it from each outbox. Returns its `seq`.
    pub fn deliver(&mut self) -> Seq {
        self.message.seq += 1;
        let StoredMessage { seq, chat_id, sender_id, request_id, .. } = self.message;
        let frames = EventFrames::of_message(event_frame::new_message(&self.message).encode(), request_id);
        self.hub.deliver(chat_id, DurableEvent::new(seq, Some(sender_id), frames));
        for socket in &self.sockets {
            let _ = socket.outbox.next().now_or_never();
        }
        self.message.seq
    }
}

/// Opens a socket of a new member.
fn open(hub: &Hub, chat: &UserChat) -> Arc<Socket> {
    let user = UserId::new();
    hub.reserve(user);
    hub.register(user, TokenId::new(), None, std::slice::from_ref(chat))
}
