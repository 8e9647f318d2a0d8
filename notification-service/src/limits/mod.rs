//! The rate limiters of each user, shared by the user's sockets on this instance and kept over reconnects.

mod bucket;
mod rejections;

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use neonchat_common::{
    error::{ApiError, ErrorCode},
    ids::{Seq, UserId},
};
use tokio::{sync::Semaphore, time::Instant};

use self::bucket::{Bucket, Rate};
pub(crate) use self::rejections::RejectionCounter;
use crate::config::SocketSettings;

/// The burst of messages, and of other frames, in seconds of their rate.
const BURST_SECS: f64 = 2.0;

/// For each message of the rate, a user may send this number of other frames, and be sent this number of missed events.
const FRAMES_PER_MESSAGE: f64 = 5.0;

/// The burst of missed events, in seconds of their rate: 5,000 events with the default rate.
const BACKLOG_BURST_SECS: f64 = 50.0;

/// The cost of an `auth`, which causes a call to chat-service.
const AUTH_COST: f64 = 10.0;

/// The number of cursors of a `sync` that cost as much as a frame.
const CURSORS_PER_FRAME: f64 = 20.0;

/// The most handshakes of one user that call chat-service at the same time, so that one user cannot take all permits.
const MAX_CONCURRENT_HANDSHAKES_PER_USER: usize = 2;

/// A user may open all allowed sockets twice in a burst, and then once in this number of seconds.
const HANDSHAKE_REFILL_SECS: f64 = 16.0;

/// The least burst of handshakes.
const MIN_HANDSHAKES: f64 = 8.0;

/// How often a user is checked. Users who are not connected, and whose buckets are full, are removed.
const IDLE_CHECK_INTERVAL: Duration = Duration::from_mins(1);

/// The most users that are checked for each one that connects. More than one, so that removal keeps up.
const IDLE_CHECKS_PER_CONNECT: usize = 4;

/// The rate limiters of all users of this instance.
#[derive(Debug)]
pub(crate) struct Limits {
    rates: Rates,
    users: Mutex<Users>,
}

#[derive(Debug, Default)]
struct Users {
    limits: HashMap<UserId, Arc<UserLimits>>,
    /// Each user once, with the time of the next check.
    idle_checks: VecDeque<(Instant, UserId)>,
}

#[derive(Clone, Copy, Debug)]
struct Rates {
    messages: Rate,
    frames: Rate,
    backlog: Rate,
    handshakes: Rate,
}

/// The rate limiters of one user. The user's sockets share them.
#[derive(Debug)]
pub(crate) struct UserLimits {
    buckets: Mutex<Buckets>,
    /// Permits for handshakes that call chat-service.
    pub(crate) handshake_permits: Semaphore,
}

#[derive(Debug)]
struct Buckets {
    messages: Bucket,
    frames: Bucket,
    backlog: Bucket,
    handshakes: Bucket,
}

/// What a client asks for, as far as it determines the cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestKind {
    /// Stores a message.
    Message,
    /// Looks up this number of chats.
    Sync(usize),
    /// Checks a token.
    Auth,
    /// Anything else: typing, a receipt, a ping, a frame that does not parse.
    Other,
}

impl Limits {
    pub(crate) fn new(settings: SocketSettings) -> Self {
        let per_second = f64::from(settings.messages_per_second);
        let rate = |per_second, secs| Rate { per_second, burst: per_second * secs };
        let sockets = count(settings.max_connections_per_user);
        let handshakes =
            Rate { per_second: sockets / HANDSHAKE_REFILL_SECS, burst: (2.0 * sockets).max(MIN_HANDSHAKES) };
        let rates = Rates {
            messages: rate(per_second, BURST_SECS),
            frames: rate(per_second * FRAMES_PER_MESSAGE, BURST_SECS),
            backlog: rate(per_second * FRAMES_PER_MESSAGE, BACKLOG_BURST_SECS),
            handshakes,
        };
        Self { rates, users: Mutex::default() }
    }

    /// Returns the rate limiters of a user. They are kept for some time after the user's last socket has closed.
    pub(crate) fn of(&self, user: UserId, now: Instant) -> Arc<UserLimits> {
        // No critical section can panic between two changes, so a poisoned lock guards consistent data.
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        users.forget_idle(now);
        if let Some(limits) = users.limits.get(&user) {
            return Arc::clone(limits);
        }
        let limits = Arc::new(UserLimits::new(self.rates, now));
        users.limits.insert(user, Arc::clone(&limits));
        users.idle_checks.push_back((now + IDLE_CHECK_INTERVAL, user));
        limits
    }
}

impl Users {
    fn forget_idle(&mut self, now: Instant) {
        for _ in 0..IDLE_CHECKS_PER_CONNECT {
            let Some((_, user)) = self.idle_checks.front().filter(|(at, _)| *at <= now).copied() else { return };
            self.idle_checks.pop_front();
            let is_idle = |limits: &Arc<UserLimits>| Arc::strong_count(limits) == 1 && limits.is_unused(now);
            if self.limits.get(&user).is_some_and(is_idle) {
                self.limits.remove(&user);
            } else {
                self.idle_checks.push_back((now + IDLE_CHECK_INTERVAL, user));
            }
        }
    }
}

impl UserLimits {
    fn new(rates: Rates, now: Instant) -> Self {
        let buckets = Buckets {
            messages: Bucket::new(rates.messages, now),
            frames: Bucket::new(rates.frames, now),
            backlog: Bucket::new(rates.backlog, now),
            handshakes: Bucket::new(rates.handshakes, now),
        };
        Self { buckets: Mutex::new(buckets), handshake_permits: Semaphore::new(MAX_CONCURRENT_HANDSHAKES_PER_USER) }
    }

    /// Counts a frame.
    ///
    /// # Errors
    /// Fails if the frame exceeds the rate limit.
    pub(crate) fn acquire(&self, kind: RequestKind, now: Instant) -> Result<(), ApiError> {
        let acquired = self.with(|buckets| match kind {
            RequestKind::Message => buckets.messages.acquire(1.0, now),
            RequestKind::Sync(cursors) => buckets.frames.acquire(1.0 + count(cursors) / CURSORS_PER_FRAME, now),
            RequestKind::Auth => buckets.frames.acquire(AUTH_COST, now),
            RequestKind::Other => buckets.frames.acquire(1.0, now),
        });
        acquired.map_err(|after| rate_limited("Too many frames: wait a little.", after))
    }

    /// Counts missed events that are about to be sent. Returns whether they may be sent.
    pub(crate) fn acquire_backlog(&self, events: Seq, now: Instant) -> bool {
        self.with(|buckets| buckets.backlog.acquire(count(events), now)).is_ok()
    }

    /// Counts a handshake.
    ///
    /// # Errors
    /// Fails if the handshake exceeds the rate limit.
    pub(crate) fn acquire_handshake(&self, now: Instant) -> Result<(), ApiError> {
        let acquired = self.with(|buckets| buckets.handshakes.acquire(1.0, now));
        acquired.map_err(|after| rate_limited("This user connects too often: wait a little.", after))
    }

    fn is_unused(&self, now: Instant) -> bool {
        self.with(|Buckets { messages, frames, backlog, handshakes }| {
            [messages, frames, backlog, handshakes].into_iter().all(|bucket| bucket.is_full(now))
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Buckets) -> T) -> T {
        // No critical section can panic between two changes, so a poisoned lock guards consistent data.
        act(&mut self.buckets.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Converts a count to a cost. No count exceeds a few million.
fn count(count: impl TryInto<u32>) -> f64 {
    f64::from(count.try_into().unwrap_or(u32::MAX))
}

/// Returns the error of a request above its rate limit.
fn rate_limited(detail: &'static str, after: Duration) -> ApiError {
    ApiError { retry_after: Some(after), ..ApiError::new(ErrorCode::RateLimited, detail) }
}

#[cfg(test)]
mod tests;
