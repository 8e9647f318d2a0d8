//! What a connected client may say, and what is answered.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    collections::BTreeMap,
    mem,
    sync::Arc,
    time::Duration,
};

use chrono::Utc;
use neonchat_common::{
    correlation::{self, CorrelationId},
    error::{ApiError, ErrorCode},
    ids::{ChatId, SendId, Seq},
    message::MessageText,
    token::Claims,
    trace::{self, TraceContext},
};
use tokio::time::Instant;
use tracing::info_span;

use super::{
    catch_up::catch_up,
    close::CloseReason,
    pace::{Pace, Weight},
    protocol::{ClientFrame, Frame, ServerFrame, Token},
};
use crate::{chat_service::NewMessage, hub::Socket, state::State};

/// The longest that a connection lives. An `exp` may be a number that no timer can hold.
const MAX_TIME: Duration = Duration::from_hours(24 * 365);

/// An authenticated connection.
pub(crate) struct Session<'a> {
    socket: Arc<Socket>,
    state: &'a State,
    pace: RefCell<Pace>,
    /// When its token expires, and it with it.
    pub(crate) expires: Cell<Instant>,
}

impl<'a> Session<'a> {
    pub(crate) fn new(socket: Arc<Socket>, claims: &Claims, state: &'a State) -> Self {
        let pace = Pace::new(state.settings.messages_per_second, Instant::now());
        Self { socket, state, pace: RefCell::new(pace), expires: Cell::new(expiry(claims)) }
    }

    /// Does what a frame asks for. Returns what is to be answered, if anything.
    pub(crate) async fn handle(&self, json: &str) -> Option<Frame> {
        let (frame, request_id) = match ClientFrame::parse(json) {
            Ok(frame) => {
                let frame = frame.with_request_id();
                let request_id = frame.request_id();
                (Ok(frame), request_id)
            }
            Err(bad) => (Err(bad.error), bad.request_id),
        };
        metrics::counter!("websocket_frames_total", "direction" => "in", "type" => label(&frame)).increment(1);
        let weight = if matches!(frame, Ok(ClientFrame::Message { .. })) { Weight::Message } else { Weight::Light };
        let paced = self.pace.borrow_mut().take(weight, Instant::now());
        let answer = match (paced, frame) {
            (Err(too_fast), _) => {
                if too_fast.is_abuse {
                    self.socket.outbox.close(CloseReason::Abuse);
                }
                Err(ApiError::from(&too_fast))
            }
            (Ok(()), Err(error)) => Err(error),
            (Ok(()), Ok(frame)) => {
                // A send is found in the logs under the id that its sender knows.
                let id = CorrelationId::accept(request_id.as_deref());
                let mut trace = begin_trace(&frame);
                let place = trace.context();
                let span = info_span!("frame", request.id = %id, user.id = %self.socket.user,
                    trace.id = place.trace_id().map(display));
                let acted = correlation::scope(id, place, span, self.act(frame, &mut trace)).await;
                acted.inspect_err(|error| trace.fail(error.code.as_str()))
            }
        };
        answer.unwrap_or_else(|error| Some(ServerFrame::error(request_id.map(Cow::Owned), &error).encode()))
    }

    async fn act(&self, frame: ClientFrame, trace: &mut trace::Span) -> Result<Option<Frame>, ApiError> {
        match frame {
            ClientFrame::Message { chat_id, text, request_id } => {
                self.send(chat_id, text, request_id.unwrap_or_else(SendId::new), trace).await.map(|()| None)
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
        request_id: SendId,
        trace: &mut trace::Span,
    ) -> Result<(), ApiError> {
        let chat_id = self.chat(chat).await?;
        let trace = mem::take(trace);
        let message = NewMessage { chat_id, sender_id: self.socket.user, text, request_id, trace };
        self.state.sending.submit(&self.socket, message).await
    }

    async fn typing(&self, chat: Option<ChatId>, is_typing: bool) -> Result<(), ApiError> {
        let chat_id = self.chat(chat).await?;
        let user_id = self.socket.user;
        let frame = ServerFrame::Typing { user_id, chat_id, is_typing }.encode();
        self.state.delivery.tell_typing(chat_id, user_id, &frame).await;
        Ok(())
    }

    async fn receipt(&self, chat: Option<ChatId>, read: Seq) -> Result<(), ApiError> {
        let chat = self.chat(chat).await?;
        Box::pin(self.state.delivery.mark_read(&self.socket, chat, read)).await
    }

    async fn sync(&self, request_id: Option<String>, cursors: BTreeMap<ChatId, Seq>) -> Result<(), ApiError> {
        let chats = Box::pin(catch_up(&self.state.delivery, &self.socket, cursors)).await?;
        // Through the outbox, so that it comes behind what was missed.
        self.socket.outbox.push_missed(ServerFrame::Synced { request_id, chats }.encode()).await;
        Ok(())
    }

    /// A newer token keeps the connection open for longer.
    async fn renew(&self, Token(token): &Token) -> Result<(), ApiError> {
        let claims = self.state.tokens.verify(token)?;
        if claims.user_id != self.socket.user {
            return Err(ApiError::new(
                ErrorCode::Forbidden,
                "The token belongs to another user. Open a new connection for that user.",
            ));
        }
        Box::pin(self.state.delivery.chat_service.check_token(claims.user_id, claims.jti)).await?;
        self.socket.renew(claims.jti);
        self.expires.set(expiry(&claims));
        Ok(())
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
        frame => trace::Span::entry(&TraceContext::default(), || trace::frame(frame.kind())),
    }
}

/// The type of a frame, as a label: none that a client makes up.
fn label(frame: &Result<ClientFrame, ApiError>) -> &'static str {
    frame.as_ref().map_or("bad", ClientFrame::kind)
}
