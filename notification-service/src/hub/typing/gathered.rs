//! Who types in chats of medium size, on all instances: gathered, so that a member gets one frame a second however many type.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use neonchat_common::ids::{ChatId, UserId};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::{REPEAT_INTERVAL, TYPING_TIMEOUT};
use crate::protocol::Typists;

/// The least time between two frames of a chat.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// The most users whom a frame names.
const MAX_NAMED: usize = 3;

/// The typing users of the chats of medium size.
#[derive(Debug, Default)]
pub(crate) struct GatheredTyping {
    chats: Mutex<HashMap<ChatId, ChatTyping>>,
    began: Notify,
}

/// The typing users of a chat.
#[derive(Debug, Default)]
struct ChatTyping {
    /// Who types, and until when unless it is repeated; who began first comes first.
    typists: Vec<(UserId, Instant)>,
    is_changed: bool,
    sent_at: Option<Instant>,
}

impl GatheredTyping {
    /// Records that a user began, continues, or ended typing.
    pub(crate) fn record(&self, chat: ChatId, user: UserId, is_typing: bool, now: Instant) {
        let mut chats = self.lock();
        if is_typing {
            chats.entry(chat).or_default().begin(user, now + TYPING_TIMEOUT);
            drop(chats);
            self.began.notify_one();
        } else if let Some(typing) = chats.get_mut(&chat) {
            typing.end_if(|typist, _| typist == user);
        }
    }

    /// Waits until frames are due, and returns who types in which chats. Supports one worker, whose calls are at least
    /// [`MIN_INTERVAL`] apart.
    pub(crate) async fn next(&self) -> Vec<(ChatId, Typists)> {
        loop {
            while self.lock().is_empty() {
                self.began.notified().await;
            }
            sleep_until(Instant::now() + MIN_INTERVAL).await;
            let due = self.take_due(Instant::now());
            if !due.is_empty() {
                return due;
            }
        }
    }

    fn take_due(&self, now: Instant) -> Vec<(ChatId, Typists)> {
        let mut due = Vec::new();
        self.lock().retain(|chat, typing| {
            due.extend(typing.poll(now).map(|typists| (*chat, typists)));
            !typing.typists.is_empty()
        });
        due
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ChatId, ChatTyping>> {
        // No critical section can panic between two changes, so a poisoned lock guards a consistent map.
        self.chats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ChatTyping {
    fn begin(&mut self, user: UserId, until: Instant) {
        if let Some((_, known)) = self.typists.iter_mut().find(|(typist, _)| *typist == user) {
            *known = until;
        } else {
            self.typists.push((user, until));
            self.is_changed = true;
        }
    }

    fn end_if(&mut self, is_ended: impl Fn(UserId, Instant) -> bool) {
        let before = self.typists.len();
        self.typists.retain(|&(user, until)| !is_ended(user, until));
        self.is_changed |= self.typists.len() < before;
    }

    /// Returns who types, if members have to be told: because it changed, or so that their own timeouts do not end it.
    fn poll(&mut self, now: Instant) -> Option<Typists> {
        self.end_if(|_, until| until <= now);
        let is_past = self.sent_at.is_none_or(|at| now >= at + REPEAT_INTERVAL);
        // Typing that began and ended within the interval was never shown.
        let is_shown = self.sent_at.is_some() || !self.typists.is_empty();
        if !is_shown || !self.is_changed && !is_past {
            return None;
        }
        (self.is_changed, self.sent_at) = (false, Some(now));
        let user_ids: Vec<_> = self.typists.iter().take(MAX_NAMED).map(|(user, _)| *user).collect();
        let more = self.typists.len() - user_ids.len();
        Some(Typists::Several { user_ids, more })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn several(user_ids: &[UserId], more: usize) -> Typists {
        Typists::Several { user_ids: user_ids.to_vec(), more }
    }

    #[tokio::test(start_paused = true)]
    async fn sends_one_frame_a_second_however_many_type() {
        let (typing, chat) = (GatheredTyping::default(), ChatId::new());
        let users: Vec<_> = (0..500).map(|_| UserId::new()).collect();
        let start = Instant::now();
        for second in 1..=30 {
            for user in &users {
                typing.record(chat, *user, fastrand::bool(), Instant::now());
            }
            assert_eq!((typing.next().await.len(), start.elapsed()), (1, Duration::from_secs(second)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn names_three_and_counts_the_others() {
        let (typing, chat) = (GatheredTyping::default(), ChatId::new());
        let users: Vec<_> = (0..5).map(|_| UserId::new()).collect();
        for user in &users {
            typing.record(chat, *user, true, Instant::now());
        }
        assert_eq!(typing.next().await, [(chat, several(&users[..3], 2))]);
        typing.record(chat, users[0], false, Instant::now());
        assert_eq!(typing.next().await, [(chat, several(&users[1..4], 1))]);
        for user in &users {
            typing.record(chat, *user, false, Instant::now());
        }
        assert_eq!(typing.next().await, [(chat, several(&[], 0))]);
        assert!(typing.lock().is_empty(), "nothing stays");
    }

    #[tokio::test(start_paused = true)]
    async fn repeats_while_typing_continues_and_ends_by_timeout() {
        let (typing, chat, user, start) = (GatheredTyping::default(), ChatId::new(), UserId::new(), Instant::now());
        typing.record(chat, user, true, start);
        let mut seconds = Vec::new();
        loop {
            let due = typing.next().await;
            seconds.push(start.elapsed().as_secs());
            if due == [(chat, several(&[], 0))] {
                break;
            }
        }
        assert_eq!(seconds, [1, 4, 7, 10]);
    }

    #[test]
    fn says_nothing_of_typing_that_ended_before_it_was_shown() {
        let (typing, chat, user, now) = (GatheredTyping::default(), ChatId::new(), UserId::new(), Instant::now());
        typing.record(chat, user, true, now);
        typing.record(chat, user, false, now);
        assert_eq!(typing.take_due(now), []);
        assert!(typing.lock().is_empty());
    }
}
