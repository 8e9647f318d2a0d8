//! What the micro-benchmarks measure and cannot reach from outside (docs/PERFORMANCE.md). Not part of the service.

use std::sync::Arc;

use chrono::Utc;
use futures_util::FutureExt as _;
use neonchat_common::ids::{MessageId, SendId, Seq, TokenId, UserId};

use crate::{
    chat_service::{StoredMessage, UserChat},
    hub::{DurableEvent, Hub, Socket},
    protocol::ClientFrame,
};

/// Reads a frame; returns whether it is one.
#[must_use]
pub fn parse(json: &str) -> bool {
    ClientFrame::parse(json).is_ok()
}

/// A chat with sockets, all of them on this instance and read at once.
#[derive(Debug)]
pub struct FanOut {
    hub: Hub,
    sockets: Vec<Arc<Socket>>,
    message: StoredMessage,
}

impl FanOut {
    /// A chat with so many sockets, in which messages of this text are sent.
    #[must_use]
    pub fn new(sockets: usize, text: &str) -> Self {
        let (hub, user, now) = (Hub::default(), UserId::new(), Utc::now());
        let chat = UserChat { id: neonchat_common::ids::ChatId::new(), last_seq: 0, partners: vec![UserId::new()] };
        let message = StoredMessage {
            id: MessageId::new(),
            chat_id: chat.id,
            sender_id: user,
            request_id: Some(SendId::new()),
            text: text.to_owned(),
            created_at: now,
            updated_at: now,
            seq: 0,
        };
        let attach = |_| {
            hub.enter(user);
            hub.attach(user, TokenId::new(), None, std::slice::from_ref(&chat))
        };
        let sockets = (0..sockets).map(attach).collect();
        Self { hub, sockets, message }
    }

    /// Encodes the next message; returns how long the frame is, in bytes.
    #[must_use]
    pub fn encode(&self) -> usize {
        self.message.frame().encode().len()
    }

    /// Delivers the next message to all sockets, and takes it from each outbox; returns its place.
    pub fn deliver(&mut self) -> Seq {
        self.message.seq += 1;
        let StoredMessage { seq, chat_id, sender_id, .. } = self.message;
        let frame = Some(self.message.frame().encode());
        self.hub.deliver(chat_id, DurableEvent { seq, sender: Some(sender_id), frame, origins: Vec::new() });
        for socket in &self.sockets {
            let _ = socket.outbox.next().now_or_never();
        }
        self.message.seq
    }
}
