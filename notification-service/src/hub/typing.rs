//! Who is typing in which chat, by a socket of this instance; and what of it the other members are told.
//!
//! Typing ends when the client says so, when the user's message comes, when the socket closes, and after a while by itself.
//! A client may say that it goes on or changes as often as it likes: the others are told of that at a bounded rate.

use std::time::Duration;

use dashmap::DashMap;
use neonchat_common::ids::{ChatId, UserId};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::SocketId;
use crate::work_set::WorkSet;

/// Typing that the client does not repeat ends after this time (docs/PROTOCOL.md).
const TIMEOUT: Duration = Duration::from_secs(10);

/// The others are told of no more than one beginning within this time.
const MIN_PAUSE: Duration = Duration::from_secs(1);

/// While it goes on, the others are told again after this time, so that their own timeouts do not end it.
const REPEAT: Duration = Duration::from_secs(3);

/// How often everyone who is typing is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Who is typing, and where.
type Key = (UserId, ChatId);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Typing {
    entries: DashMap<Key, Entry>,
    changed: WorkSet<Key>,
}

/// What the other members of a chat are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) user: UserId,
    pub(crate) chat: ChatId,
    pub(crate) is_typing: bool,
}

#[derive(Debug)]
struct Entry {
    /// The socket that said so last.
    socket: SocketId,
    is_typing: bool,
    /// Until then, if it is not repeated.
    until: Instant,
    /// Whether it was repeated since the others were told.
    is_repeated: bool,
    /// What the others were told last.
    told: bool,
    /// When they were told last that it began or goes on.
    told_at: Option<Instant>,
}

impl Typing {
    /// A user types, by this socket.
    pub(crate) fn begin(&self, user: UserId, chat: ChatId, socket: SocketId, now: Instant) {
        let until = now + TIMEOUT;
        self.entries
            .entry((user, chat))
            .and_modify(|entry| {
                entry.socket = socket;
                entry.is_typing = true;
                entry.until = until;
                entry.is_repeated = true;
            })
            .or_insert(Entry { socket, is_typing: true, until, is_repeated: false, told: false, told_at: None });
        self.changed.add([(user, chat)]);
    }

    /// A user does not type any more, or has sent what was typed.
    pub(crate) fn end(&self, user: UserId, chat: ChatId) {
        self.end_if(user, chat, |_| true);
    }

    /// A socket is closed.
    pub(crate) fn close(&self, user: UserId, chat: ChatId, socket: SocketId) {
        self.end_if(user, chat, |entry| entry.socket == socket);
    }

    fn end_if(&self, user: UserId, chat: ChatId, is_ended: impl FnOnce(&Entry) -> bool) {
        if let Some(mut entry) = self.entries.get_mut(&(user, chat))
            && entry.is_typing
            && is_ended(&entry)
        {
            entry.is_typing = false;
            drop(entry);
            self.changed.add([(user, chat)]);
        }
    }

    /// When everyone who is typing is looked at, for [`Typing::next`].
    pub(crate) fn looks() -> Interval {
        let mut looks = interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        looks
    }

    /// Waits until the others have to be told something. Returns all that they have to be told now. Meant for one worker.
    pub(crate) async fn next(&self, looks: &mut Interval) -> Vec<Told> {
        loop {
            let told = tokio::select! {
                () = self.changed.wait() => self.settle_changed(Instant::now()),
                _ = looks.tick(), if !self.entries.is_empty() => self.settle_all(Instant::now()),
            };
            if !told.is_empty() {
                return told;
            }
        }
    }

    fn settle_changed(&self, now: Instant) -> Vec<Told> {
        let settle = |(user, chat): Key| {
            let is_typing = self.entries.get_mut(&(user, chat))?.settle(now)?;
            Some(Told { user, chat, is_typing })
        };
        self.changed.take().into_iter().filter_map(settle).collect()
    }

    fn settle_all(&self, now: Instant) -> Vec<Told> {
        let mut all = Vec::new();
        self.entries.retain(|&(user, chat), entry| {
            all.extend(entry.settle(now).map(|is_typing| Told { user, chat, is_typing }));
            !entry.is_over(now)
        });
        all
    }
}

impl Entry {
    /// What the others have to be told now, if anything.
    fn settle(&mut self, now: Instant) -> Option<bool> {
        self.is_typing &= now < self.until;
        let is_past = |pause| self.told_at.is_none_or(|at| now >= at + pause);
        let is_due = match (self.is_typing, self.told) {
            (true, false) => is_past(MIN_PAUSE),
            (true, true) => self.is_repeated && is_past(REPEAT),
            (false, told) => told,
        };
        if !is_due {
            return None;
        }
        self.told = self.is_typing;
        if self.is_typing {
            self.told_at = Some(now);
            self.is_repeated = false;
        }
        Some(self.is_typing)
    }

    /// Whether nothing follows from it any more.
    fn is_over(&self, now: Instant) -> bool {
        !self.is_typing && !self.told && self.told_at.is_none_or(|at| now >= at + MIN_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    struct Stage {
        typing: Typing,
        user: UserId,
        chat: ChatId,
        socket: SocketId,
        looks: Interval,
    }

    impl Stage {
        fn new() -> Self {
            let (user, chat) = (UserId::new(), ChatId::new());
            Self { typing: Typing::default(), user, chat, socket: SocketId::for_test(), looks: Typing::looks() }
        }

        fn begin(&self) {
            self.typing.begin(self.user, self.chat, self.socket, Instant::now());
        }

        fn end(&self) {
            self.typing.end(self.user, self.chat);
        }

        /// What the others are told next, and after how many seconds.
        async fn next(&mut self) -> (bool, u64) {
            let begun = Instant::now();
            let [told] = self.typing.next(&mut self.looks).await[..] else { panic!("more than one") };
            (told.is_typing, begun.elapsed().as_secs())
        }

        /// How much they are told now.
        fn told(&mut self) -> usize {
            self.typing.next(&mut self.looks).now_or_never().map_or(0, |told| told.len())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn ends_when_the_client_says_so_and_by_itself_if_it_says_nothing() {
        let mut stage = Stage::new();
        stage.begin();
        assert_eq!(stage.next().await, (true, 0));
        stage.end();
        assert_eq!(stage.next().await, (false, 0));
        stage.end();
        assert_eq!(stage.told(), 0);

        tokio::time::advance(MIN_PAUSE).await;
        stage.begin();
        assert_eq!(stage.next().await, (true, 0));
        assert_eq!(stage.next().await, (false, TIMEOUT.as_secs()));
    }

    #[tokio::test(start_paused = true)]
    async fn ends_with_the_socket_that_said_so_last() {
        let mut stage = Stage::new();
        stage.begin();
        assert_eq!(stage.next().await, (true, 0));
        stage.typing.close(stage.user, stage.chat, SocketId::for_test());
        assert_eq!(stage.told(), 0);
        stage.typing.close(stage.user, stage.chat, stage.socket);
        assert_eq!(stage.next().await, (false, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_a_client_says_the_others_are_told_at_a_bounded_rate() {
        let mut stage = Stage::new();
        let mut told = 0;
        for _ in 0..1000 {
            for _ in 0..10 {
                stage.begin();
                told += stage.told();
                stage.end();
                told += stage.told();
            }
            tokio::time::advance(Duration::from_millis(10)).await;
        }
        assert!((18..=22).contains(&told), "{told} within ten seconds");
        // What was said last counts.
        stage.begin();
        tokio::time::advance(MIN_PAUSE).await;
        assert_eq!(stage.next().await, (true, 0));
        for seconds in 0..9 {
            stage.begin();
            tokio::time::advance(Duration::from_secs(1)).await;
            let repeated = stage.told();
            assert_eq!(repeated, usize::from(seconds % 3 == 2), "after {seconds} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_kept_of_what_is_over() {
        let mut stage = Stage::new();
        for _ in 0..100 {
            stage.typing.begin(UserId::new(), stage.chat, stage.socket, Instant::now());
        }
        assert_eq!(stage.typing.next(&mut stage.looks).await.len(), 100);
        assert_eq!(stage.typing.next(&mut stage.looks).await.len(), 100);
        assert!(tokio::time::timeout(Duration::from_secs(5), stage.typing.next(&mut stage.looks)).await.is_err());
        assert!(stage.typing.entries.is_empty());
    }
}
