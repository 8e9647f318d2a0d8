//! The catch-up of a socket from the cursor of its client.

use chrono::Utc;
use neonchat_common::{
    chat::Role,
    ids::{ChatId, Seq},
};

use super::{Chat, ChatSocket, SocketId};
use crate::{hub::DurableEvent, protocol::Frame};

/// How a socket catches up, and where the chat begins for its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CatchUpStart {
    pub(crate) catch_up: CatchUp,
    /// The first `seq` that exists for the member.
    pub(crate) first_seq: Seq,
    pub(crate) role: Role,
}

/// How a socket catches up from the cursor of its client. A cursor before the first event that exists for the member counts as the
/// `seq` before that event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CatchUp {
    /// The client has everything up to the head.
    Complete { head: Seq },
    /// The client's cursor is ahead of what this instance has delivered. Only chat-service knows whether those events exist.
    /// Later events are withheld until [`Chat::advance_catch_up`]. The socket was sent everything up to `sent`.
    Ahead { client: Seq, sent: Seq },
    /// The client has to fetch the events: there are too many, or they were sent before, or `lagged` named them. Events after `head` are
    /// sent.
    TooMany { head: Seq },
    /// The events after the client's cursor `after` have to be sent. Later events are withheld until [`Chat::advance_catch_up`].
    Fetch { after: Seq },
}

/// Missed events of a chat, as a member gets them.
#[derive(Debug)]
pub(crate) struct Missed {
    /// The frame of each event; `None` if the client has to fetch it.
    pub(crate) frames: Vec<(Seq, Option<Frame>)>,
    /// The head of the chat.
    pub(crate) head: Seq,
    /// The first `seq` that exists for the member.
    pub(crate) first_seq: Seq,
}

/// How far a socket is in its catch-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CatchUpProgress {
    /// The socket has everything. Later events are sent to it.
    Complete,
    /// There are further events to send.
    Behind,
    /// The socket is not in the chat any more: it is closed, or its user is not a member. If the user has joined again, the catch-up was of the
    /// earlier membership.
    Left,
}

impl Chat {
    /// Starts catch-up for a client that has everything up to `client_cursor`. `may_send` tells whether this number of events may
    /// be sent to it. Returns `None` if the socket is not in the chat.
    ///
    /// A client's cursor alone never suppresses an event: chat-service must have stored the event.
    pub(in crate::hub) fn catch_up(
        &mut self,
        socket: SocketId,
        client_cursor: Seq,
        may_send: impl FnOnce(Seq) -> bool,
    ) -> Option<CatchUpStart> {
        let (chat, head) = (self.id, self.next - 1);
        let entry = self.socket(socket)?;
        let role = entry.role;
        let (client, first_seq) = (client_cursor.max(entry.from_seq), entry.from_seq + 1);
        // The client was told to fetch events, or was sent some, that are still to be delivered here.
        let is_before_sent = entry.has_caught_up && client < entry.cursor;
        let catch_up = if client > head && !is_before_sent {
            // The event by which the user joined is still to be delivered here, and the client asks for it.
            entry.cursor = entry.cursor.min(client);
            entry.withhold(chat);
            CatchUp::Ahead { client, sent: entry.cursor }
        } else if client <= head && client >= entry.join_cursor {
            CatchUp::Complete { head }
        // Missed events precede events that were sent since the join: they can no longer be sent in order.
        } else if entry.has_caught_up || entry.cursor > entry.join_cursor || !may_send(head - client) {
            CatchUp::TooMany { head: head.max(entry.cursor) }
        } else {
            entry.cursor = client;
            entry.has_caught_up = true;
            entry.withhold(chat);
            CatchUp::Fetch { after: client }
        };
        Some(CatchUpStart { catch_up, first_seq, role })
    }

    /// Returns whether the events after `after` may be in memory.
    pub(in crate::hub) fn has_recent(&self, after: Seq) -> bool {
        self.ring.covers(after)
    }

    /// Returns the events after `after` from memory, for a socket in catch-up. `head` is what chat-service says, asked since the client
    /// asked. Returns `None` if an event up to it was not delivered here: it may be an edit, a deletion or a removal, which has to
    /// show in every answer that begins after its ack.
    pub(in crate::hub) fn recent(&mut self, socket: SocketId, after: Seq, head: Seq) -> Option<Missed> {
        let delivered = self.next - 1;
        let entry = self.sockets.get(&socket).filter(|entry| entry.is_catching_up && head <= delivered)?;
        let ChatSocket { from_seq, role, ref socket, .. } = *entry;
        let frame = |event: &DurableEvent| (event.seq, event.frame_for(socket.user, from_seq, role).cloned());
        let frames = self.ring.after(after.max(from_seq), Utc::now())?.map(frame).collect();
        Some(Missed { frames, head: delivered, first_seq: from_seq + 1 })
    }

    /// Returns when the last events were used last; `None` if there are none in memory.
    pub(in crate::hub) fn last_use(&self) -> Option<u64> {
        self.ring.last_use()
    }

    /// Removes the last events from memory.
    pub(in crate::hub) fn forget_recent(&mut self) {
        self.ring.clear();
    }

    /// Records that a socket in catch-up was sent everything up to `seq`.
    pub(in crate::hub) fn advance_catch_up(&mut self, socket: SocketId, seq: Seq) -> CatchUpProgress {
        let (chat, head) = (self.id, self.next - 1);
        // A user who left may have joined again meanwhile.
        let Some(entry) = self.socket(socket).filter(|entry| entry.is_catching_up) else {
            return CatchUpProgress::Left;
        };
        entry.cursor = seq;
        if seq < head {
            entry.has_caught_up = true;
            entry.withhold(chat);
            CatchUpProgress::Behind
        } else {
            entry.release(chat);
            CatchUpProgress::Complete
        }
    }

    /// Ends a catch-up that failed. Withheld events are announced by `lagged`; later events are sent.
    pub(in crate::hub) fn abort_catch_up(&mut self, socket: SocketId) {
        let (chat, head) = (self.id, self.next - 1);
        if let Some(entry) = self.socket(socket).filter(|entry| entry.is_catching_up) {
            if head > entry.cursor {
                entry.leave_out(chat, entry.cursor + 1, head);
                entry.cursor = head;
            }
            entry.release(chat);
        }
    }
}

impl ChatSocket {
    fn withhold(&mut self, chat: ChatId) {
        self.is_catching_up = true;
        self.socket.outbox.begin_catch_up(chat);
    }

    fn release(&mut self, chat: ChatId) {
        self.is_catching_up = false;
        self.socket.outbox.end_catch_up(chat);
        // The user joined again meanwhile, and the events up to the join were not delivered here yet.
        if self.cursor < self.skipped {
            let first = self.cursor.max(self.from_seq) + 1;
            if first <= self.skipped {
                self.leave_out(chat, first, self.skipped);
            }
            self.pass_skipped();
        }
    }
}
