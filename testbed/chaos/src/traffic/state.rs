//! What a device knows, has said, and still waits for; and its log.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use neonchat_common::ids::{ChatId, SendId, Seq, UserId};
use neonchat_testbed::client::User;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use super::{Heads, Phase, frames::Refusal};
use crate::{
    checker::{Ack, Answer, Client, Connection, Event, Message, Send},
    cluster::Endpoints,
};

/// Of 256 messages that may be sent again so many are not.
const LOST_PATIENCE: u8 = 32;

/// What the tasks of a device share.
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

/// See the module.
#[derive(Debug)]
pub struct State {
    inner: Mutex<Inner>,
    /// Something waits to be sent.
    pub(super) waiting: Notify,
    /// How many frames the device reads before it does not read any more; `None` for any number.
    reads: watch::Sender<Option<usize>>,
}

#[derive(Debug)]
struct Inner {
    log: Client,
    chats: Vec<ChatId>,
    /// Up to where it has everything, and what it has beyond that.
    have: BTreeMap<ChatId, (Seq, BTreeSet<Seq>)>,
    /// What is not answered: when it was first sent.
    unanswered: HashMap<SendId, Instant>,
    /// What is to be sent again, and when.
    again: VecDeque<(Instant, SendId)>,
    acks: usize,
}

impl State {
    pub(super) fn new(user: UserId, chats: Vec<ChatId>) -> Self {
        let have = chats.iter().map(|chat| (*chat, (0, BTreeSet::new()))).collect();
        let inner =
            Inner { log: Client::new(user), chats, have, unanswered: HashMap::new(), again: VecDeque::new(), acks: 0 };
        Self { inner: Mutex::new(inner), waiting: Notify::new(), reads: watch::Sender::new(None) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // What the harness asks.

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> Client {
        self.lock().log.clone()
    }

    /// Has it read so many frames and then none; `None` has it read as ever.
    pub fn read(&self, frames: Option<usize>) {
        self.reads.send_replace(frames);
    }

    /// How many connections it has had.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.lock().log.connections.len()
    }

    /// How many events were left out each time it was told that some were.
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

    pub(super) fn has_all(&self, heads: &Heads) -> bool {
        self.lock().have.iter().all(|(chat, (up_to, _))| heads.get(chat).is_none_or(|head| up_to >= head))
    }

    pub(super) fn is_connected(&self) -> bool {
        self.lock().log.connections.last().is_some_and(|connection| connection.is_open)
    }

    // What its tasks do.

    pub(super) async fn until_not_frozen(&self) {
        // The sender lives as long as this does.
        let _ = self.reads.subscribe().wait_for(|reads| *reads != Some(0)).await;
    }

    /// Waits until it is not to read any more.
    pub(super) async fn until_frozen(&self) {
        let _ = self.reads.subscribe().wait_for(|reads| *reads == Some(0)).await;
    }

    /// It has read a frame.
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
        self.lock().have.iter().map(|(chat, (up_to, _))| (*chat, *up_to)).collect()
    }

    pub(super) fn cursor(&self, chat: ChatId) -> Seq {
        self.lock().have.get(&chat).map_or(0, |(up_to, _)| *up_to)
    }

    pub(super) fn open(&self) {
        self.lock().log.connections.push(Connection { is_open: true, ..Connection::default() });
    }

    pub(super) fn close(&self) {
        if let Some(connection) = self.lock().log.connections.last_mut() {
            connection.is_open = false;
        }
    }

    /// Logs what was said on the connection, and learns from it.
    pub(super) fn note(&self, event: Event) {
        let mut inner = self.lock();
        match &event {
            Event::Message(message) => inner.learn(message.chat, message.seq),
            Event::Acked { ack, .. } => inner.learn(ack.chat, ack.seq),
            _ => {}
        }
        if let Some(connection) = inner.log.connections.last_mut() {
            connection.events.push(event);
        }
    }

    pub(super) fn fetched(&self, messages: Vec<Message>) {
        let mut inner = self.lock();
        for message in &messages {
            inner.learn(message.chat, message.seq);
        }
        inner.log.fetched.extend(messages);
    }

    /// A new message.
    pub(super) fn write(&self, chat: ChatId, request: SendId, text: String) {
        let mut inner = self.lock();
        inner.log.sends.insert(request, Send { chat, text, attempts: 0, answers: Vec::new() });
        inner.unanswered.insert(request, Instant::now());
    }

    /// Begins to send a message; returns what it says, and where.
    pub(super) fn attempt(&self, request: SendId) -> Option<(ChatId, String)> {
        let mut inner = self.lock();
        let send = inner.log.sends.get_mut(&request)?;
        send.attempts += 1;
        Some((send.chat, send.text.clone()))
    }

    pub(super) fn acked(&self, request: SendId, ack: Ack) {
        let mut inner = self.lock();
        inner.answer(request, Answer::Acked(ack));
        inner.learn(ack.chat, ack.seq);
        inner.acks += 1;
        inner.unanswered.remove(&request);
    }

    /// It was refused, and is not sent again.
    pub(super) fn refused(&self, request: SendId, refusal: &Refusal) {
        let mut inner = self.lock();
        inner.answer(request, refusal.answer());
        inner.unanswered.remove(&request);
    }

    /// It was refused. Where it may be taken later it is sent again, if its sender does not lose patience.
    pub(super) fn refused_or_put_off(&self, request: SendId, refusal: &Refusal, rng: &mut fastrand::Rng) {
        match refusal.retry_after {
            Some(pause) if rng.u8(..) >= LOST_PATIENCE => {
                self.lock().answer(request, refusal.answer());
                self.send_again(request, pause);
            }
            _ => self.refused(request, refusal),
        }
    }

    pub(super) fn send_again(&self, request: SendId, pause: Duration) {
        self.lock().again.push_back((Instant::now() + pause, request));
        self.waiting.notify_one();
    }

    /// What is to be sent again now; or when something is.
    pub(super) fn next_again(&self) -> Result<SendId, Option<Instant>> {
        let mut inner = self.lock();
        let now = Instant::now();
        match inner.again.iter().position(|(due, _)| *due <= now).and_then(|index| inner.again.remove(index)) {
            Some((_, request)) => Ok(request),
            None => Err(inner.again.iter().map(|(due, _)| *due).min()),
        }
    }
}

impl Inner {
    fn answer(&mut self, request: SendId, answer: Answer) {
        if let Some(send) = self.log.sends.get_mut(&request) {
            send.answers.push(answer);
        }
    }

    fn learn(&mut self, chat: ChatId, seq: Seq) {
        let (up_to, beyond) = self.have.entry(chat).or_default();
        if seq > *up_to {
            beyond.insert(seq);
        }
        while beyond.remove(&(*up_to + 1)) {
            *up_to += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_stops_at_a_gap() {
        let chat = ChatId::new();
        let state = State::new(UserId::new(), vec![chat]);
        for (seq, up_to) in [(1, 1), (3, 1), (4, 1), (2, 4), (2, 4), (5, 5)] {
            state.lock().learn(chat, seq);
            assert_eq!(state.cursor(chat), up_to);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_put_off_waits() {
        let state = State::new(UserId::new(), Vec::new());
        let (first, second) = (SendId::new(), SendId::new());
        state.send_again(first, Duration::from_secs(2));
        state.send_again(second, Duration::from_secs(1));
        assert_eq!(state.next_again(), Err(Some(Instant::now() + Duration::from_secs(1))));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(state.next_again(), Ok(second));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!((state.next_again(), state.next_again()), (Ok(first), Err(None)));
    }
}
