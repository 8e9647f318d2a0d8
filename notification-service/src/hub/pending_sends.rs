//! Sends without an answer, and their sockets.

use dashmap::{DashMap, Entry};
use neonchat_common::ids::{ChatId, SendId, Seq, UserId};

use super::SocketId;

/// The sends without an answer, by user and `request_id`.
#[derive(Debug, Default)]
pub(super) struct PendingSends(DashMap<(UserId, SendId), PendingSend>);

/// A send without an answer.
#[derive(Debug, Default)]
struct PendingSend {
    /// The sending sockets: several if the client repeats the send at the same time.
    sockets: Vec<SocketId>,
    /// The event of the message, if it has arrived.
    event: Option<(ChatId, Seq)>,
}

impl PendingSends {
    /// Adds a sending socket.
    pub(super) fn begin(&self, user: UserId, request_id: SendId, socket: SocketId) {
        self.0.entry((user, request_id)).or_default().sockets.push(socket);
    }

    /// Removes a socket that got its answer. Returns the event of the message, if it has arrived.
    pub(super) fn end(&self, user: UserId, request_id: SendId, socket: SocketId) -> Option<(ChatId, Seq)> {
        let Entry::Occupied(mut send) = self.0.entry((user, request_id)) else { return None };
        send.get_mut().sockets.retain(|other| *other != socket);
        let event = send.get().event;
        if send.get().sockets.is_empty() {
            send.remove();
        }
        event
    }

    /// Records the event of the message. Returns the sending sockets.
    pub(super) fn record_event(&self, user: UserId, request_id: SendId, chat: ChatId, seq: Seq) -> Vec<SocketId> {
        let Some(mut send) = self.0.get_mut(&(user, request_id)) else { return Vec::new() };
        send.event = Some((chat, seq));
        send.sockets.clone()
    }

    /// Returns whether every send has its answer.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
