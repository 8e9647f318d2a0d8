//! A chat on this instance: delivers its events in order and once, whatever the order of their arrival.

mod catch_up;
mod members;
mod ring;

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use indexmap::IndexMap;
use neonchat_common::{
    chat::{ChatClass, MembershipChange, Role},
    ids::{ChatId, Seq},
};

pub(crate) use self::catch_up::{CatchUp, CatchUpProgress, CatchUpStart, Missed};
pub(super) use self::ring::RingMemory;
use self::{members::MemberHistory, ring::Ring};
use super::{DurableEvent, Socket, SocketId, wake_queue::MAX_WOKEN_AT_ONCE};
use crate::protocol::Frame;

/// The most events in a reorder buffer. Events beyond it are fetched when the gap is filled.
const MAX_BUFFERED: usize = 256;

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
    /// The size of the chat, as chat-service said last.
    class: ChatClass,
    /// The lowest role that may send, as chat-service said last.
    send_role: Role,
    /// The head of the chat when chat-service said so.
    updated_seq: Seq,
    /// The `seq` of the next event to deliver.
    next: Seq,
    reorder_buffer: BTreeMap<Seq, DurableEvent>,
    /// Dense, so that delivery to thousands of sockets goes through memory in order.
    sockets: IndexMap<SocketId, ChatSocket>,
    members: MemberHistory,
    ring: Ring,
    /// Delivered changes of members that the users' entries do not have yet.
    applied: Vec<AppliedChange>,
}

/// A change of members that the chat's sockets have.
#[derive(Debug)]
pub(super) struct AppliedChange {
    pub(super) seq: Seq,
    pub(super) change: MembershipChange,
}

/// A socket of the chat, with its cursor.
#[derive(Debug)]
struct ChatSocket {
    socket: Arc<Socket>,
    role: Role,
    /// Events up to this `seq` do not exist for the member.
    from_seq: Seq,
    /// Removals up to this `seq` concern an earlier membership.
    joined_seq: Seq,
    /// The cursor at the time of joining: earlier events were not sent.
    join_cursor: Seq,
    /// The socket was sent everything from `join_cursor` up to here.
    cursor: Seq,
    /// Events up to here are not sent: the user was not a member.
    skipped: Seq,
    /// Whether missed events are on their way. Later events are withheld until these are sent.
    is_catching_up: bool,
    /// Whether missed events were sent once, or the client was told to fetch them. There is no second time: a client could request them
    /// again and again, and events must not follow the `lagged` that names them.
    has_caught_up: bool,
}

impl Chat {
    /// Creates a chat whose next event follows `last_seq`. Its last events count in `memory`.
    pub(super) fn new(id: ChatId, last_seq: Seq, memory: Arc<RingMemory>) -> Self {
        Self {
            id,
            class: ChatClass::default(),
            send_role: Role::default(),
            updated_seq: 0,
            next: last_seq + 1,
            reorder_buffer: BTreeMap::new(),
            sockets: IndexMap::new(),
            members: MemberHistory::new(last_seq),
            ring: Ring::new(memory),
            applied: Vec::new(),
        }
    }

    pub(super) const fn next(&self) -> Seq {
        self.next
    }

    pub(super) const fn class(&self) -> ChatClass {
        self.class
    }

    /// Returns the lowest role that may send.
    pub(super) const fn send_role(&self) -> Role {
        self.send_role
    }

    /// Records the size of the chat, and the lowest role that may send, when its head was `seq`.
    pub(super) const fn update(&mut self, seq: Seq, class: ChatClass, send_role: Role) {
        if self.updated_seq <= seq {
            (self.updated_seq, self.class, self.send_role) = (seq, class, send_role);
        }
    }

    pub(super) fn has_gap(&self) -> bool {
        !self.reorder_buffer.is_empty()
    }

    fn socket(&mut self, socket: SocketId) -> Option<&mut ChatSocket> {
        self.sockets.get_mut(&socket)
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
                let delivered = self.deliver(event);
                while let Some(event) = self.reorder_buffer.remove(&self.next) {
                    self.deliver(event);
                }
                Accepted::Delivered(delivered)
            }
        }
    }

    /// Continues after `head`, although more was delivered: the database has lost the later events. `close` closes the sockets,
    /// because their clients have events that do not exist.
    pub(super) fn rewind(&mut self, head: Seq, close: impl Fn(&Socket)) {
        (self.next, self.updated_seq) = (head + 1, 0);
        self.reorder_buffer.clear();
        self.ring.clear();
        self.members = MemberHistory::new(head);
        for entry in self.sockets.values_mut() {
            (entry.join_cursor, entry.cursor, entry.skipped) = (head, head, 0);
            close(&entry.socket);
        }
    }

    /// Handles a send that failed from the view of its socket, although its event has arrived. The socket gets the event, if it is
    /// still in the reorder buffer, or if the socket catches up, or `lagged`.
    pub(super) fn send_failed(&mut self, socket: SocketId, seq: Seq) {
        let (chat, is_past) = (self.id, seq < self.next);
        if let Some(event) = self.reorder_buffer.get_mut(&seq) {
            event.exclude.retain(|origin| *origin != socket);
        } else if let Some(entry) = self.socket(socket).filter(|entry| is_past && !entry.is_catching_up) {
            entry.socket.outbox.mark_lagged(chat, seq, seq);
        }
    }

    fn deliver(&mut self, event: DurableEvent) -> usize {
        self.next = event.seq + 1;
        let mut delivered = 0;
        let is_for_many = self.sockets.len() > MAX_WOKEN_AT_ONCE;
        for entry in self.sockets.values_mut() {
            if entry.is_catching_up || event.seq <= entry.cursor.max(entry.skipped) {
                continue;
            }
            entry.cursor = event.seq;
            if event.exclude.contains(&entry.socket.id) {
                continue;
            }
            match event.frame_for(entry.socket.user, entry.from_seq, entry.role) {
                Some(frame) => entry.socket.push_durable(self.id, event.seq, frame, is_for_many),
                None => entry.socket.outbox.mark_lagged(self.id, event.seq, event.seq),
            }
            delivered += 1;
        }
        if let Some(change) = event.membership.clone() {
            self.apply(event.seq, change);
        }
        self.ring.push(event);
        delivered
    }

    /// Sends an ephemeral event to the sockets that `audience` selects.
    pub(super) fn notify(&self, audience: impl Fn(&Socket) -> bool, frame: &Frame) {
        for entry in self.sockets.values().filter(|entry| audience(&entry.socket)) {
            entry.socket.outbox.push_ephemeral(frame);
        }
    }
}

#[cfg(test)]
mod tests;
