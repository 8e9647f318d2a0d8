//! The events of chats: requests, delivery, catch-up.

use neonchat_common::ids::{ChatId, Seq, UserId};

use super::{
    Accepted, CatchUpProgress, CatchUpStart, DurableEvent, Hub, Missed, Request, Socket, SocketId, chat::Chat,
};
use crate::{
    close::{CloseReason, RECONNECT_DELAY_MS},
    protocol::{Frame, ServerFrame, Typists},
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
        if let Some((chat, seq)) = self.pending_requests.end(user, request, socket) {
            self.chats.with(chat, |entry| entry.send_failed(socket, seq));
        }
    }

    /// Records the event that a request stored. Returns the sockets that wait for the ack.
    pub(crate) fn requesting_sockets(&self, user: UserId, request: Request, chat: ChatId, seq: Seq) -> Vec<SocketId> {
        self.pending_requests.record_event(user, request, chat, seq)
    }

    /// Delivers an event that a request may have stored, except to the sockets that wait for the ack of the request. They may be
    /// here although another instance stored it.
    pub(crate) fn deliver_requested(
        &self,
        chat: ChatId,
        mut event: DurableEvent,
        request: Option<Request>,
    ) -> Accepted {
        if let Some((sender, request)) = event.sender.zip(request) {
            event.exclude = self.requesting_sockets(sender, request, chat, event.seq);
        }
        self.deliver(chat, event)
    }

    /// Delivers a durable event to the chat's sockets, in order. Does nothing if the chat has no sockets here.
    pub(crate) fn deliver(&self, chat: ChatId, event: DurableEvent) -> Accepted {
        let (sender, changes_chat) = (event.sender, event.changes_chat());
        let (seq, mut event) = (event.seq, Some(event));
        let accept = |entry: &mut Chat| Some((entry.accept(event.take()?), entry.take_applied()));
        let Some((accepted, applied)) = self.chats.with(chat, accept).flatten() else {
            if let Some(change) = event.and_then(|event| event.membership) {
                self.apply_change(chat, seq, &change);
            }
            return Accepted::Delivered(0);
        };
        self.apply_to_users(chat, applied);
        self.chats.bound_rings();
        if accepted == Accepted::Buffered {
            self.gaps.add([chat]);
        }
        if changes_chat && accepted != Accepted::Duplicate {
            self.changed_chats.add([chat]);
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
        self.chats.with(chat, |entry| entry.notify(audience, frame));
    }

    /// Sends who types to the sockets of the chat, except to those of the only one who does.
    pub(crate) fn notify_typing(&self, chat_id: ChatId, typists: Typists) {
        let only = match &typists {
            Typists::One { user_id, .. } => Some(*user_id),
            Typists::Several { user_ids, .. } => user_ids.first().copied().filter(|_| user_ids.len() == 1),
        };
        let frame = ServerFrame::Typing { chat_id, typists }.encode();
        self.notify_chat(chat_id, |socket| Some(socket.user) != only, &frame);
    }

    /// See [`Chat::catch_up`](super::chat::Chat::catch_up).
    pub(crate) fn catch_up(
        &self,
        socket: &Socket,
        chat: ChatId,
        cursor: Seq,
        may_send: impl FnOnce(Seq) -> bool,
    ) -> Option<CatchUpStart> {
        self.chats.with(chat, |entry| entry.catch_up(socket.id, cursor, may_send))?
    }

    /// See [`Chat::has_recent`](super::chat::Chat::has_recent).
    pub(crate) fn has_recent(&self, chat: ChatId, after: Seq) -> bool {
        self.chats.with(chat, |entry| entry.has_recent(after)).unwrap_or(false)
    }

    /// See [`Chat::recent`](super::chat::Chat::recent).
    pub(crate) fn recent(&self, socket: &Socket, chat: ChatId, after: Seq, head: Seq) -> Option<Missed> {
        self.chats.with(chat, |entry| entry.recent(socket.id, after, head))?
    }

    /// See [`Chat::advance_catch_up`](super::chat::Chat::advance_catch_up).
    pub(crate) fn advance_catch_up(&self, socket: &Socket, chat: ChatId, seq: Seq) -> CatchUpProgress {
        let progress = self.chats.with(chat, |entry| entry.advance_catch_up(socket.id, seq));
        progress.unwrap_or(CatchUpProgress::Left)
    }

    /// See [`Chat::abort_catch_up`](super::chat::Chat::abort_catch_up).
    pub(crate) fn abort_catch_up(&self, socket: &Socket, chat: ChatId) {
        self.chats.with(chat, |entry| entry.abort_catch_up(socket.id));
    }

    /// Returns the `seq` of the next event to deliver in a chat.
    pub(crate) fn next_seq(&self, chat: ChatId) -> Option<Seq> {
        self.chats.with(chat, |entry| entry.next())
    }

    /// Continues chats after these heads, although more was delivered: the database was restored from a backup, or a replica that was
    /// behind was promoted. The chats' sockets are closed; their clients learn of the loss by `sync`.
    ///
    /// The database may also have lost removals, and those from chats without sockets here, too. So all of them are forgotten.
    pub(crate) fn rewind(&self, chats: &[(ChatId, Seq)]) {
        if chats.is_empty() {
            return;
        }
        let close = |socket: &Socket| {
            let after_ms = RECONNECT_DELAY_MS + fastrand::u64(0..RESTORE_WINDOW_MS);
            socket.outbox.close(CloseReason::Restart { after_ms });
        };
        for (chat, head) in chats {
            self.chats.with(*chat, |entry| entry.rewind(*head, close));
        }
        self.forget_removals();
    }

    /// Returns whether events of a chat wait in its reorder buffer.
    pub(crate) fn has_gap(&self, chat: ChatId) -> bool {
        self.chats.with(chat, |entry| entry.has_gap()).unwrap_or(false)
    }

    /// Returns the chats with sockets here.
    pub(crate) fn chats(&self) -> Vec<ChatId> {
        self.chats.ids()
    }
}
