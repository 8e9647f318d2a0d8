//! What a connected client may say, and what is answered.

use std::{borrow::Cow, sync::Arc};

use chrono::Utc;
use neonchat_common::{
    correlation::{self, CorrelationId},
    error::{ApiError, ErrorCode},
    ids::{ChatId, SendId},
    message::MessageText,
};
use tracing::info_span;

use super::protocol::{ClientFrame, Frame, ServerFrame, Status};
use crate::{chat_service::NewMessage, delivery::Delivery, hub::Socket, presence::Presence};

/// An authenticated connection.
pub(crate) struct Session {
    socket: Arc<Socket>,
    delivery: Delivery,
    presence: Presence,
}

impl Session {
    pub(crate) const fn new(socket: Arc<Socket>, delivery: Delivery, presence: Presence) -> Self {
        Self { socket, delivery, presence }
    }

    /// Does what a frame asks for. Returns what is to be answered, if anything.
    pub(crate) async fn handle(&self, json: &str) -> Option<Frame> {
        let frame = match ClientFrame::parse(json) {
            Ok(frame) => frame,
            Err(bad) => return Some(ServerFrame::error(bad.request_id.map(Cow::Owned), &bad.error).encode()),
        };
        // A send is found in the logs under the id that its sender knows.
        let send_id = match &frame {
            ClientFrame::Message { request_id, .. } => Some(request_id.unwrap_or_else(SendId::new)),
            _ => None,
        };
        let id = send_id.map_or_else(CorrelationId::new, |id| CorrelationId::accept(Some(&id.to_string())));
        let span = info_span!("frame", request.id = %id, user.id = %self.socket.user);
        correlation::scope(id, span, self.act(frame, send_id)).await
    }

    async fn act(&self, frame: ClientFrame, send_id: Option<SendId>) -> Option<Frame> {
        let answer = match frame {
            ClientFrame::Message { chat_id, text, request_id } => {
                self.send(chat_id, text, request_id.or(send_id).unwrap_or_else(SendId::new)).await.map(Some)
            }
            ClientFrame::Typing { chat_id, is_typing } => self.typing(chat_id, is_typing).await.map(|()| None),
            ClientFrame::Presence { status } => {
                self.set_status(status).await;
                Ok(None)
            }
            ClientFrame::Ping => Ok(Some(ServerFrame::Pong { server_time: Utc::now() }.encode())),
        };
        answer.unwrap_or_else(|error| {
            let request_id = send_id.map(|id| Cow::Owned(id.to_string()));
            Some(ServerFrame::error(request_id, &error).encode())
        })
    }

    async fn send(&self, chat: Option<ChatId>, text: MessageText, request_id: SendId) -> Result<Frame, ApiError> {
        let chat_id = self.chat(chat)?;
        let message = NewMessage { chat_id, sender_id: self.socket.user, text, request_id };
        let (stored, status) = self.delivery.send(self.socket.id, message).await?;
        tracing::debug!(chat.id = %chat_id, message.id = %stored.message_id, message.seq = stored.seq, "sent");
        let ack = ServerFrame::MessageSent {
            request_id,
            status,
            message_id: stored.message_id,
            chat_id,
            seq: stored.seq,
            created_at: stored.created_at,
            duplicate: stored.duplicate,
        };
        Ok(ack.encode())
    }

    async fn typing(&self, chat: Option<ChatId>, is_typing: bool) -> Result<(), ApiError> {
        let chat_id = self.chat(chat)?;
        if !self.delivery.hub.is_joined(&self.socket, chat_id) {
            return Err(no_such_chat());
        }
        let user_id = self.socket.user;
        let frame = ServerFrame::Typing { user_id, chat_id, is_typing }.encode();
        self.delivery.tell_chat(chat_id, user_id, &frame).await;
        Ok(())
    }

    async fn set_status(&self, status: Status) {
        self.presence.set_status(&self.socket, status).await;
    }

    /// The chat that a frame is about: the one that it names, or the one that the socket is about.
    fn chat(&self, named: Option<ChatId>) -> Result<ChatId, ApiError> {
        match named.or(self.socket.scope) {
            None => Err(ApiError::invalid("chat_id", "required", "is missing, and the socket is not about one chat")),
            Some(chat) if self.socket.carries(chat) => Ok(chat),
            Some(_) => Err(no_such_chat()),
        }
    }
}

/// The same for a chat that there is not, one of others, and one that the socket is not about.
fn no_such_chat() -> ApiError {
    ApiError::new(ErrorCode::NotFound, "There is no such chat, or you are not in it.")
}
