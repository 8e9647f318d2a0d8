//! A chat on this instance: delivers its events in order and once, whatever the order of their arrival.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use neonchat_common::ids::{ChatId, Seq, UserId};

use super::{EventFrames, Socket, SocketId};
use crate::protocol::Frame;

/// The most events in a reorder buffer. Events beyond it are fetched when the gap is filled.
const MAX_BUFFERED: usize = 256;

/// A durable event that the chat's sockets have to get.
#[derive(Debug)]
pub(crate) struct DurableEvent {
    pub(crate) seq: Seq,
    /// The user who caused it; `None` for a kind that this version does not know.
    pub(crate) sender: Option<UserId>,
    /// The frames for the sockets. Without one, a socket is told to fetch the event.
    pub(crate) frames: EventFrames,
    /// The sockets that sent it: they get an ack instead.
    pub(crate) exclude: Vec<SocketId>,
}

/// What happened to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// It is in the outboxes of this number of sockets.
    Delivered(usize),
    /// It waits in the reorder buffer for an earlier event.
    Buffered,
    /// It was delivered before.
    Duplicate,
}

impl Accepted {
    /// Returns the number of sockets that got the event.
    pub(crate) const fn sockets(self) -> usize {
        match self {
            Self::Delivered(sockets) => sockets,
            Self::Buffered | Self::Duplicate => 0,
        }
    }
}

/// A chat that has sockets on this instance.
#[derive(Debug)]
pub(super) struct Chat {
    id: ChatId,
    /// The `seq` of the next event to deliver.
    next: Seq,
    reorder_buffer: BTreeMap<Seq, DurableEvent>,
    sockets: Vec<ChatSocket>,
}

/// A socket of the chat, with its cursor.
#[derive(Debug)]
struct ChatSocket {
    socket: Arc<Socket>,
    /// The cursor at the time of joining: earlier events were not sent.
    join_cursor: Seq,
    /// The socket was sent everything from `join_cursor` up to here.
    cursor: Seq,
    /// Whether missed events are on their way. Later events are withheld until these are sent.
    is_catching_up: bool,
    /// Whether missed events were sent once. There is no second time, or a client could request them again and again.
    has_caught_up: bool,
}

/// How a socket catches up from the cursor of its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CatchUp {
    /// The client has everything up to the head.
    Complete { head: Seq },
    /// The client's cursor is ahead of what this instance has delivered. Only chat-service knows whether those events exist.
    /// Later events are withheld until [`Chat::advance_catch_up`]. The socket was sent everything up to `cursor`.
    Ahead { cursor: Seq },
    /// The client has to fetch the events: there are too many, or they were sent before. Events after `head` are sent.
    TooMany { head: Seq },
    /// The events after the client's cursor have to be sent. Later events are withheld until [`Chat::advance_catch_up`].
    Fetch,
}

/// How far a socket is in its catch-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CatchUpProgress {
    /// The socket has everything. Later events are sent to it.
    Complete,
    /// There are further events to send.
    Behind,
    SocketClosed,
}

impl Chat {
    /// Creates a chat whose next event follows `last_seq`.
    pub(super) fn new(id: ChatId, last_seq: Seq) -> Self {
        Self { id, next: last_seq + 1, reorder_buffer: BTreeMap::new(), sockets: Vec::new() }
    }

    pub(super) const fn next(&self) -> Seq {
        self.next
    }

    pub(super) fn has_gap(&self) -> bool {
        !self.reorder_buffer.is_empty()
    }

    pub(super) fn join(&mut self, socket: &Arc<Socket>) {
        if self.socket(socket.id).is_none() {
            let cursor = self.next - 1;
            let socket = Arc::clone(socket);
            self.sockets.push(ChatSocket {
                socket,
                join_cursor: cursor,
                cursor,
                is_catching_up: false,
                has_caught_up: false,
            });
        }
    }

    /// Like [`Chat::join`], for a socket that was opened before this instance knew the chat. The client knows the events up to
    /// `known` and is told to fetch the later ones.
    pub(super) fn join_late(&mut self, socket: &Arc<Socket>, known: Seq) {
        let head = self.next - 1;
        if head > known && self.socket(socket.id).is_none() {
            socket.outbox.mark_lagged(self.id, known + 1, head);
        }
        self.join(socket);
    }

    /// Removes a socket. Returns whether the chat has no more sockets.
    pub(super) fn leave(&mut self, socket: SocketId) -> bool {
        self.sockets.retain(|entry| entry.socket.id != socket);
        self.sockets.is_empty()
    }

    fn socket(&mut self, socket: SocketId) -> Option<&mut ChatSocket> {
        self.sockets.iter_mut().find(|entry| entry.socket.id == socket)
    }

    /// Starts catch-up for a client that has everything up to `client_cursor`. `may_send` tells whether this number of events may
    /// be sent to it. Returns `None` if the socket is closed.
    ///
    /// A client's cursor alone never suppresses an event: chat-service must have stored the event.
    pub(super) fn catch_up(
        &mut self,
        socket: SocketId,
        client_cursor: Seq,
        may_send: impl FnOnce(Seq) -> bool,
    ) -> Option<CatchUp> {
        let head = self.next - 1;
        let entry = self.socket(socket)?;
        if client_cursor > head {
            entry.is_catching_up = true;
            return Some(CatchUp::Ahead { cursor: entry.cursor });
        }
        if client_cursor >= entry.join_cursor {
            return Some(CatchUp::Complete { head });
        }
        // Missed events precede events that were sent since the join: they can no longer be sent in order.
        let is_too_late = entry.has_caught_up || entry.cursor > entry.join_cursor;
        if is_too_late || !may_send(head - client_cursor) {
            return Some(CatchUp::TooMany { head });
        }
        entry.cursor = client_cursor;
        entry.is_catching_up = true;
        entry.has_caught_up = true;
        Some(CatchUp::Fetch)
    }

    /// Records that a socket in catch-up was sent everything up to `seq`.
    pub(super) fn advance_catch_up(&mut self, socket: SocketId, seq: Seq) -> CatchUpProgress {
        let head = self.next - 1;
        let Some(entry) = self.socket(socket) else { return CatchUpProgress::SocketClosed };
        entry.cursor = seq;
        entry.is_catching_up = seq < head;
        if entry.is_catching_up { CatchUpProgress::Behind } else { CatchUpProgress::Complete }
    }

    /// Ends a catch-up that failed. Withheld events are announced by `lagged`; later events are sent.
    pub(super) fn abort_catch_up(&mut self, socket: SocketId) {
        let (chat, head) = (self.id, self.next - 1);
        if let Some(entry) = self.socket(socket).filter(|entry| entry.is_catching_up) {
            if head > entry.cursor {
                entry.socket.outbox.mark_lagged(chat, entry.cursor + 1, head);
                entry.cursor = head;
            }
            entry.is_catching_up = false;
        }
    }

    /// Delivers an event in order, buffers it, or drops a duplicate.
    pub(super) fn accept(&mut self, event: DurableEvent) -> Accepted {
        match event.seq.cmp(&self.next) {
            Ordering::Less => Accepted::Duplicate,
            Ordering::Greater => {
                if let Some(buffered) = self.reorder_buffer.get_mut(&event.seq) {
                    // The same event from another of its senders.
                    buffered.exclude.extend(event.exclude);
                } else if self.reorder_buffer.len() < MAX_BUFFERED {
                    self.reorder_buffer.insert(event.seq, event);
                }
                Accepted::Buffered
            }
            Ordering::Equal => {
                let delivered = self.deliver(&event);
                while let Some(event) = self.reorder_buffer.remove(&self.next) {
                    self.deliver(&event);
                }
                Accepted::Delivered(delivered)
            }
        }
    }

    /// Continues after `head`, although more was delivered: the database has lost the later events. `close` closes the sockets,
    /// because their clients have events that do not exist.
    pub(super) fn rewind(&mut self, head: Seq, close: impl Fn(&Socket)) {
        self.next = head + 1;
        self.reorder_buffer.clear();
        for entry in &mut self.sockets {
            (entry.join_cursor, entry.cursor) = (head, head);
            close(&entry.socket);
        }
    }

    /// Handles a send that failed from the view of its socket, although its event has arrived. The socket gets the event, if it is
    /// still in the reorder buffer, or `lagged`.
    pub(super) fn send_failed(&mut self, socket: SocketId, seq: Seq) {
        let (chat, is_past) = (self.id, seq < self.next);
        if let Some(event) = self.reorder_buffer.get_mut(&seq) {
            event.exclude.retain(|origin| *origin != socket);
        } else if let Some(entry) = self.socket(socket).filter(|_| is_past) {
            entry.socket.outbox.mark_lagged(chat, seq, seq);
        }
    }

    fn deliver(&mut self, event: &DurableEvent) -> usize {
        self.next = event.seq + 1;
        let mut delivered = 0;
        for entry in &mut self.sockets {
            if entry.is_catching_up || event.seq <= entry.cursor {
                continue;
            }
            entry.cursor = event.seq;
            if event.exclude.contains(&entry.socket.id) {
                continue;
            }
            let is_actor = event.sender == Some(entry.socket.user);
            match event.frames.get(is_actor) {
                Some(frame) => entry.socket.outbox.push_durable(self.id, event.seq, frame),
                None => entry.socket.outbox.mark_lagged(self.id, event.seq, event.seq),
            }
            delivered += 1;
        }
        delivered
    }

    /// Sends an ephemeral event to the sockets that `audience` selects.
    pub(super) fn notify(&self, audience: impl Fn(&Socket) -> bool, frame: &Frame) {
        for entry in self.sockets.iter().filter(|entry| audience(&entry.socket)) {
            entry.socket.outbox.push_ephemeral(frame);
        }
    }
}

#[cfg(test)]
mod tests;
