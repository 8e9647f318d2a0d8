//! Sends that have not been answered yet, and their sockets.

use dashmap::{DashMap, Entry};
use neonchat_common::ids::{ChatId, SendId, Seq, UserId};

use super::SocketId;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Sends(DashMap<(UserId, SendId), Sending>);

/// A message that is being sent.
#[derive(Debug, Default)]
struct Sending {
    /// By these sockets: more than one where it is sent again at the same time.
    sockets: Vec<SocketId>,
    /// As which event it has come here, if it has.
    event: Option<(ChatId, Seq)>,
}

impl Sends {
    /// A socket sends it.
    pub(super) fn begin(&self, user: UserId, request: SendId, socket: SocketId) {
        self.0.entry((user, request)).or_default().sockets.push(socket);
    }

    /// The socket is answered. Returns as which event the message has come here, if it has.
    pub(super) fn end(&self, user: UserId, request: SendId, socket: SocketId) -> Option<(ChatId, Seq)> {
        let Entry::Occupied(mut sending) = self.0.entry((user, request)) else { return None };
        sending.get_mut().sockets.retain(|other| *other != socket);
        let event = sending.get().event;
        if sending.get().sockets.is_empty() {
            sending.remove();
        }
        event
    }

    /// The message has come here as this event. Returns the sockets that are sending it.
    pub(super) fn senders(&self, user: UserId, request: SendId, chat: ChatId, seq: Seq) -> Vec<SocketId> {
        let Some(mut sending) = self.0.get_mut(&(user, request)) else { return Vec::new() };
        sending.event = Some((chat, seq));
        sending.sockets.clone()
    }

    /// Whether all are answered.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
