//! One chat on this instance: its events in order, each once, whichever way and in whichever order they come.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use neonchat_common::ids::{ChatId, Seq, UserId};

use super::{Socket, SocketId};
use crate::protocol::Frame;

/// Events that wait for an earlier one. What finds no room is fetched again when the gap is closed.
const MAX_HELD: usize = 256;

/// A durable event on its way to the sockets.
#[derive(Debug)]
pub(crate) struct DurableEvent {
    pub(crate) seq: Seq,
    /// The user who caused it; `None` where this version does not know the kind of the event.
    pub(crate) sender: Option<UserId>,
    /// What the sockets get. Without a frame, they are told to fetch the event.
    pub(crate) frame: Option<Frame>,
    /// The sockets that caused it: they get an ack instead.
    pub(crate) origins: Vec<SocketId>,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// It is on its way to this many sockets.
    Delivered(usize),
    /// An earlier one is missing: it waits for that.
    Held,
    /// It was here before.
    Duplicate,
}

impl Accepted {
    /// How many sockets get it now.
    pub(crate) const fn sockets(self) -> usize {
        match self {
            Self::Delivered(sockets) => sockets,
            Self::Held | Self::Duplicate => 0,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Chat {
    id: ChatId,
    /// The next event to deliver.
    next: Seq,
    held: BTreeMap<Seq, DurableEvent>,
    members: Vec<Member>,
}

/// A socket of the chat, and how far it has come in it.
#[derive(Debug)]
struct Member {
    socket: Arc<Socket>,
    /// Where it came in: it was told of nothing up to here.
    joined_after: Seq,
    /// It was told of everything up to here.
    after: Seq,
    /// What it missed is on its way: events wait until that is there.
    is_catching_up: bool,
    /// It was sent what it missed before it joined. That happens once, or a client could have it sent again and again.
    has_caught_up: bool,
}

/// What a socket misses that has everything up to some `seq`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missed {
    /// Nothing. The head of the chat is here.
    Nothing { head: Seq },
    /// The cursor is ahead of what this instance has delivered. Only chat-service knows whether there is such an event. Further
    /// events wait until [`Chat::caught_up`]; the socket was told of everything up to `after`.
    Ahead { after: Seq },
    /// The client has to fetch it: it is too much, or was sent before. What comes after `head` comes by itself.
    TooMuch { head: Seq },
    /// What comes after the cursor. Further events wait until [`Chat::caught_up`].
    Events,
}

impl Chat {
    /// A chat of which everything up to `last_seq` is past.
    pub(super) fn after(id: ChatId, last_seq: Seq) -> Self {
        Self { id, next: last_seq + 1, held: BTreeMap::new(), members: Vec::new() }
    }

    pub(super) const fn next(&self) -> Seq {
        self.next
    }

    pub(super) fn has_gap(&self) -> bool {
        !self.held.is_empty()
    }

    pub(super) fn join(&mut self, socket: &Arc<Socket>) {
        if self.member(socket.id).is_none() {
            let after = self.next - 1;
            let socket = Arc::clone(socket);
            self.members.push(Member {
                socket,
                joined_after: after,
                after,
                is_catching_up: false,
                has_caught_up: false,
            });
        }
    }

    /// As [`Chat::join`], for a socket that was opened before its instance learned of the chat, and knows of events up to
    /// `known`: it is told which ones it has to fetch.
    pub(super) fn join_late(&mut self, socket: &Arc<Socket>, known: Seq) {
        let head = self.next - 1;
        if head > known && self.member(socket.id).is_none() {
            socket.outbox.leave_out(self.id, known + 1, head);
        }
        self.join(socket);
    }

    /// Returns whether the chat has no socket any more.
    pub(super) fn leave(&mut self, socket: SocketId) -> bool {
        self.members.retain(|member| member.socket.id != socket);
        self.members.is_empty()
    }

    fn member(&mut self, socket: SocketId) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.socket.id == socket)
    }

    /// A socket says that it has everything up to `cursor`. `may_have` says whether it may be sent that number of events.
    ///
    /// No event is left out only because a client says that it has it: it has to be stored, too.
    ///
    /// `None` where the socket is gone.
    pub(super) fn catch_up(
        &mut self,
        socket: SocketId,
        cursor: Seq,
        may_have: impl FnOnce(Seq) -> bool,
    ) -> Option<Missed> {
        let head = self.next - 1;
        let member = self.member(socket)?;
        if cursor > head {
            member.is_catching_up = true;
            return Some(Missed::Ahead { after: member.after });
        }
        if cursor >= member.joined_after {
            return Some(Missed::Nothing { head });
        }
        // What it missed comes before what it was told since: too late to send it in its order.
        let is_too_late = member.has_caught_up || member.after > member.joined_after;
        if is_too_late || !may_have(head - cursor) {
            return Some(Missed::TooMuch { head });
        }
        member.after = cursor;
        member.is_catching_up = true;
        member.has_caught_up = true;
        Some(Missed::Events)
    }

    /// A socket that catches up has got everything up to `seq`. Returns whether that is all there is: it is then told of
    /// what happens next.
    ///
    /// `None` where the socket is gone.
    pub(super) fn caught_up(&mut self, socket: SocketId, seq: Seq) -> Option<bool> {
        let head = self.next - 1;
        let member = self.member(socket)?;
        member.after = seq;
        member.is_catching_up = seq < head;
        Some(seq >= head)
    }

    /// A socket that was to catch up cannot: it is told of what happens next, and that something is missing before it.
    pub(super) fn give_up_catching_up(&mut self, socket: SocketId) {
        let (chat, head) = (self.id, self.next - 1);
        if let Some(member) = self.member(socket).filter(|member| member.is_catching_up) {
            if head > member.after {
                member.socket.outbox.leave_out(chat, member.after + 1, head);
                member.after = head;
            }
            member.is_catching_up = false;
        }
    }

    pub(super) fn accept(&mut self, event: DurableEvent) -> Accepted {
        match event.seq.cmp(&self.next) {
            Ordering::Less => Accepted::Duplicate,
            Ordering::Greater => {
                if let Some(held) = self.held.get_mut(&event.seq) {
                    // It came again, by another of its senders.
                    held.origins.extend(event.origins);
                } else if self.held.len() < MAX_HELD {
                    self.held.insert(event.seq, event);
                }
                Accepted::Held
            }
            Ordering::Equal => {
                let delivered = self.deliver(&event);
                while let Some(event) = self.held.remove(&self.next) {
                    self.deliver(&event);
                }
                Accepted::Delivered(delivered)
            }
        }
    }

    /// The chat has less than was delivered here: what comes next is what follows its head. The sockets are closed, for they have
    /// events that there are no longer.
    pub(super) fn restore(&mut self, head: Seq, close: impl Fn(&Socket)) {
        self.next = head + 1;
        self.held.clear();
        for member in &mut self.members {
            (member.joined_after, member.after) = (head, head);
            close(&member.socket);
        }
    }

    /// A socket that was held to be the cause of an event gets no ack for it: so it gets the event, if that waits still, or
    /// is told that it was left out.
    pub(super) fn will_get_no_ack(&mut self, socket: SocketId, seq: Seq) {
        let (chat, is_past) = (self.id, seq < self.next);
        if let Some(event) = self.held.get_mut(&seq) {
            event.origins.retain(|origin| *origin != socket);
        } else if let Some(member) = self.member(socket).filter(|_| is_past) {
            member.socket.outbox.leave_out(chat, seq, seq);
        }
    }

    fn deliver(&mut self, event: &DurableEvent) -> usize {
        self.next = event.seq + 1;
        let mut delivered = 0;
        for member in &mut self.members {
            if member.is_catching_up || event.seq <= member.after {
                continue;
            }
            member.after = event.seq;
            if event.origins.contains(&member.socket.id) {
                continue;
            }
            match &event.frame {
                Some(frame) => member.socket.outbox.push_durable(self.id, event.seq, frame),
                None => member.socket.outbox.leave_out(self.id, event.seq, event.seq),
            }
            delivered += 1;
        }
        delivered
    }

    /// What matters only now, to the sockets that `audience` takes in.
    pub(super) fn tell(&self, audience: impl Fn(&Socket) -> bool, frame: &Frame) {
        for member in self.members.iter().filter(|member| audience(&member.socket)) {
            member.socket.outbox.push_ephemeral(frame);
        }
    }
}

#[cfg(test)]
mod tests;
