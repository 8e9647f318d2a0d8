//! Who has read what in small groups, on all instances: gathered, so that a member gets one frame a second however many read.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use neonchat_common::ids::{ChatId, UserId};
use tokio::{sync::Notify, time::sleep};

use super::receipts::Markers;

/// The least time between two frames of a chat.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// The markers of members, by user.
type Members = BTreeMap<UserId, Markers>;

/// The markers that the members of small groups are to be told.
#[derive(Debug, Default)]
pub(crate) struct GatheredReceipts {
    chats: Mutex<HashMap<ChatId, Members>>,
    began: Notify,
}

impl GatheredReceipts {
    /// Records the markers of a member.
    pub(super) fn record(&self, chat: ChatId, user: UserId, markers: Markers) {
        let mut chats = self.lock();
        let known = chats.entry(chat).or_default().entry(user).or_default();
        *known = known.max(markers);
        drop(chats);
        self.began.notify_one();
    }

    /// Waits until frames are due, and returns what they say. Supports one worker, whose calls are at least [`MIN_INTERVAL`] apart.
    pub(super) async fn next(&self) -> HashMap<ChatId, Members> {
        while self.lock().is_empty() {
            self.began.notified().await;
        }
        sleep(MIN_INTERVAL).await;
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ChatId, Members>> {
        // No critical section can panic between two changes, so a poisoned lock guards a consistent map.
        self.chats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn returns_the_last_markers_once_a_second() {
        let (gathered, chat, start) = (GatheredReceipts::default(), ChatId::new(), Instant::now());
        let users: Vec<_> = (0..100).map(|_| UserId::new()).collect();
        for second in 1..=10 {
            for (user, read) in users.iter().zip(1..).chain(users.iter().zip(2..)) {
                gathered.record(chat, *user, Markers { read, delivered: 200 - read });
            }
            let due = gathered.next().await;
            assert_eq!((due.len(), start.elapsed()), (1, Duration::from_secs(second)));
            assert_eq!(due[&chat].len(), users.len());
            assert_eq!(due[&chat][&users[0]], Markers { read: 2, delivered: 199 });
        }
        assert!(gathered.lock().is_empty());
    }
}
