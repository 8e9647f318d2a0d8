//! What a connected client may say, and what is answered.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    mem,
    sync::Arc,
    time::Duration,
};

use bytestring::ByteString;
use chrono::Utc;
use neonchat_common::{
    correlation::{self, CorrelationId},
    error::{ApiError, ErrorCode},
    ids::{ChatId, RequestId, SendId, Seq},
    message::MessageText,
    security::SecurityEvent,
    security_event,
    token::{Claims, TokenError},
    trace::{self, TraceContext},
};
use tokio::time::Instant;
use tracing::info_span;

use super::{catch_up::catch_up, run::Handler};
use crate::{
    chat_service::NewMessage,
    close::CloseReason,
    hub::Socket,
    limits::{Asked, Refusals, UserLimits},
    measures,
    protocol::{ClientFrame, Frame, ServerFrame, Token},
    state::State,
};

/// The chats in which a socket may be typing that are remembered until it is closed. In others typing ends by itself.
const MAX_TYPING: usize = 32;

/// The longest that a connection lives. An `exp` may be a number that no timer can hold.
const MAX_TIME: Duration = Duration::from_hours(24 * 365);

/// An authenticated connection.
pub(crate) struct Session<'a> {
    socket: Arc<Socket>,
    state: &'a State,
    limits: Arc<UserLimits>,
    refusals: Refusals,
    /// The chats in which it said last that its user is typing.
    typing: RefCell<VecDeque<ChatId>>,
    /// When its token expires, and it with it.
    expires: Cell<Instant>,
}

impl<'a> Session<'a> {
    pub(crate) fn new(socket: Arc<Socket>, claims: &Claims, limits: Arc<UserLimits>, state: &'a State) -> Self {
        Self {
            socket,
            state,
            limits,
            refusals: Refusals::new(Instant::now()),
            typing: RefCell::default(),
            expires: Cell::new(expiry(claims)),
        }
    }

    /// The socket is closed: its user does not type there any more.
    pub(crate) fn end(&self) {
        for chat in self.typing.take() {
            self.state.hub.typing.close(self.socket.user, chat, self.socket.id);
        }
    }

    /// Does what a frame asks for. Returns what is to be answered, if anything.
    async fn handle(&self, json: &str) -> Option<Frame> {
        let (frame, request_id) = match ClientFrame::parse(json) {
            Ok(frame) => {
                let frame = frame.with_request_id();
                let request_id = frame.request_id();
                (Ok(frame), request_id)
            }
            Err(bad) => (Err(bad.error), bad.request_id),
        };
        metrics::counter!("websocket_frames_total", "direction" => "in", "type" => label(&frame)).increment(1);
        let answer = match (self.take(asked(&frame)), frame) {
            (Err(error), _) | (Ok(()), Err(error)) => Err(error),
            (Ok(()), Ok(frame)) => {
                // A send is found in the logs under the id that its sender knows.
                let id = CorrelationId::accept(request_id.as_deref());
                let mut trace = begin_trace(&frame);
                let place = trace.context();
                let span = info_span!("frame", request.id = %id, user.id = %self.socket.user,
                    trace.id = place.trace_id().map(display));
                let act = async { self.act(frame, &mut trace).await.inspect_err(ApiError::log) };
                let acted = correlation::scope(id, place, span, act).await;
                acted.inspect_err(|error| trace.fail(error.code.as_str()))
            }
        };
        answer.unwrap_or_else(|error| Some(ServerFrame::error(request_id.map(Cow::Owned), &error).encode()))
    }

    /// Counts what the client asks for. A client that goes on although it is refused is closed.
    fn take(&self, asked: Asked) -> Result<(), ApiError> {
        let now = Instant::now();
        self.limits.take(asked, now).inspect_err(|_| {
            if self.refusals.add(now) {
                security_event!(SecurityEvent::SocketAbuse, user.id = %self.socket.user, socket.id = %self.socket.id);
                self.socket.outbox.close(CloseReason::Abuse);
            }
        })
    }

    async fn act(&self, frame: ClientFrame, trace: &mut trace::Span) -> Result<Option<Frame>, ApiError> {
        match frame {
            ClientFrame::Message { chat_id, text, request_id } => {
                let request_id = request_id.unwrap_or_else(|| SendId::new().into());
                self.send(chat_id, text, request_id, trace).await.inspect_err(measures::refused_send).map(|()| None)
            }
            ClientFrame::Typing { chat_id, is_typing } => self.typing(chat_id, is_typing).await.map(|()| None),
            ClientFrame::Receipt { chat_id, read } => self.receipt(chat_id, read).await.map(|()| None),
            ClientFrame::Presence { status } => {
                self.state.presence.set_status(&self.socket, status);
                Ok(None)
            }
            ClientFrame::Sync { request_id, cursors } => self.sync(request_id, cursors).await.map(|()| None),
            ClientFrame::Auth { token, .. } => self.renew(&token).await.map(|()| None),
            ClientFrame::Ping => Ok(Some(ServerFrame::Pong { server_time: Utc::now() }.encode())),
        }
    }

    /// It is answered when it is stored.
    async fn send(
        &self,
        chat: Option<ChatId>,
        text: MessageText,
        request_id: RequestId,
        trace: &mut trace::Span,
    ) -> Result<(), ApiError> {
        let chat_id = self.chat(chat).await?;
        let trace = mem::take(trace);
        let message = NewMessage { chat_id, sender_id: self.socket.user, text, request_id, trace };
        self.state.sending.submit(&self.socket, message).await
    }

    async fn typing(&self, chat: Option<ChatId>, is_typing: bool) -> Result<(), ApiError> {
        let chat = self.chat(chat).await?;
        if !is_typing {
            self.state.hub.typing.end(self.socket.user, chat);
            return Ok(());
        }
        self.state.hub.typing.begin(self.socket.user, chat, self.socket.id, Instant::now());
        let mut typing = self.typing.borrow_mut();
        if !typing.contains(&chat) {
            typing.truncate(MAX_TYPING - 1);
            typing.push_front(chat);
        }
        Ok(())
    }

    async fn receipt(&self, chat: Option<ChatId>, read: Seq) -> Result<(), ApiError> {
        let chat = self.chat(chat).await?;
        Box::pin(self.state.delivery.mark_read(&self.socket, chat, read)).await
    }

    async fn sync(&self, request_id: Option<String>, cursors: BTreeMap<ChatId, Seq>) -> Result<(), ApiError> {
        let may_have = |events| self.limits.take_missed(events, Instant::now());
        let chats = Box::pin(catch_up(&self.state.delivery, &self.socket, &cursors, may_have)).await?;
        // Through the outbox, so that it comes behind what was missed.
        self.socket.outbox.push_missed(ServerFrame::Synced { request_id, chats }.encode()).await;
        Ok(())
    }

    /// A newer token keeps the connection open for longer.
    async fn renew(&self, Token(token): &Token) -> Result<(), ApiError> {
        let claims = self.state.tokens.verify(token).inspect_err(|error| {
            if *error == TokenError::Invalid {
                self.report(SecurityEvent::TokenRejected);
            }
        })?;
        if claims.user_id != self.socket.user {
            return Err(ApiError::new(
                ErrorCode::Forbidden,
                "The token belongs to another user. Open a new connection for that user.",
            ));
        }
        let check = Box::pin(self.state.delivery.chat_service.check_token(claims.user_id, claims.jti)).await;
        check.inspect_err(|error| {
            if error.code == ErrorCode::Unauthorized {
                self.report(SecurityEvent::TokenRevoked);
            }
        })?;
        self.state.hub.renew(&self.socket, claims.jti);
        self.expires.set(expiry(&claims));
        Ok(())
    }

    fn report(&self, event: SecurityEvent) {
        security_event!(event, user.id = %self.socket.user, socket.id = %self.socket.id);
    }

    /// The chat that a frame is about: the one that it names, or the one that the socket is about.
    async fn chat(&self, named: Option<ChatId>) -> Result<ChatId, ApiError> {
        let Some(chat) = named.or(self.socket.scope) else {
            return Err(ApiError::invalid(
                "chat_id",
                "required",
                "is missing; it may be left out only on a connection opened with chat_id",
            ));
        };
        let is_joined = self.state.hub.is_joined(&self.socket, chat)
            // One so new that the word of it has not come here, or was lost. Boxed, like all that is rare, so that a
            // connection needs no room for it.
            || self.socket.carries(chat) && Box::pin(self.state.delivery.learn(self.socket.user, chat)).await?;
        if is_joined { Ok(chat) } else { Err(no_such_chat()) }
    }
}

impl Handler for Session<'_> {
    async fn text(&self, text: ByteString) -> Option<Frame> {
        self.handle(&text).await
    }

    fn count(&self) -> Result<(), ApiError> {
        self.take(Asked::Other)
    }

    fn expires(&self) -> Instant {
        self.expires.get()
    }
}

/// What a frame asks for, as far as it is limited.
fn asked(frame: &Result<ClientFrame, ApiError>) -> Asked {
    match frame {
        Ok(ClientFrame::Message { .. }) => Asked::Message,
        Ok(ClientFrame::Sync { cursors, .. }) => Asked::Sync(cursors.len()),
        Ok(ClientFrame::Auth { .. }) => Asked::Auth,
        Ok(
            ClientFrame::Typing { .. } | ClientFrame::Receipt { .. } | ClientFrame::Presence { .. } | ClientFrame::Ping,
        )
        | Err(_) => Asked::Other,
    }
}

/// When a token expires, by the clock of the timers.
fn expiry(claims: &Claims) -> Instant {
    Instant::now() + claims.time_left().min(MAX_TIME)
}

/// The same for a chat that there is not, one of others, and one that the socket is not about.
fn no_such_chat() -> ApiError {
    ApiError::new(ErrorCode::NotFound, "There is no such chat, or you are not a member of it.")
}

/// A frame begins a trace, unless it is of those that come by the clock.
fn begin_trace(frame: &ClientFrame) -> trace::Span {
    match frame {
        ClientFrame::Ping | ClientFrame::Presence { .. } => trace::Span::default(),
        frame => trace::Span::root(&TraceContext::default(), || trace::frame(frame.kind())),
    }
}

/// The type of a frame, as a label: none that a client makes up.
fn label(frame: &Result<ClientFrame, ApiError>) -> &'static str {
    frame.as_ref().map_or("bad", ClientFrame::kind)
}
