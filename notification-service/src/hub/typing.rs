//! Which users type in which chats on the sockets of this instance, and when the other members are notified.
//!
//! Typing ends by the client, by the user's message, when the socket closes, or by a timeout. A client may repeat or change its
//! typing as often as it likes: the notifications of the other members have a bounded rate.

mod gathered;

use std::time::Duration;

use dashmap::DashMap;
use neonchat_common::{
    chat::ChatClass,
    ids::{ChatId, UserId},
};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

pub(crate) use self::gathered::GatheredTyping;
use super::SocketId;
use crate::dedup_queue::DedupQueue;

/// Typing that the client does not repeat ends after this time (docs/PROTOCOL.md).
const TYPING_TIMEOUT: Duration = Duration::from_secs(10);

/// The least time between two notifications that typing began.
const MIN_BEGIN_INTERVAL: Duration = Duration::from_secs(1);

/// How often the notification is repeated while typing continues, so that the members' own timeouts do not end it.
const REPEAT_INTERVAL: Duration = Duration::from_secs(3);

/// How often all typing users are checked.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// A user and the chat in which the user types.
type Key = (UserId, ChatId);

/// The typing users of this instance.
#[derive(Debug, Default)]
pub(crate) struct Typing {
    entries: DashMap<Key, TypingState>,
    changed: DedupQueue<Key>,
}

/// A notification for the other members of a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TypingChange {
    pub(crate) user: UserId,
    pub(crate) chat: ChatId,
    pub(crate) class: ChatClass,
    pub(crate) is_typing: bool,
}

#[derive(Debug)]
struct TypingState {
    /// The socket of the last update.
    socket: SocketId,
    /// The size of the chat when typing began. It decides the audience, and the end of typing is for those who know of the begin.
    class: ChatClass,
    is_typing: bool,
    /// When typing ends unless the client repeats it.
    expires_at: Instant,
    /// Whether the client has repeated it since the last notification.
    is_refreshed: bool,
    /// What the last notification said.
    announced: bool,
    /// When the last notification said that typing began or continues.
    announced_at: Option<Instant>,
}

impl Typing {
    /// Records that a user types, by a socket, in a chat of this size.
    pub(crate) fn begin(&self, user: UserId, (chat, class): (ChatId, ChatClass), socket: SocketId, now: Instant) {
        let expires_at = now + TYPING_TIMEOUT;
        self.entries
            .entry((user, chat))
            .and_modify(|entry| {
                entry.socket = socket;
                if !entry.announced {
                    entry.class = class;
                }
                entry.is_typing = true;
                entry.expires_at = expires_at;
                entry.is_refreshed = true;
            })
            .or_insert(TypingState {
                socket,
                class,
                is_typing: true,
                expires_at,
                is_refreshed: false,
                announced: false,
                announced_at: None,
            });
        self.changed.add([(user, chat)]);
    }

    /// Records that a user does not type any more, or has sent the message.
    pub(crate) fn end(&self, user: UserId, chat: ChatId) {
        self.end_if(user, chat, |_| true);
    }

    /// Ends typing by a socket that is closed.
    pub(crate) fn close(&self, user: UserId, chat: ChatId, socket: SocketId) {
        self.end_if(user, chat, |entry| entry.socket == socket);
    }

    fn end_if(&self, user: UserId, chat: ChatId, is_ended: impl FnOnce(&TypingState) -> bool) {
        if let Some(mut entry) = self.entries.get_mut(&(user, chat))
            && entry.is_typing
            && is_ended(&entry)
        {
            entry.is_typing = false;
            drop(entry);
            self.changed.add([(user, chat)]);
        }
    }

    /// Returns the interval at which [`Typing::next`] checks all typing users.
    pub(crate) fn check_interval() -> Interval {
        let mut checks = interval(CHECK_INTERVAL);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        checks
    }

    /// Waits until notifications are due and returns them. Supports one worker.
    pub(crate) async fn next(&self, checks: &mut Interval) -> Vec<TypingChange> {
        loop {
            let changes = tokio::select! {
                () = self.changed.wait() => self.poll_changed(Instant::now()),
                _ = checks.tick(), if !self.entries.is_empty() => self.poll_all(Instant::now()),
            };
            if !changes.is_empty() {
                return changes;
            }
        }
    }

    fn poll_changed(&self, now: Instant) -> Vec<TypingChange> {
        let poll = |(user, chat): Key| {
            let mut entry = self.entries.get_mut(&(user, chat))?;
            let is_typing = entry.poll(now)?;
            Some(TypingChange { user, chat, class: entry.class, is_typing })
        };
        self.changed.take().into_iter().filter_map(poll).collect()
    }

    fn poll_all(&self, now: Instant) -> Vec<TypingChange> {
        let mut all = Vec::new();
        self.entries.retain(|&(user, chat), entry| {
            let class = entry.class;
            all.extend(entry.poll(now).map(|is_typing| TypingChange { user, chat, class, is_typing }));
            !entry.is_finished(now)
        });
        all
    }
}

impl TypingState {
    /// Returns the notification that is due, if any.
    fn poll(&mut self, now: Instant) -> Option<bool> {
        self.is_typing &= now < self.expires_at;
        let is_past = |pause| self.announced_at.is_none_or(|at| now >= at + pause);
        let is_due = match (self.is_typing, self.announced) {
            (true, false) => is_past(MIN_BEGIN_INTERVAL),
            (true, true) => self.is_refreshed && is_past(REPEAT_INTERVAL),
            (false, announced) => announced,
        };
        if !is_due {
            return None;
        }
        self.announced = self.is_typing;
        if self.is_typing {
            self.announced_at = Some(now);
            self.is_refreshed = false;
        }
        Some(self.is_typing)
    }

    /// Returns whether the entry can be removed.
    fn is_finished(&self, now: Instant) -> bool {
        !self.is_typing && !self.announced && self.announced_at.is_none_or(|at| now >= at + MIN_BEGIN_INTERVAL)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    struct Fixture {
        typing: Typing,
        user: UserId,
        chat: ChatId,
        socket: SocketId,
        checks: Interval,
    }

    impl Fixture {
        fn new() -> Self {
            let (user, chat) = (UserId::new(), ChatId::new());
            Self {
                typing: Typing::default(),
                user,
                chat,
                socket: SocketId::for_test(),
                checks: Typing::check_interval(),
            }
        }

        fn begin(&self) {
            self.typing.begin(self.user, (self.chat, ChatClass::Small), self.socket, Instant::now());
        }

        fn end(&self) {
            self.typing.end(self.user, self.chat);
        }

        /// Returns the next notification, and after how many seconds it comes.
        async fn next(&mut self) -> (bool, u64) {
            let start = Instant::now();
            let [change] = self.typing.next(&mut self.checks).await[..] else { panic!("more than one") };
            (change.is_typing, start.elapsed().as_secs())
        }

        /// Returns the number of notifications that are due.
        fn due(&mut self) -> usize {
            self.typing.next(&mut self.checks).now_or_never().map_or(0, |changes| changes.len())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn ends_by_client_or_timeout() {
        let mut fixture = Fixture::new();
        fixture.begin();
        assert_eq!(fixture.next().await, (true, 0));
        fixture.end();
        assert_eq!(fixture.next().await, (false, 0));
        fixture.end();
        assert_eq!(fixture.due(), 0);

        tokio::time::advance(MIN_BEGIN_INTERVAL).await;
        fixture.begin();
        assert_eq!(fixture.next().await, (true, 0));
        assert_eq!(fixture.next().await, (false, TYPING_TIMEOUT.as_secs()));
    }

    #[tokio::test(start_paused = true)]
    async fn ends_with_socket_of_last_update() {
        let mut fixture = Fixture::new();
        fixture.begin();
        assert_eq!(fixture.next().await, (true, 0));
        fixture.typing.close(fixture.user, fixture.chat, SocketId::for_test());
        assert_eq!(fixture.due(), 0);
        fixture.typing.close(fixture.user, fixture.chat, fixture.socket);
        assert_eq!(fixture.next().await, (false, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn ends_for_those_for_whom_it_began() {
        let mut fixture = Fixture::new();
        fixture.begin();
        let [began] = fixture.typing.next(&mut fixture.checks).await[..] else { panic!("more than one") };
        // The chat grows.
        let grown = (fixture.chat, ChatClass::Medium);
        fixture.typing.begin(fixture.user, grown, fixture.socket, Instant::now());
        fixture.end();
        let [ended] = fixture.typing.next(&mut fixture.checks).await[..] else { panic!("more than one") };
        assert_eq!((began.class, ended), (ChatClass::Small, TypingChange { is_typing: false, ..began }));
        tokio::time::advance(MIN_BEGIN_INTERVAL).await;
        fixture.typing.begin(fixture.user, grown, fixture.socket, Instant::now());
        let [again] = fixture.typing.next(&mut fixture.checks).await[..] else { panic!("more than one") };
        assert_eq!(again.class, ChatClass::Medium);
    }

    #[tokio::test(start_paused = true)]
    async fn bounds_rate_of_notifications() {
        let mut fixture = Fixture::new();
        let mut count = 0;
        for _ in 0..1000 {
            for _ in 0..10 {
                fixture.begin();
                count += fixture.due();
                fixture.end();
                count += fixture.due();
            }
            tokio::time::advance(Duration::from_millis(10)).await;
        }
        assert!((18..=22).contains(&count), "{count} within ten seconds");
        // The last update counts.
        fixture.begin();
        tokio::time::advance(MIN_BEGIN_INTERVAL).await;
        assert_eq!(fixture.next().await, (true, 0));
        for seconds in 0..9 {
            fixture.begin();
            tokio::time::advance(Duration::from_secs(1)).await;
            let repeated = fixture.due();
            assert_eq!(repeated, usize::from(seconds % 3 == 2), "after {seconds} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn removes_finished_entries() {
        let mut fixture = Fixture::new();
        for _ in 0..100 {
            fixture.typing.begin(UserId::new(), (fixture.chat, ChatClass::Small), fixture.socket, Instant::now());
        }
        assert_eq!(fixture.typing.next(&mut fixture.checks).await.len(), 100);
        assert_eq!(fixture.typing.next(&mut fixture.checks).await.len(), 100);
        assert!(tokio::time::timeout(Duration::from_secs(5), fixture.typing.next(&mut fixture.checks)).await.is_err());
        assert!(fixture.typing.entries.is_empty());
    }
}
