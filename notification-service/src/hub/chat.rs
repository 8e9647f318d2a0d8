//! One chat on this instance: its events in order, each once, whichever way and in whichever order they come.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use neonchat_common::ids::{ChatId, Seq, UserId};

use super::{Socket, SocketId};
use crate::{
    chat_service::StoredMessage,
    connection::protocol::{Frame, Message, ServerFrame},
};

/// Events that wait for an earlier one. What finds no room is fetched again when the gap is closed.
const MAX_HELD: usize = 256;

/// A durable event on its way to the sockets.
#[derive(Clone, Debug)]
pub(crate) struct DurableEvent {
    /// Its place in the chat.
    pub(crate) seq: Seq,
    /// What the sockets get.
    pub(crate) frame: Frame,
    /// The socket that caused it: it gets an ack instead.
    pub(crate) origin: Option<SocketId>,
}

impl DurableEvent {
    /// A message that is stored.
    pub(crate) fn message(message: &StoredMessage, origin: Option<SocketId>) -> Self {
        let StoredMessage { id, chat_id, sender_id, ref text, created_at, updated_at, seq } = *message;
        let message = Message { id, chat_id, sender_id, text, created_at, updated_at, seq };
        Self { seq, frame: ServerFrame::NewMessage { chat_id, seq, message }.encode(), origin }
    }
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

/// See the module.
#[derive(Debug)]
pub(super) struct Chat {
    id: ChatId,
    /// The next event to deliver.
    next: Seq,
    held: BTreeMap<Seq, DurableEvent>,
    sockets: Vec<Arc<Socket>>,
}

impl Chat {
    /// A chat of which everything up to `last_seq` is past.
    pub(super) fn after(id: ChatId, last_seq: Seq) -> Self {
        Self { id, next: last_seq + 1, held: BTreeMap::new(), sockets: Vec::new() }
    }

    pub(super) const fn next(&self) -> Seq {
        self.next
    }

    pub(super) fn has_gap(&self) -> bool {
        !self.held.is_empty()
    }

    pub(super) fn join(&mut self, socket: &Arc<Socket>) {
        if !self.sockets.iter().any(|other| other.id == socket.id) {
            self.sockets.push(Arc::clone(socket));
        }
    }

    /// Returns whether the chat has no socket any more.
    pub(super) fn leave(&mut self, socket: SocketId) -> bool {
        self.sockets.retain(|other| other.id != socket);
        self.sockets.is_empty()
    }

    pub(super) fn accept(&mut self, event: DurableEvent) -> Accepted {
        match event.seq.cmp(&self.next) {
            Ordering::Less => Accepted::Duplicate,
            Ordering::Greater => {
                if self.held.len() < MAX_HELD {
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

    fn deliver(&mut self, event: &DurableEvent) -> usize {
        self.next = event.seq + 1;
        let others = self.sockets.iter().filter(|socket| Some(socket.id) != event.origin);
        others.map(|socket| socket.outbox.push_durable(self.id, event.seq, &event.frame)).count()
    }

    /// What matters only now, to the sockets of all but its cause.
    pub(super) fn tell(&self, cause: UserId, frame: &Frame) {
        for socket in self.sockets.iter().filter(|socket| socket.user != cause) {
            socket.outbox.push_ephemeral(frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::connection::outbox::Next;

    fn socket() -> Arc<Socket> {
        Arc::new(Socket::new(SocketId::for_test(), UserId::new(), None))
    }

    fn event(seq: Seq) -> DurableEvent {
        DurableEvent { seq, frame: seq.to_string().into(), origin: None }
    }

    fn received(socket: &Socket) -> Vec<String> {
        let next = || match socket.outbox.next().now_or_never()? {
            Next::Frame(frame) => Some(frame.to_string()),
            Next::Close(_) => None,
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn events_in_any_order_and_number_arrive_once_and_in_order() {
        let mut chat = Chat::after(ChatId::new(), 0);
        let socket = socket();
        chat.join(&socket);
        for seq in [2, 1, 1, 5, 3, 2, 5, 4, 6] {
            chat.accept(event(seq));
        }
        assert_eq!(received(&socket), ["1", "2", "3", "4", "5", "6"]);
        assert!(!chat.has_gap());
    }

    #[test]
    fn says_what_became_of_an_event() {
        let mut chat = Chat::after(ChatId::new(), 40);
        chat.join(&socket());
        assert_eq!(chat.accept(event(40)), Accepted::Duplicate);
        assert_eq!(chat.accept(event(42)), Accepted::Held);
        assert_eq!(chat.accept(event(41)), Accepted::Delivered(1));
        assert_eq!(chat.next(), 43);
    }

    #[test]
    fn the_cause_gets_an_ack_and_not_the_event() {
        let mut chat = Chat::after(ChatId::new(), 0);
        let (sender, other) = (socket(), socket());
        chat.join(&sender);
        chat.join(&other);
        chat.accept(DurableEvent { origin: Some(sender.id), ..event(1) });
        assert_eq!(received(&sender), [""; 0]);
        assert_eq!(received(&other), ["1"]);
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut chat = Chat::after(ChatId::new(), 0);
        for seq in 2..2000 {
            chat.accept(event(seq));
        }
        assert_eq!(chat.held.len(), MAX_HELD);
    }
}
