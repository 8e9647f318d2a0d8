//! The outbox: the queue of frames that wait to be written to one socket, bounded in bytes.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use neonchat_common::ids::{ChatId, Seq};
use tokio::sync::Notify;

use crate::{
    close::CloseReason,
    protocol::{Frame, ServerFrame, SyncedChat},
};

/// The most bytes in an outbox.
const MAX_QUEUED_BYTES: usize = 256 * 1024;

/// Ephemeral events (typing, presence) are dropped if the outbox would hold more bytes than this.
const MAX_QUEUED_BYTES_FOR_EPHEMERAL: usize = MAX_QUEUED_BYTES / 4;

/// Missed events stay in Postgres while the outbox would hold more bytes than this.
const MAX_QUEUED_BYTES_FOR_BACKLOG: usize = MAX_QUEUED_BYTES / 2;

/// The most bytes of unanswered sends and changes of one socket. With more, no further frame is read from the socket.
const MAX_UNANSWERED_BYTES: usize = 256 * 1024;

/// The least number of bytes that a request counts as: a socket can have 128 of them under way.
const MIN_REQUEST_BYTES: usize = 2 * 1024;

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
    /// The bytes of requests whose answers are not written.
    unanswered_bytes: usize,
    lagging: BTreeMap<ChatId, Gap>,
    /// The chats whose missed events are on their way.
    catching_up: BTreeSet<ChatId>,
    /// While a `sync` is under way: the chats from which the user was removed since it began.
    removed_in_sync: Option<BTreeSet<ChatId>>,
    close: Option<CloseReason>,
    /// Whether the socket is in its worker's wake queue.
    is_wake_queued: bool,
}

#[derive(Debug)]
struct Queued {
    frame: Frame,
    /// The permit of the request that the frame answers.
    permit: Option<RequestPermit>,
}

/// The bytes that an unanswered send or change occupies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestPermit(usize);

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
    /// Counts a send or change of this number of bytes. The connection does not end before [`Outbox::answer`] queues its answer.
    pub(crate) fn begin_request(&self, bytes: usize) -> RequestPermit {
        let permit = RequestPermit(bytes.max(MIN_REQUEST_BYTES));
        self.lock().unanswered_bytes += permit.0;
        permit
    }

    /// Queues the answer to a send or change.
    pub(crate) fn answer(&self, request: RequestPermit, frame: Frame) {
        self.lock().push(frame, Some(request));
        self.changed.notify_one();
    }

    /// Returns whether a further frame may be read from the client.
    pub(crate) fn has_request_capacity(&self) -> bool {
        self.lock().unanswered_bytes < MAX_UNANSWERED_BYTES
    }

    /// Queues a durable event of a chat, or marks the chat as lagging.
    pub(crate) fn push_durable(&self, chat: ChatId, seq: Seq, frame: &Frame) {
        if self.queue_durable(chat, seq, frame, |_| ()).is_some() {
            self.changed.notify_one();
        }
    }

    /// Does the same without waking the writer. Returns whether the socket has to be added to its worker's wake queue.
    pub(super) fn push_durable_without_waking(&self, chat: ChatId, seq: Seq, frame: &Frame) -> bool {
        self.queue_durable(chat, seq, frame, |queue| !mem::replace(&mut queue.is_wake_queued, true)).unwrap_or(false)
    }

    /// Queues a durable event, and does something else under the same lock. If there is no room, the chat is
    /// lagging instead.
    fn queue_durable<T>(
        &self,
        chat: ChatId,
        seq: Seq,
        frame: &Frame,
        queued: impl FnOnce(&mut Queue) -> T,
    ) -> Option<T> {
        let mut queue = self.lock();
        let result = queue.push_durable(chat, seq, frame).then(|| queued(&mut queue));
        drop(queue);
        if result.is_none() {
            metrics::counter!("websocket_frames_dropped_total", "kind" => "durable").increment(1);
        }
        result
    }

    /// Wakes the writer of a socket that was taken from the wake queue, unless everything is written.
    pub(super) fn wake(&self) {
        let has_frames = {
            let mut queue = self.lock();
            queue.is_wake_queued = false;
            !queue.frames.is_empty()
        };
        if has_frames {
            self.changed.notify_one();
        }
    }

    /// Records that missed events of a chat are on their way.
    pub(crate) fn begin_catch_up(&self, chat: ChatId) {
        let mut queue = self.lock();
        queue.catching_up.insert(chat);
        // The user has joined again, and the answer to the `sync` concerns this membership.
        if let Some(removed) = &mut queue.removed_in_sync {
            removed.remove(&chat);
        }
    }

    /// Records that no further missed events of a chat are on their way.
    pub(crate) fn end_catch_up(&self, chat: ChatId) {
        self.lock().catching_up.remove(&chat);
    }

    /// Queues an event that the client missed. Waits until there is room. Returns `false`, and leaves the event out, if the user
    /// was removed from the chat since [`Outbox::begin_catch_up`].
    pub(crate) async fn push_missed(&self, chat: ChatId, frame: &Frame) -> bool {
        loop {
            let is_queued = {
                let mut queue = self.lock();
                if !queue.catching_up.contains(&chat) {
                    return false;
                }
                queue.push_backlog(frame)
            };
            if is_queued {
                self.changed.notify_one();
                return true;
            }
            self.drained.notified().await;
        }
    }

    /// Records that a `sync` begins. [`Outbox::push_synced`] or [`Outbox::cancel_sync`] ends it.
    pub(crate) fn begin_sync(&self) {
        self.lock().removed_in_sync = Some(BTreeSet::new());
    }

    /// Records that a `sync` failed.
    pub(crate) fn cancel_sync(&self) {
        self.lock().removed_in_sync = None;
    }

    /// Queues the answer to a `sync`, without the chats from which the user was removed meanwhile: nothing about a chat follows its
    /// `chat_removed`. Waits until there is room.
    pub(crate) async fn push_synced(&self, request_id: Option<String>, mut chats: Vec<SyncedChat>) {
        let encode = |chats: &[SyncedChat]| ServerFrame::Synced { request_id: request_id.as_deref(), chats }.encode();
        let mut frame = encode(&chats);
        loop {
            let is_queued = {
                let mut queue = self.lock();
                let all = chats.len();
                if let Some(removed) = &queue.removed_in_sync {
                    chats.retain(|chat| !removed.contains(&chat.chat_id));
                }
                if chats.len() < all {
                    frame = encode(&chats);
                }
                let is_queued = queue.push_backlog(&frame);
                if is_queued {
                    queue.removed_in_sync = None;
                }
                is_queued
            };
            if is_queued {
                self.changed.notify_one();
                return;
            }
            self.drained.notified().await;
        }
    }

    /// Queues a frame that belongs to catch-up, if there is room. If not, [`Outbox::drained`] waits for it.
    pub(crate) fn push_backlog(&self, frame: &Frame) -> bool {
        let is_queued = self.lock().push_backlog(frame);
        if is_queued {
            self.changed.notify_one();
        }
        is_queued
    }

    /// Waits until a frame was taken from the queue.
    pub(crate) async fn drained(&self) {
        self.drained.notified().await;
    }

    /// Queues the frame that tells the client that its user was removed from a chat. No frame of the chat follows.
    ///
    /// The frame is queued even if there is no room, because nothing could replace it. That is bounded by the chats of a user, and by
    /// how often the user joins again before a write that makes no progress closes the socket.
    pub(crate) fn push_removal(&self, chat: ChatId, frame: &Frame) {
        let mut queue = self.lock();
        queue.catching_up.remove(&chat);
        if let Some(removed) = &mut queue.removed_in_sync {
            removed.insert(chat);
        }
        // The client cannot fetch the events any more.
        queue.lagging.remove(&chat);
        queue.push(frame.clone(), None);
        drop(queue);
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

    /// Closes the socket once every send and change is answered and everything queued is written. The first reason counts.
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
    fn push(&mut self, frame: Frame, permit: Option<RequestPermit>) {
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
            self.unanswered_bytes -= permit.map_or(0, |request| request.0);
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
mod tests;
