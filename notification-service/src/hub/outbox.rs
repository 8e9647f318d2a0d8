//! What waits to be written to one socket: bounded in bytes, whatever the reader does.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use neonchat_common::ids::{ChatId, Seq};
use tokio::sync::Notify;

use crate::{
    close::CloseReason,
    protocol::{Frame, ServerFrame},
};

/// The most bytes that wait for one socket.
const MAX_QUEUED_BYTES: usize = 256 * 1024;

/// With more bytes than this waiting, what matters only now (typing, presence) is dropped.
const MAX_QUEUED_BYTES_FOR_EPHEMERAL: usize = MAX_QUEUED_BYTES / 4;

/// With more bytes than this waiting, what a client catches up on waits in Postgres.
const MAX_QUEUED_BYTES_FOR_MISSED: usize = MAX_QUEUED_BYTES / 2;

/// What the sends of one socket may weigh that are not answered yet. With more, nothing further is read from it.
const MAX_UNANSWERED: usize = 256 * 1024;

/// What a send weighs at least: a socket may have 128 of them under way.
const MIN_WEIGHT: usize = 2 * 1024;

/// The queue between the hub, which never waits, and the one task that writes to the socket. The task is woken after the
/// lock is released: otherwise it would run into it.
///
/// A durable event that finds no room freezes its chat: this and all further events of the chat are left out, and when
/// the queue has drained one `lagged` says which.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    changed: Notify,
    drained: Notify,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Queued>,
    bytes: usize,
    /// What the sends weigh whose answers are not written.
    unanswered: usize,
    frozen: BTreeMap<ChatId, Gap>,
    close: Option<CloseReason>,
}

#[derive(Debug)]
struct Queued {
    frame: Frame,
    /// Of the send that it answers.
    answers: Option<Weight>,
}

/// What a send weighs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weight(usize);

/// The events that were left out, both ends included.
#[derive(Clone, Copy, Debug)]
struct Gap {
    from: Seq,
    head: Seq,
}

/// What the writer does next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Write this.
    Frame(Frame),
    /// All is written: close.
    Close(CloseReason),
}

impl Outbox {
    /// A send of this number of bytes is on its way: an answer will be queued. Until then the connection does not end.
    pub(crate) fn begin_send(&self, bytes: usize) -> Weight {
        let weight = Weight(bytes.max(MIN_WEIGHT));
        self.lock().unanswered += weight.0;
        weight
    }

    /// Queues the answer of a send.
    pub(crate) fn answer(&self, send: Weight, frame: Frame) {
        self.lock().push(frame, Some(send));
        self.changed.notify_one();
    }

    /// Whether a further frame may be read from the client: so many sends are unanswered, and no more.
    pub(crate) fn may_send(&self) -> bool {
        self.lock().unanswered < MAX_UNANSWERED
    }

    /// Queues a durable event of a chat, or notes that it was left out.
    pub(crate) fn push_durable(&self, chat: ChatId, seq: Seq, frame: &Frame) {
        if self.lock().push_durable(chat, seq, frame) {
            self.changed.notify_one();
        } else {
            metrics::counter!("websocket_frames_dropped_total", "kind" => "durable").increment(1);
        }
    }

    /// Queues an event that the socket missed; waits until there is room.
    pub(crate) async fn push_missed(&self, frame: Frame) {
        while !self.lock().push_missed(&frame) {
            self.drained.notified().await;
        }
        self.changed.notify_one();
    }

    /// Notes that events of a chat, both ends included, are left out.
    pub(crate) fn leave_out(&self, chat: ChatId, from: Seq, head: Seq) {
        let mut state = self.lock();
        let gap = state.frozen.entry(chat).or_insert(Gap { from, head });
        *gap = Gap { from: gap.from.min(from), head: gap.head.max(head) };
        drop(state);
        self.changed.notify_one();
    }

    /// Queues what matters only now, if there is ample room.
    pub(crate) fn push_ephemeral(&self, frame: &Frame) {
        if self.lock().push_ephemeral(frame) {
            self.changed.notify_one();
        } else {
            metrics::counter!("websocket_frames_dropped_total", "kind" => "ephemeral").increment(1);
        }
    }

    /// Ends the connection once every send is answered and all that is queued is written. The first reason counts.
    pub(crate) fn close(&self, reason: CloseReason) {
        self.lock().close.get_or_insert(reason);
        self.changed.notify_one();
    }

    /// What the writer does next; waits until there is something.
    pub(crate) async fn next(&self) -> Next {
        loop {
            let next = self.lock().next();
            if let Some(next) = next {
                self.drained.notify_one();
                return next;
            }
            self.changed.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change leaves the state whole, so that a panic elsewhere does no harm here.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, frame: Frame, answers: Option<Weight>) {
        self.bytes += frame.len();
        self.queue.push_back(Queued { frame, answers });
    }

    /// Returns whether the event was queued. If not, it is in the chat's gap.
    fn push_durable(&mut self, chat: ChatId, seq: Seq, frame: &Frame) -> bool {
        if let Some(gap) = self.frozen.get_mut(&chat) {
            gap.head = seq;
            return false;
        }
        if self.bytes + frame.len() > MAX_QUEUED_BYTES {
            self.frozen.insert(chat, Gap { from: seq, head: seq });
            return false;
        }
        self.push(frame.clone(), None);
        true
    }

    /// Returns whether there was room.
    fn push_missed(&mut self, frame: &Frame) -> bool {
        let has_room = self.queue.is_empty() || self.bytes + frame.len() <= MAX_QUEUED_BYTES_FOR_MISSED;
        if has_room {
            self.push(frame.clone(), None);
        }
        has_room
    }

    /// Returns whether there was room.
    fn push_ephemeral(&mut self, frame: &Frame) -> bool {
        let has_room = self.bytes + frame.len() <= MAX_QUEUED_BYTES_FOR_EPHEMERAL;
        if has_room {
            self.push(frame.clone(), None);
        }
        has_room
    }

    fn next(&mut self) -> Option<Next> {
        if let Some(Queued { frame, answers }) = self.queue.pop_front() {
            self.bytes -= frame.len();
            self.unanswered -= answers.map_or(0, |send| send.0);
            return Some(Next::Frame(frame));
        }
        if let Some((chat_id, Gap { from, head })) = self.frozen.pop_first() {
            metrics::counter!("websocket_lagged_total").increment(1);
            let lagged = ServerFrame::Lagged { chat_id, from_seq: from, head_seq: head };
            return Some(Next::Frame(lagged.encode()));
        }
        self.close.filter(|_| self.unanswered == 0).map(Next::Close)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn frame(len: usize) -> Frame {
        Frame::opaque("x".repeat(len))
    }

    fn drain(outbox: &Outbox) -> Vec<String> {
        let next = || match outbox.next().now_or_never()? {
            Next::Frame(frame) => Some(frame.as_str().to_owned()),
            Next::Close(reason) => Some(format!("close {}", reason.code().0)),
        };
        std::iter::from_fn(next).take(1000).collect()
    }

    #[test]
    fn a_full_queue_freezes_the_chat_and_says_so_once_it_has_drained() {
        let outbox = Outbox::default();
        let (slow, other) = (ChatId::new(), ChatId::new());
        for seq in 1..=6 {
            outbox.push_durable(slow, seq, &frame(MAX_QUEUED_BYTES / 4));
        }
        outbox.push_durable(other, 1, &frame(1));
        let got = drain(&outbox);
        assert_eq!(got.len(), 6, "four frames, and a `lagged` for each of the two chats");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&got[4]).expect("JSON"),
            serde_json::json!({ "type": "lagged", "chat_id": slow, "from_seq": 5, "head_seq": 6 })
        );
        outbox.push_durable(slow, 7, &frame(1));
        assert_eq!(drain(&outbox), ["x"], "the chat goes on after its `lagged`");
    }

    #[test]
    fn what_matters_only_now_is_dropped_first() {
        let outbox = Outbox::default();
        outbox.push_durable(ChatId::new(), 1, &frame(MAX_QUEUED_BYTES_FOR_EPHEMERAL));
        outbox.push_ephemeral(&frame(1));
        assert_eq!(drain(&outbox).len(), 1);
        outbox.push_ephemeral(&frame(1));
        assert_eq!(drain(&outbox).len(), 1);
    }

    #[test]
    fn a_socket_has_so_many_unanswered_sends_and_does_not_end_before_they_are_answered() {
        let outbox = Outbox::default();
        let sends: Vec<_> = std::iter::from_fn(|| outbox.may_send().then(|| outbox.begin_send(1))).collect();
        assert_eq!(sends.len(), MAX_UNANSWERED / MIN_WEIGHT);
        outbox.close(CloseReason::Normal);
        assert!(outbox.next().now_or_never().is_none());
        for send in sends {
            outbox.answer(send, frame(1));
            assert!(!outbox.may_send(), "answered is not written");
            assert_eq!(outbox.next().now_or_never(), Some(Next::Frame(frame(1))));
            assert!(outbox.may_send());
            outbox.begin_send(1);
        }
        assert!(outbox.next().now_or_never().is_none());

        let outbox = Outbox::default();
        let long = outbox.begin_send(MAX_UNANSWERED);
        assert!(!outbox.may_send());
        outbox.close(CloseReason::Normal);
        outbox.answer(long, frame(1));
        assert_eq!(drain(&outbox)[..2], ["x", "close 1000"]);
    }

    #[test]
    fn closes_after_what_is_queued_and_for_the_first_reason() {
        let outbox = Outbox::default();
        outbox.push_ephemeral(&frame(1));
        outbox.close(CloseReason::Slow);
        outbox.close(CloseReason::Normal);
        assert_eq!(drain(&outbox)[..2], ["x", "close 4101"]);
    }
}
