//! The outbox: the queue of frames that wait to be written to one socket, bounded in bytes.

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

/// The most bytes in an outbox.
const MAX_QUEUED_BYTES: usize = 256 * 1024;

/// Ephemeral events (typing, presence) are dropped if the outbox would hold more bytes than this.
const MAX_QUEUED_BYTES_FOR_EPHEMERAL: usize = MAX_QUEUED_BYTES / 4;

/// Missed events stay in Postgres while the outbox would hold more bytes than this.
const MAX_QUEUED_BYTES_FOR_BACKLOG: usize = MAX_QUEUED_BYTES / 2;

/// The most bytes of unanswered sends of one socket. With more, no further frame is read from the socket.
const MAX_UNANSWERED_BYTES: usize = 256 * 1024;

/// The least number of bytes that a send counts as: a socket can have 128 sends under way.
const MIN_SEND_BYTES: usize = 2 * 1024;

/// The queue between the hub, which never waits, and the one task that writes to the socket. The task is woken after the lock is
/// released, or it would block on the lock.
///
/// If a durable event does not fit, its chat is lagging: this event and the chat's later ones are left out, and when the queue
/// is empty, one `lagged` names them.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    changed: Notify,
    drained: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Queued>,
    bytes: usize,
    /// The bytes of sends whose answers are not written.
    unanswered_bytes: usize,
    lagging: BTreeMap<ChatId, Gap>,
    close: Option<CloseReason>,
}

#[derive(Debug)]
struct Queued {
    frame: Frame,
    /// The permit of the send that the frame answers.
    permit: Option<SendPermit>,
}

/// The bytes that an unanswered send occupies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SendPermit(usize);

/// The events that were left out, both ends included.
#[derive(Clone, Copy, Debug)]
struct Gap {
    from: Seq,
    head: Seq,
}

/// The next step of the writer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Write a frame.
    Frame(Frame),
    /// Everything is written: close the socket.
    Close(CloseReason),
}

impl Outbox {
    /// Counts a send of this number of bytes. The connection does not end before [`Outbox::answer`] queues its answer.
    pub(crate) fn begin_send(&self, bytes: usize) -> SendPermit {
        let permit = SendPermit(bytes.max(MIN_SEND_BYTES));
        self.lock().unanswered_bytes += permit.0;
        permit
    }

    /// Queues the answer to a send.
    pub(crate) fn answer(&self, send: SendPermit, frame: Frame) {
        self.lock().push(frame, Some(send));
        self.changed.notify_one();
    }

    /// Returns whether a further frame may be read from the client.
    pub(crate) fn has_send_capacity(&self) -> bool {
        self.lock().unanswered_bytes < MAX_UNANSWERED_BYTES
    }

    /// Queues a durable event of a chat, or marks the chat as lagging.
    pub(crate) fn push_durable(&self, chat: ChatId, seq: Seq, frame: &Frame) {
        if self.lock().push_durable(chat, seq, frame) {
            self.changed.notify_one();
        } else {
            metrics::counter!("websocket_frames_dropped_total", "kind" => "durable").increment(1);
        }
    }

    /// Queues an event that the client missed. Waits until there is room.
    pub(crate) async fn push_backlog(&self, frame: &Frame) {
        while !self.lock().push_backlog(frame) {
            self.drained.notified().await;
        }
        self.changed.notify_one();
    }

    /// Marks a chat as lagging: the events from `from` to `head`, both included, are left out.
    pub(crate) fn mark_lagged(&self, chat: ChatId, from: Seq, head: Seq) {
        let mut queue = self.lock();
        let gap = queue.lagging.entry(chat).or_insert(Gap { from, head });
        *gap = Gap { from: gap.from.min(from), head: gap.head.max(head) };
        drop(queue);
        self.changed.notify_one();
    }

    /// Queues an ephemeral event if there is ample room.
    pub(crate) fn push_ephemeral(&self, frame: &Frame) {
        if self.lock().push_within(MAX_QUEUED_BYTES_FOR_EPHEMERAL, frame) {
            self.changed.notify_one();
        } else {
            metrics::counter!("websocket_frames_dropped_total", "kind" => "ephemeral").increment(1);
        }
    }

    /// Queues the announcement of a chat. Returns whether there was room.
    pub(crate) fn push_announcement(&self, frame: &Frame) -> bool {
        let is_queued = self.lock().push_within(MAX_QUEUED_BYTES, frame);
        if is_queued {
            self.changed.notify_one();
        } else {
            metrics::counter!("websocket_frames_dropped_total", "kind" => "ephemeral").increment(1);
        }
        is_queued
    }

    /// Closes the socket once every send is answered and everything queued is written. The first reason counts.
    pub(crate) fn close(&self, reason: CloseReason) {
        self.lock().close.get_or_insert(reason);
        self.changed.notify_one();
    }

    /// Returns the next step of the writer. Waits until there is one.
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

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No critical section can panic between two changes, so a poisoned lock guards a consistent queue.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn push(&mut self, frame: Frame, permit: Option<SendPermit>) {
        self.bytes += frame.len();
        self.frames.push_back(Queued { frame, permit });
    }

    /// Returns whether the event was queued. If not, the chat's gap contains it.
    fn push_durable(&mut self, chat: ChatId, seq: Seq, frame: &Frame) -> bool {
        if let Some(gap) = self.lagging.get_mut(&chat) {
            gap.head = seq;
            return false;
        }
        if self.bytes + frame.len() > MAX_QUEUED_BYTES {
            self.lagging.insert(chat, Gap { from: seq, head: seq });
            return false;
        }
        self.push(frame.clone(), None);
        true
    }

    /// Returns whether there was room.
    fn push_backlog(&mut self, frame: &Frame) -> bool {
        let has_room = self.frames.is_empty() || self.bytes + frame.len() <= MAX_QUEUED_BYTES_FOR_BACKLOG;
        if has_room {
            self.push(frame.clone(), None);
        }
        has_room
    }

    /// Returns whether there was room: the queue may hold `max` bytes with this frame.
    fn push_within(&mut self, max: usize, frame: &Frame) -> bool {
        let has_room = self.bytes + frame.len() <= max;
        if has_room {
            self.push(frame.clone(), None);
        }
        has_room
    }

    fn next(&mut self) -> Option<Next> {
        if let Some(Queued { frame, permit }) = self.frames.pop_front() {
            self.bytes -= frame.len();
            self.unanswered_bytes -= permit.map_or(0, |send| send.0);
            return Some(Next::Frame(frame));
        }
        if let Some((chat_id, Gap { from, head })) = self.lagging.pop_first() {
            metrics::counter!("websocket_lagged_total").increment(1);
            let lagged = ServerFrame::Lagged { chat_id, from_seq: from, head_seq: head };
            return Some(Next::Frame(lagged.encode()));
        }
        self.close.filter(|_| self.unanswered_bytes == 0).map(Next::Close)
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
    fn full_queue_marks_chat_as_lagging_and_reports_gap_once_drained() {
        let outbox = Outbox::default();
        let (slow, other) = (ChatId::new(), ChatId::new());
        for seq in 1..=6 {
            outbox.push_durable(slow, seq, &frame(MAX_QUEUED_BYTES / 4));
        }
        outbox.push_durable(other, 1, &frame(1));
        let got = drain(&outbox);
        assert_eq!(got.len(), 6, "four frames, and a `lagged` for each of the two chats");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&got[4]).expect("parse frame"),
            serde_json::json!({ "type": "lagged", "chat_id": slow, "from_seq": 5, "head_seq": 6 })
        );
        outbox.push_durable(slow, 7, &frame(1));
        assert_eq!(drain(&outbox), ["x"], "events are queued again after `lagged`");
    }

    #[test]
    fn drops_ephemeral_events_first() {
        let outbox = Outbox::default();
        outbox.push_durable(ChatId::new(), 1, &frame(MAX_QUEUED_BYTES_FOR_EPHEMERAL));
        outbox.push_ephemeral(&frame(1));
        assert_eq!(drain(&outbox).len(), 1);
        outbox.push_ephemeral(&frame(1));
        assert_eq!(drain(&outbox).len(), 1);
    }

    #[test]
    fn queues_announcement_up_to_the_full_limit() {
        let outbox = Outbox::default();
        outbox.push_durable(ChatId::new(), 1, &frame(MAX_QUEUED_BYTES - 1));
        assert!(outbox.push_announcement(&frame(1)));
        assert!(!outbox.push_announcement(&frame(1)));
        assert_eq!(drain(&outbox).len(), 2);
    }

    #[test]
    fn bounds_unanswered_sends_and_closes_after_their_answers() {
        let outbox = Outbox::default();
        let sends: Vec<_> = std::iter::from_fn(|| outbox.has_send_capacity().then(|| outbox.begin_send(1))).collect();
        assert_eq!(sends.len(), MAX_UNANSWERED_BYTES / MIN_SEND_BYTES);
        outbox.close(CloseReason::Normal);
        assert!(outbox.next().now_or_never().is_none());
        for send in sends {
            outbox.answer(send, frame(1));
            assert!(!outbox.has_send_capacity(), "the answer is not written yet");
            assert_eq!(outbox.next().now_or_never(), Some(Next::Frame(frame(1))));
            assert!(outbox.has_send_capacity());
            outbox.begin_send(1);
        }
        assert!(outbox.next().now_or_never().is_none());

        let outbox = Outbox::default();
        let long = outbox.begin_send(MAX_UNANSWERED_BYTES);
        assert!(!outbox.has_send_capacity());
        outbox.close(CloseReason::Normal);
        outbox.answer(long, frame(1));
        assert_eq!(drain(&outbox)[..2], ["x", "close 1000"]);
    }

    #[test]
    fn closes_after_queued_frames_with_first_reason() {
        let outbox = Outbox::default();
        outbox.push_ephemeral(&frame(1));
        outbox.close(CloseReason::Slow);
        outbox.close(CloseReason::Normal);
        assert_eq!(drain(&outbox)[..2], ["x", "close 4101"]);
    }
}
