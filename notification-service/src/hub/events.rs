//! The events of chats: requests, delivery, catch-up.

use neonchat_common::ids::{ChatId, Seq, UserId};

use super::{Accepted, CatchUp, CatchUpProgress, DurableEvent, Hub, Request, Socket, SocketId};
use crate::{
    close::{CloseReason, RECONNECT_DELAY_MS},
    protocol::Frame,
};

/// The period over which clients of restored chats reconnect, in milliseconds.
const RESTORE_WINDOW_MS: u64 = 5000;

impl Hub {
    /// Records that a socket sends a request, so that the socket is excluded from the stored event until [`Hub::end_request`].
    pub(crate) fn begin_request(&self, user: UserId, request: Request, socket: SocketId) {
        self.pending_requests.begin(user, request, socket);
    }

    /// Records that the event was delivered here and the request acked.
    pub(crate) fn end_request(&self, user: UserId, request: Request, socket: SocketId) {
        self.pending_requests.end(user, request, socket);
    }

    /// Records that the socket gets no ack. If the event was stored all the same and has arrived, the socket gets `lagged`.
    pub(crate) fn fail_request(&self, user: UserId, request: Request, socket: SocketId) {
        if let Some((chat, seq)) = self.pending_requests.end(user, request, socket)
            && let Some(mut entry) = self.chats.get_mut(&chat)
        {
            entry.send_failed(socket, seq);
        }
    }

    /// Records the event that a request stored. Returns the sockets that wait for the ack.
    pub(crate) fn requesting_sockets(&self, user: UserId, request: Request, chat: ChatId, seq: Seq) -> Vec<SocketId> {
        self.pending_requests.record_event(user, request, chat, seq)
    }

    /// Delivers a durable event to the chat's sockets, in order. Does nothing if the chat has no sockets here.
    pub(crate) fn deliver(&self, chat: ChatId, event: DurableEvent) -> Accepted {
        let sender = event.sender;
        let Some(mut entry) = self.chats.get_mut(&chat) else { return Accepted::Delivered(0) };
        let accepted = entry.accept(event);
        drop(entry);
        if accepted == Accepted::Buffered {
            self.gaps.add([chat]);
        }
        // A duplicate does not end typing: its sender may have begun to type again.
        if let Some(sender) = sender
            && accepted != Accepted::Duplicate
        {
            self.typing.end(sender, chat);
        }
        accepted
    }

    /// Sends an ephemeral event to those sockets of the chat that `audience` selects.
    pub(crate) fn notify_chat(&self, chat: ChatId, audience: impl Fn(&Socket) -> bool, frame: &Frame) {
        if let Some(entry) = self.chats.get(&chat) {
            entry.notify(audience, frame);
        }
    }

    /// See [`Chat::catch_up`](super::chat::Chat::catch_up).
    pub(crate) fn catch_up(
        &self,
        socket: &Socket,
        chat: ChatId,
        cursor: Seq,
        may_send: impl FnOnce(Seq) -> bool,
    ) -> Option<CatchUp> {
        self.chats.get_mut(&chat)?.catch_up(socket.id, cursor, may_send)
    }

    /// See [`Chat::advance_catch_up`](super::chat::Chat::advance_catch_up).
    pub(crate) fn advance_catch_up(&self, socket: &Socket, chat: ChatId, seq: Seq) -> CatchUpProgress {
        let Some(mut entry) = self.chats.get_mut(&chat) else { return CatchUpProgress::SocketClosed };
        entry.advance_catch_up(socket.id, seq)
    }

    /// See [`Chat::abort_catch_up`](super::chat::Chat::abort_catch_up).
    pub(crate) fn abort_catch_up(&self, socket: &Socket, chat: ChatId) {
        if let Some(mut entry) = self.chats.get_mut(&chat) {
            entry.abort_catch_up(socket.id);
        }
    }

    /// Returns the `seq` of the next event to deliver in a chat.
    pub(crate) fn next_seq(&self, chat: ChatId) -> Option<Seq> {
        self.chats.get(&chat).map(|entry| entry.next())
    }

    /// Continues a chat after `head`, although more was delivered: the database was restored from a backup, or a replica that was
    /// behind was promoted. The chat's sockets are closed; their clients learn of the loss by `sync`.
    pub(crate) fn rewind(&self, chat: ChatId, head: Seq) {
        if let Some(mut entry) = self.chats.get_mut(&chat) {
            entry.rewind(head, |socket| {
                let after_ms = RECONNECT_DELAY_MS + fastrand::u64(0..RESTORE_WINDOW_MS);
                socket.outbox.close(CloseReason::Restart { after_ms });
            });
        }
    }

    /// Returns whether events of a chat wait in its reorder buffer.
    pub(crate) fn has_gap(&self, chat: ChatId) -> bool {
        self.chats.get(&chat).is_some_and(|entry| entry.has_gap())
    }

    /// Returns the chats with sockets here.
    pub(crate) fn chats(&self) -> Vec<ChatId> {
        self.chats.iter().map(|entry| *entry.key()).collect()
    }
}
