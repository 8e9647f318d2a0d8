//! Sends and changes without an answer, and their sockets.

use dashmap::{DashMap, Entry};
use neonchat_common::ids::{ChatId, SendId, Seq, UserId};

use super::SocketId;

/// A request that stores an event, by its `request_id`. Messages and changes have `request_id`s of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Request {
    Message(SendId),
    Change(SendId),
}

/// The requests without an answer, by user.
#[derive(Debug, Default)]
pub(super) struct PendingRequests(DashMap<(UserId, Request), PendingRequest>);

/// A request without an answer.
#[derive(Debug, Default)]
struct PendingRequest {
    /// The requesting sockets: several if the client repeats the request at the same time.
    sockets: Vec<SocketId>,
    /// The stored event, if it has arrived.
    event: Option<(ChatId, Seq)>,
}

impl PendingRequests {
    /// Adds a requesting socket.
    pub(super) fn begin(&self, user: UserId, request: Request, socket: SocketId) {
        self.0.entry((user, request)).or_default().sockets.push(socket);
    }

    /// Removes a socket that got its answer. Returns the stored event, if it has arrived and the socket waits for no other answer to
    /// this request.
    pub(super) fn end(&self, user: UserId, request: Request, socket: SocketId) -> Option<(ChatId, Seq)> {
        let Entry::Occupied(mut pending) = self.0.entry((user, request)) else { return None };
        let PendingRequest { sockets, event } = pending.get_mut();
        if let Some(index) = sockets.iter().position(|other| *other == socket) {
            sockets.swap_remove(index);
        }
        let event = event.filter(|_| !sockets.contains(&socket));
        if pending.get().sockets.is_empty() {
            pending.remove();
        }
        event
    }

    /// Records the stored event. Returns the requesting sockets.
    pub(super) fn record_event(&self, user: UserId, request: Request, chat: ChatId, seq: Seq) -> Vec<SocketId> {
        let Some(mut pending) = self.0.get_mut(&(user, request)) else { return Vec::new() };
        pending.event = Some((chat, seq));
        pending.sockets.clone()
    }

    /// Returns whether every request has its answer.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
