//! The state of a device: its messages, its sends and their answers, and its log.

mod changes;
mod contacts;
mod ordinary;
mod scheduled;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use neonchat_common::ids::{ChatId, MessageId, SendId, Seq, UserId};
use neonchat_testbed::client::User;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use super::{Head, Heads, Phase, frames::Refusal};
use crate::{
    checker::{Ack, Answer, Client, Connection, Event, Fetched, Moment, Send},
    cluster::Endpoints,
};

/// Out of 256 retryable refusals, this many are not retried.
pub(super) const GIVE_UP_PER_256: u8 = 32;

/// Returns the present moment.
pub(super) fn now() -> Moment {
    static START: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);
    u64::try_from(START.elapsed().as_micros()).unwrap_or(Moment::MAX)
}

/// The data that the tasks of a device share.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) state: std::sync::Arc<State>,
    pub(super) user: User,
    pub(super) endpoints: Endpoints,
    pub(super) phase: watch::Receiver<Phase>,
}

impl Shared {
    pub(super) fn is(&self, phase: Phase) -> bool {
        *self.phase.borrow() == phase
    }
}

/// The state of a device.
#[derive(Debug)]
pub struct State {
    inner: Mutex<Inner>,
    /// Notified when a retry is added.
    pub(super) waiting: Notify,
    /// The number of frames that the device reads before it stops reading. `None` for no limit.
    reads: watch::Sender<Option<usize>>,
}

#[derive(Debug)]
struct Inner {
    log: Client,
    chats: Vec<ChatId>,
    /// The usernames of the other members of chats whose members stay.
    partners: BTreeMap<ChatId, Vec<String>>,
    /// The newest messages of each chat.
    newest: BTreeMap<ChatId, VecDeque<MessageId>>,
    /// The cursor of each chat, and the events beyond it.
    progress: BTreeMap<ChatId, (Seq, BTreeSet<Seq>)>,
    /// The groups of which the user is not a member, as far as the device knows.
    left: BTreeSet<ChatId>,
    /// The unanswered messages, with the time of the first attempt.
    unanswered: HashMap<SendId, Instant>,
    /// The messages to send again, with the time to do so.
    retries: VecDeque<(Instant, SendId)>,
    /// The stored messages of the user, which may be changed.
    own: Vec<(ChatId, MessageId)>,
    acks: usize,
}

impl State {
    pub(super) fn new(user: UserId, chats: Vec<ChatId>) -> Self {
        let progress = chats.iter().map(|chat| (*chat, (0, BTreeSet::new()))).collect();
        let inner = Inner {
            log: Client::new(user),
            chats,
            partners: BTreeMap::new(),
            newest: BTreeMap::new(),
            progress,
            left: BTreeSet::new(),
            unanswered: HashMap::new(),
            retries: VecDeque::new(),
            own: Vec::new(),
            acks: 0,
        };
        Self { inner: Mutex::new(inner), waiting: Notify::new(), reads: watch::Sender::new(None) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // For the faults and the harness.

    /// Returns the log.
    #[must_use]
    pub fn log(&self) -> Client {
        self.lock().log.clone()
    }

    /// Lets the device read this many frames and then none. `None` removes the limit.
    pub fn read(&self, frames: Option<usize>) {
        self.reads.send_replace(frames);
    }

    /// Returns the number of connections so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.lock().log.connections.len()
    }

    /// Returns the number of events that each `lagged` announced as left out.
    #[must_use]
    pub fn gaps(&self) -> Vec<Seq> {
        let inner = self.lock();
        let events = inner.log.connections.iter().flat_map(|connection| &connection.events);
        let gap =
            |event: &Event| if let Event::Lagged { from, head, .. } = event { Some(head - from + 1) } else { None };
        events.filter_map(gap).collect()
    }

    pub(super) fn user(&self) -> UserId {
        self.lock().log.user
    }

    pub(super) fn acks(&self) -> usize {
        self.lock().acks
    }

    pub(super) fn has_acks(&self) -> bool {
        self.acks() > 0
    }

    pub(super) fn is_answered_before(&self, begun: Instant) -> bool {
        self.lock().unanswered.values().all(|sent| *sent > begun)
    }

    pub(super) fn unanswered(&self) -> usize {
        self.lock().unanswered.len()
    }

    /// Returns whether the device has everything up to the heads, or has learned that its user is not a member. Meanwhile users may
    /// be removed and added.
    pub(super) fn has_all(&self, heads: &Heads) -> bool {
        let inner = self.lock();
        inner.progress.iter().all(|(chat, (up_to, _))| {
            inner.left.contains(chat) || heads.get(chat).is_none_or(|head| *up_to >= head.seq)
        })
    }

    /// Like [`State::has_all`], when nobody is removed or added any more.
    pub(super) fn has_settled(&self, heads: &Heads) -> bool {
        let inner = self.lock();
        let is_member = |head: &Head| head.members.contains(&inner.log.user);
        inner.progress.iter().all(|(chat, (up_to, _))| match heads.get(chat) {
            Some(head) if is_member(head) => !inner.left.contains(chat) && *up_to >= head.seq,
            Some(_) => inner.left.contains(chat),
            None => true,
        })
    }

    pub(super) fn is_connected(&self) -> bool {
        self.lock().log.connections.last().is_some_and(|connection| connection.is_open)
    }

    // For the tasks of the device.

    pub(super) async fn until_not_frozen(&self) {
        // This owns the sender, so waiting cannot fail.
        let _ = self.reads.subscribe().wait_for(|reads| *reads != Some(0)).await;
    }

    /// Waits until the device must stop reading.
    pub(super) async fn until_frozen(&self) {
        let _ = self.reads.subscribe().wait_for(|reads| *reads == Some(0)).await;
    }

    /// Counts a frame that the device has read.
    pub(super) fn has_read(&self) {
        self.reads.send_if_modified(|reads| match reads {
            Some(reads) => {
                *reads = reads.saturating_sub(1);
                *reads == 0
            }
            None => false,
        });
    }

    pub(super) fn chats(&self) -> Vec<ChatId> {
        self.lock().chats.clone()
    }

    pub(super) fn cursors(&self) -> BTreeMap<ChatId, Seq> {
        self.lock().progress.iter().map(|(chat, (up_to, _))| (*chat, *up_to)).collect()
    }

    pub(super) fn cursor(&self, chat: ChatId) -> Seq {
        self.lock().progress.get(&chat).map_or(0, |(up_to, _)| *up_to)
    }

    /// Returns whether the device knows that its user is not a member.
    pub(super) fn has_left(&self, chat: ChatId) -> bool {
        self.lock().left.contains(&chat)
    }

    pub(super) fn open(&self) {
        self.lock().log.connections.push(Connection { is_open: true, ..Connection::default() });
    }

    pub(super) fn close(&self) {
        if let Some(connection) = self.lock().log.connections.last_mut() {
            connection.is_open = false;
        }
    }

    /// Logs an event of the connection, and records the `seq` in it.
    pub(super) fn log_event(&self, event: Event) {
        let mut inner = self.lock();
        match &event {
            Event::Message(message) => {
                inner.left.remove(&message.chat);
                inner.record_seq(message.chat, message.seq);
                inner.add_newest(message);
                if message.sender == inner.log.user {
                    inner.own.push((message.chat, message.id));
                }
            }
            Event::Changed(change) => {
                inner.left.remove(&change.chat);
                inner.record_seq(change.chat, change.seq);
            }
            Event::Acked { ack, .. } => inner.record_seq(ack.chat, ack.seq),
            Event::Synced { chat, first, .. } => inner.begin_at(*chat, *first),
            Event::Joined { chat, .. } | Event::Lagged { chat, .. } => {
                inner.left.remove(chat);
            }
            Event::Left { chat } => {
                inner.left.insert(*chat);
            }
            Event::Sync { .. } | Event::Sent { .. } | Event::Seen { .. } => {}
        }
        if let Some(connection) = inner.log.connections.last_mut() {
            connection.events.push(event);
        }
    }

    /// Records a page of events of a chat that begins with `first` for the user.
    pub(super) fn fetched_page(&self, chat: ChatId, first: Seq, events: Vec<Fetched>) {
        self.lock().begin_at(chat, first);
        self.fetched(events);
    }

    pub(super) fn fetched(&self, events: Vec<Fetched>) {
        let mut inner = self.lock();
        for fetched in &events {
            let (chat, seq) = fetched.event.place();
            inner.record_seq(chat, seq);
        }
        inner.log.fetched.extend(events);
    }

    /// Adds a new message.
    pub(super) fn add_send(&self, chat: ChatId, request_id: SendId, text: String) {
        let mut inner = self.lock();
        inner.log.sends.insert(request_id, Send { chat, text, attempts: 0, answers: Vec::new() });
        inner.unanswered.insert(request_id, Instant::now());
    }

    /// Counts an attempt to send a message. Returns its chat and text.
    pub(super) fn attempt(&self, request_id: SendId) -> Option<(ChatId, String)> {
        let mut inner = self.lock();
        let send = inner.log.sends.get_mut(&request_id)?;
        send.attempts += 1;
        Some((send.chat, send.text.clone()))
    }

    pub(super) fn acked(&self, request_id: SendId, ack: Ack) {
        let mut inner = self.lock();
        inner.answer(request_id, Answer::Acked(ack));
        inner.record_seq(ack.chat, ack.seq);
        inner.own.push((ack.chat, ack.id));
        inner.acks += 1;
        inner.unanswered.remove(&request_id);
    }

    /// Records a refusal. The message is not retried.
    pub(super) fn refused(&self, request_id: SendId, refusal: &Refusal) {
        let mut inner = self.lock();
        inner.answer(request_id, refusal.answer());
        inner.unanswered.remove(&request_id);
    }

    /// Records a refusal. A retryable message is retried, unless the client gives up by chance.
    pub(super) fn refused_or_retry(&self, request_id: SendId, refusal: &Refusal, rng: &mut fastrand::Rng) {
        match refusal.retry_after {
            Some(pause) if rng.u8(..) >= GIVE_UP_PER_256 => {
                self.lock().answer(request_id, refusal.answer());
                self.retry_after(request_id, pause);
            }
            _ => self.refused(request_id, refusal),
        }
    }

    pub(super) fn retry_after(&self, request_id: SendId, pause: Duration) {
        self.lock().retries.push_back((Instant::now() + pause, request_id));
        self.waiting.notify_one();
    }

    /// Returns a message whose retry is due, or else the time of the next retry.
    pub(super) fn next_retry(&self) -> Result<SendId, Option<Instant>> {
        let mut inner = self.lock();
        let now = Instant::now();
        match inner.retries.iter().position(|(due, _)| *due <= now).and_then(|index| inner.retries.remove(index)) {
            Some((_, request_id)) => Ok(request_id),
            None => Err(inner.retries.iter().map(|(due, _)| *due).min()),
        }
    }
}

impl Inner {
    fn answer(&mut self, request_id: SendId, answer: Answer) {
        if let Some(send) = self.log.sends.get_mut(&request_id) {
            send.answers.push(answer);
        }
    }

    /// The chat begins with this event for the user.
    fn begin_at(&mut self, chat: ChatId, first: Seq) {
        let (up_to, beyond) = self.progress.entry(chat).or_default();
        *up_to = (*up_to).max(first - 1);
        beyond.retain(|seq| *seq > *up_to);
        self.left.remove(&chat);
        self.advance(chat);
    }

    fn record_seq(&mut self, chat: ChatId, seq: Seq) {
        let (up_to, beyond) = self.progress.entry(chat).or_default();
        if seq > *up_to {
            beyond.insert(seq);
        }
        self.advance(chat);
    }

    fn advance(&mut self, chat: ChatId) {
        let (up_to, beyond) = self.progress.entry(chat).or_default();
        while beyond.remove(&(*up_to + 1)) {
            *up_to += 1;
        }
    }
}
