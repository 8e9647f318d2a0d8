//! When users were last seen. chat-service stores it; those who go offline while a call is under way share the next one.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use neonchat_common::{correlation, error::ApiError, ids::UserId};
use tokio::{sync::Notify, time::sleep};

use crate::chat_service::MAX_LAST_SEEN;

/// The most users that wait. The times of further ones are lost.
const MAX_WAITING: usize = 100_000;

/// The pause after a call that failed.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// The users who went offline, each with the time in microseconds since the Unix epoch.
#[derive(Debug, Default)]
pub(super) struct LastSeen {
    state: Mutex<State>,
    added: Notify,
    written: Notify,
}

#[derive(Debug, Default)]
struct State {
    users: HashMap<UserId, i64>,
    is_writing: bool,
}

impl State {
    fn add(&mut self, users: impl IntoIterator<Item = (UserId, i64)>) {
        for (user, at) in users {
            if self.users.len() < MAX_WAITING || self.users.contains_key(&user) {
                let known = self.users.entry(user).or_insert(at);
                *known = at.max(*known);
            }
        }
    }
}

impl LastSeen {
    /// Records that a user went offline.
    pub(super) fn record(&self, user: UserId, at_micros: i64) {
        self.lock().add([(user, at_micros)]);
        self.added.notify_one();
    }

    /// Passes the users to `write`, many at a time. What fails is tried again. Supports one worker.
    pub(super) async fn write_all<F>(&self, write: impl Fn(Vec<(UserId, i64)>) -> F)
    where
        F: Future<Output = Result<(), ApiError>>,
    {
        loop {
            let users = loop {
                let users = self.take();
                if !users.is_empty() {
                    break users;
                }
                self.added.notified().await;
            };
            for some in users.chunks(MAX_LAST_SEEN) {
                let written = correlation::in_current_scope(write(some.to_vec())).await;
                if let Err(error) = written {
                    tracing::warn!(users = some.len(), error.cause = %error, "last seen times not recorded");
                    if error.is_retryable() {
                        self.lock().add(some.iter().copied());
                        sleep(RETRY_PAUSE).await;
                    }
                }
            }
            self.lock().is_writing = false;
            self.written.notify_waiters();
        }
    }

    /// Waits until nothing is left to write.
    pub(super) async fn until_written(&self) {
        loop {
            let written = self.written.notified();
            {
                let state = self.lock();
                if state.users.is_empty() && !state.is_writing {
                    return;
                }
            }
            written.await;
        }
    }

    fn take(&self) -> Vec<(UserId, i64)> {
        let mut state = self.lock();
        state.is_writing = !state.users.is_empty();
        std::mem::take(&mut state.users).into_iter().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No critical section can panic between two changes, so a poisoned lock guards a consistent state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn gathers_users_and_repeats_what_failed() {
        let (last_seen, alice, bob) = (LastSeen::default(), UserId::new(), UserId::new());
        let calls = RefCell::new(Vec::new());
        let write = |mut users: Vec<(UserId, i64)>| {
            users.sort_unstable();
            calls.borrow_mut().push(users);
            let is_first = calls.borrow().len() == 1;
            std::future::ready(if is_first { Err(ApiError::remote_unavailable()) } else { Ok(()) })
        };
        for (user, at) in [(alice, 2), (bob, 3), (alice, 1)] {
            last_seen.record(user, at);
        }
        tokio::select! {
            () = last_seen.write_all(write) => {}
            () = last_seen.until_written() => {}
        }
        let mut both = vec![(alice, 2), (bob, 3)];
        both.sort_unstable();
        assert_eq!(*calls.borrow(), [both.clone(), both]);
    }
}
