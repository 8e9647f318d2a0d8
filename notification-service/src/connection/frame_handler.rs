//! Handles the frames of a connected client.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytestring::ByteString;
use chrono::{DateTime, Utc};
use neonchat_common::{
    correlation::{self, CorrelationId},
    error::{ApiError, ErrorCode, NO_SUCH_CHAT},
    ids::{ChatId, RequestId, Seq},
    message::MessageText,
    security::SecurityEvent,
    security_event,
    token::{Claims, TokenError, TokenRef},
    trace::{self, TraceContext},
};
use tokio::time::Instant;
use tracing::info_span;

use super::{catch_up::CatchUpSender, run::Handler};
use crate::{
    chat_service::{ClientChange, Marked, NewMessage},
    close::CloseReason,
    hub::{Markers, Socket},
    limits::{RejectionCounter, RequestKind, UserLimits},
    metrics::{BAD_TYPE, count_refused_send},
    protocol::{Acked, ClientFrame, Frame, Given, NewChange, NewDraft, ServerFrame, Token},
    request_queue::NewRequest,
    state::AppState,
};

/// The most chats per socket in which typing is remembered until the socket closes. In further chats typing ends by its
/// timeout.
const MAX_TYPING_CHATS: usize = 32;

/// The longest lifetime of a connection. An `exp` may exceed what a timer can hold.
const MAX_CONNECTION_LIFETIME: Duration = Duration::from_hours(24 * 365);

/// The frame handler of an authenticated connection.
pub(crate) struct FrameHandler<'a> {
    socket: Arc<Socket>,
    state: &'a AppState,
    limits: Arc<UserLimits>,
    rejections: RejectionCounter,
    /// The chats in which the client last said that its user is typing.
    typing: RefCell<VecDeque<ChatId>>,
    /// When the token, and with it the connection, expires.
    expires_at: Cell<Instant>,
}

impl<'a> FrameHandler<'a> {
    pub(crate) fn new(socket: Arc<Socket>, claims: &Claims, limits: Arc<UserLimits>, state: &'a AppState) -> Self {
        Self {
            socket,
            state,
            limits,
            rejections: RejectionCounter::new(Instant::now()),
            typing: RefCell::default(),
            expires_at: Cell::new(expiry(claims)),
        }
    }

    /// Handles a text frame. Returns the answer, if there is one.
    async fn handle(&self, json: &str) -> Option<Frame> {
        let (frame, request_id) = match ClientFrame::parse(json) {
            Ok(frame) => {
                let request_id = frame.request_id();
                (Ok(frame), request_id)
            }
            Err(bad) => (Err(bad.error), bad.request_id),
        };
        metrics::counter!("websocket_frames_total", "direction" => "in", "type" => label(&frame)).increment(1);
        let answer = match (self.check_rate(request_kind(&frame)), frame) {
            (Err(error), _) | (Ok(()), Err(error)) => Err(error),
            (Ok(()), Ok(frame)) => {
                // The logs have a send under the ID that its sender chose.
                let id = CorrelationId::accept(request_id.as_deref());
                let trace = start_trace(&frame);
                let context = trace.context();
                let span = info_span!("frame", request.id = %id, user.id = %self.socket.user,
                    trace.id = context.trace_id().map(display));
                let act = async { self.act(frame, trace).await.inspect_err(ApiError::log) };
                correlation::scope(id, context, span, act).await
            }
        };
        answer.unwrap_or_else(|error| Some(ServerFrame::error(request_id.map(Cow::Owned), &error).encode()))
    }

    /// Checks the user's rate limit. Closes a client that keeps exceeding it.
    fn check_rate(&self, kind: RequestKind) -> Result<(), ApiError> {
        let now = Instant::now();
        self.limits.acquire(kind, now).inspect_err(|_| {
            if self.rejections.record(now) {
                security_event!(SecurityEvent::SocketAbuse, user.id = %self.socket.user, socket.id = %self.socket.id);
                self.socket.outbox.close(CloseReason::Abuse);
            }
        })
    }

    async fn act(&self, frame: ClientFrame, mut trace: trace::Span) -> Result<Option<Frame>, ApiError> {
        let done = match frame {
            ClientFrame::Message { chat_id, text, given, request_id } => {
                return self
                    .send(chat_id, (text, given), request_id, trace)
                    .await
                    .inspect_err(count_refused_send)
                    .map(|()| None);
            }
            ClientFrame::Change { chat_id, change, request_id } => {
                return self.change(chat_id, change, request_id, trace).await.map(|()| None);
            }
            ClientFrame::Typing { chat_id, is_typing, .. } => self.typing(chat_id, is_typing).await,
            ClientFrame::Receipt { chat_id, markers, request_id } => {
                let written = self.receipt(chat_id, markers, request_id).await;
                return written.inspect_err(|error| trace.fail(error.code.as_str()));
            }
            ClientFrame::Draft { request_id, chat_id, draft } => {
                let stored = Box::pin(self.draft(chat_id, &draft)).await;
                let ack = |chat_id| {
                    let request_id = Cow::Borrowed(request_id.as_deref()?);
                    Some(ServerFrame::Ack { request_id, chat_id, acked: Acked::Other {} }.encode())
                };
                return stored.inspect_err(|error| trace.fail(error.code.as_str())).map(ack);
            }
            ClientFrame::Presence { status, .. } => {
                self.state.presence.set_status(&self.socket, status);
                Ok(())
            }
            ClientFrame::Sync { request_id, cursors } => self.sync(request_id, cursors).await,
            ClientFrame::Auth { request_id, token } => {
                let renewed = self.renew_token(&token).await;
                let confirm = |expires_at| {
                    request_id.map(|request_id| ServerFrame::AuthOk { request_id: &request_id, expires_at }.encode())
                };
                return renewed.inspect_err(|error| trace.fail(error.code.as_str())).map(confirm);
            }
            ClientFrame::Ping { request_id } => {
                let pong = ServerFrame::Pong { request_id: request_id.as_deref(), server_time: Utc::now() };
                return Ok(Some(pong.encode()));
            }
        };
        done.inspect_err(|error| trace.fail(error.code.as_str())).map(|()| None)
    }

    /// Queues a message. The answer follows when the message is stored.
    async fn send(
        &self,
        chat: Option<ChatId>,
        (text, given): (MessageText, Given),
        request_id: RequestId,
        mut trace: trace::Span,
    ) -> Result<(), ApiError> {
        let chat_id = self.chat_to_write(chat).await.inspect_err(|error| trace.fail(error.code.as_str()))?;
        let message = NewMessage { chat_id, sender_id: self.socket.user, text, given, request_id, trace };
        self.state.requests.submit(&self.socket, NewRequest::Send(message)).await
    }

    /// Queues a change. The answer follows when the change is made.
    async fn change(
        &self,
        chat: Option<ChatId>,
        change: NewChange,
        request_id: RequestId,
        mut trace: trace::Span,
    ) -> Result<(), ApiError> {
        let chat = self.chat_to_write(chat).await.inspect_err(|error| trace.fail(error.code.as_str()))?;
        let change = ClientChange { user: self.socket.user, chat, request_id, change, trace };
        self.state.requests.submit(&self.socket, NewRequest::Change(change)).await
    }

    async fn typing(&self, chat: Option<ChatId>, is_typing: bool) -> Result<(), ApiError> {
        let chat = self.chat(chat).await?;
        let (hub, user) = (&self.state.hub, self.socket.user);
        let class = if is_typing { hub.class_for_typing(user, chat, Utc::now()) } else { None };
        let Some(class) = class else {
            hub.typing.end(user, chat);
            return Ok(());
        };
        hub.typing.begin(user, (chat, class), self.socket.id, Instant::now());
        let mut typing = self.typing.borrow_mut();
        if !typing.contains(&chat) {
            typing.truncate(MAX_TYPING_CHATS - 1);
            typing.push_front(chat);
        }
        Ok(())
    }

    /// Takes a receipt. One with a `request_id` is answered when it is written.
    async fn receipt(
        &self,
        chat: Option<ChatId>,
        markers: Markers,
        request_id: Option<String>,
    ) -> Result<Option<Frame>, ApiError> {
        let (chat_id, receipts) = (self.chat(chat).await?, &self.state.receipts);
        let Some(request_id) = request_id else {
            receipts.take(&self.socket, chat_id, markers);
            return Ok(None);
        };
        let Marked { markers, unread_count, .. } = Box::pin(receipts.write(&self.socket, chat_id, markers)).await?;
        let acked = Acked::Receipt { read_seq: markers.read, unread_count };
        Ok(Some(ServerFrame::Ack { request_id: request_id.into(), chat_id, acked }.encode()))
    }

    /// Stores a draft. Returns its chat.
    async fn draft(&self, chat: Option<ChatId>, draft: &NewDraft) -> Result<ChatId, ApiError> {
        let chat = self.chat(chat).await?;
        self.state.drafts.set(&self.socket, chat, draft).await?;
        Ok(chat)
    }

    async fn sync(&self, request_id: Option<String>, cursors: BTreeMap<ChatId, Seq>) -> Result<(), ApiError> {
        let may_send = |events| self.limits.acquire_backlog(events, Instant::now());
        let sender = CatchUpSender {
            hub: &self.state.hub,
            chat_service: &self.state.chat_service,
            resync: &self.state.resync,
            fresh_heads: &self.state.fresh_heads,
            socket: &self.socket,
        };
        let outbox = &self.socket.outbox;
        outbox.begin_sync();
        let chats = Box::pin(sender.run(&cursors, may_send)).await.inspect_err(|_| outbox.cancel_sync())?;
        // Through the outbox, so that it follows the missed events.
        outbox.push_synced(request_id, chats).await;
        Ok(())
    }

    /// Replaces the connection's token by a newer one. Returns when that expires.
    async fn renew_token(&self, Token(token): &Token) -> Result<DateTime<Utc>, ApiError> {
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
        let check = Box::pin(self.state.chat_service.check_token(claims.user_id, TokenRef::from(&claims))).await;
        check.inspect_err(|error| {
            if error.code == ErrorCode::Unauthorized {
                self.report(SecurityEvent::TokenRevoked);
            }
        })?;
        self.state.hub.replace_token(&self.socket, &claims);
        self.expires_at.set(expiry(&claims));
        Ok(claims.expires_at())
    }

    fn report(&self, event: SecurityEvent) {
        security_event!(event, user.id = %self.socket.user, socket.id = %self.socket.id);
    }

    /// Returns the chat of a frame, if the user is a member of it.
    async fn chat(&self, named: Option<ChatId>) -> Result<ChatId, ApiError> {
        let chat = self.covered_chat(named)?;
        if self.is_member(chat).await? { Ok(chat) } else { Err(no_such_chat()) }
    }

    /// Returns the chat of a frame that stores something. chat-service decides about the membership, because it also answers a
    /// former member who repeats a request.
    async fn chat_to_write(&self, named: Option<ChatId>) -> Result<ChatId, ApiError> {
        let chat = self.covered_chat(named)?;
        self.is_member(chat).await?;
        Ok(chat)
    }

    /// Returns the chat that a frame names, or the chat of a scoped socket.
    fn covered_chat(&self, named: Option<ChatId>) -> Result<ChatId, ApiError> {
        let Some(chat) = named.or(self.socket.scope) else {
            return Err(ApiError::invalid(
                "chat_id",
                "required",
                "is missing; it may be left out only on a connection opened with chat_id",
            ));
        };
        if self.socket.covers(chat) { Ok(chat) } else { Err(no_such_chat()) }
    }

    /// Returns whether the user is a member of a chat. Adds the chat to the hub if it was not known here.
    async fn is_member(&self, chat: ChatId) -> Result<bool, ApiError> {
        Ok(self.state.hub.is_joined(&self.socket, chat)
            // A new chat whose announcement has not arrived, or was lost. Boxed, like all rare futures, so that a connection
            // reserves no memory for it.
            || Box::pin(self.state.resync.discover_chat(self.socket.user, chat)).await?)
    }
}

impl Handler for FrameHandler<'_> {
    async fn on_text(&self, text: ByteString) -> Option<Frame> {
        self.handle(&text).await
    }

    fn on_other(&self) -> Result<(), ApiError> {
        self.check_rate(RequestKind::Other)
    }

    fn expires_at(&self) -> Instant {
        self.expires_at.get()
    }
}

/// Ends typing, because the socket is closed.
impl Drop for FrameHandler<'_> {
    fn drop(&mut self) {
        for chat in self.typing.take() {
            self.state.hub.typing.close(self.socket.user, chat, self.socket.id);
        }
    }
}

/// Returns the kind of a frame for the rate limiter.
fn request_kind(frame: &Result<ClientFrame, ApiError>) -> RequestKind {
    match frame {
        Ok(ClientFrame::Message { .. } | ClientFrame::Change { .. }) => RequestKind::Message,
        Ok(ClientFrame::Sync { cursors, .. }) => RequestKind::Sync(cursors.len()),
        Ok(ClientFrame::Auth { .. }) => RequestKind::Auth,
        Ok(
            ClientFrame::Typing { .. }
            | ClientFrame::Receipt { .. }
            | ClientFrame::Draft { .. }
            | ClientFrame::Presence { .. }
            | ClientFrame::Ping { .. },
        )
        | Err(_) => RequestKind::Other,
    }
}

/// Returns when a token expires, by the clock of the timers.
fn expiry(claims: &Claims) -> Instant {
    Instant::now() + claims.time_left().min(MAX_CONNECTION_LIFETIME)
}

/// The same error for an unknown chat, a chat of others, and a chat that a scoped socket does not cover.
fn no_such_chat() -> ApiError {
    ApiError::new(ErrorCode::NotFound, NO_SUCH_CHAT)
}

/// Starts the trace of a frame. Frames that clients send periodically have no trace.
fn start_trace(frame: &ClientFrame) -> trace::Span {
    match frame {
        ClientFrame::Ping { .. } | ClientFrame::Presence { .. } => trace::Span::default(),
        frame => trace::Span::root(&TraceContext::default(), || trace::frame(frame.kind())),
    }
}

/// Returns the type of a frame for a metric; never text of the client.
fn label(frame: &Result<ClientFrame, ApiError>) -> &'static str {
    frame.as_ref().map_or(BAD_TYPE, ClientFrame::kind)
}
