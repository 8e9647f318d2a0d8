//! What one user may ask of this instance: over all sockets of the user, and over reconnects.

mod bucket;
mod refusals;

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
pub(crate) use self::refusals::Refusals;
use crate::config::SocketSettings;

/// How many seconds' worth of messages, and of other frames, may come at once.
const BURST_SECS: f64 = 2.0;

/// For each message that a user may send, the user may send this number of other frames, and be sent this number of missed
/// events.
const FRAMES_PER_MESSAGE: f64 = 5.0;

/// How many seconds' worth of missed events a user may be sent at once: 5,000 with the default rate.
const MISSED_BURST_SECS: f64 = 50.0;

/// An `auth` costs a call to chat-service.
const AUTH_COST: f64 = 10.0;

/// This number of cursors of a `sync` costs as much as a frame.
const CURSORS_PER_FRAME: f64 = 20.0;

/// Handshakes of one user that ask chat-service at the same time: one user cannot take the turns of all.
const HANDSHAKES_AT_ONCE: usize = 2;

/// A user may open all allowed sockets twice at once, and then again within this number of seconds.
const REOPEN_SECS: f64 = 16.0;

/// The fewest handshakes that a user may make at once.
const MIN_HANDSHAKES: f64 = 8.0;

/// How often a user who is not connected is looked at: one whose limits are as new ones is forgotten.
const LOOK_INTERVAL: Duration = Duration::from_mins(1);

/// Users that are looked at for each one that connects. More than one, so that those who are forgotten keep up.
const LOOKS: usize = 4;

/// The limits of all users of this instance.
#[derive(Debug)]
pub(crate) struct Limits {
    rates: Rates,
    users: Mutex<Users>,
}

#[derive(Debug, Default)]
struct Users {
    limits: HashMap<UserId, Arc<UserLimits>>,
    /// Each of them once, and when it is looked at.
    looks: VecDeque<(Instant, UserId)>,
}

#[derive(Clone, Copy, Debug)]
struct Rates {
    messages: Rate,
    frames: Rate,
    missed: Rate,
    handshakes: Rate,
}

/// The limits of one user. The user's sockets share them.
#[derive(Debug)]
pub(crate) struct UserLimits {
    buckets: Mutex<Buckets>,
    /// Handshakes that may ask chat-service.
    pub(crate) turns: Semaphore,
}

#[derive(Debug)]
struct Buckets {
    messages: Bucket,
    frames: Bucket,
    missed: Bucket,
    handshakes: Bucket,
}

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// To store a message.
    Message,
    /// To look up this number of chats.
    Sync(usize),
    /// To check a token.
    Auth,
    /// Anything else: typing, a receipt, a ping, a frame that cannot be read.
    Other,
}

impl Limits {
    pub(crate) fn new(settings: SocketSettings) -> Self {
        let per_second = f64::from(settings.messages_per_second);
        let rate = |per_second, secs| Rate { per_second, burst: per_second * secs };
        let sockets = count(settings.max_connections_per_user);
        let handshakes = Rate { per_second: sockets / REOPEN_SECS, burst: (2.0 * sockets).max(MIN_HANDSHAKES) };
        let rates = Rates {
            messages: rate(per_second, BURST_SECS),
            frames: rate(per_second * FRAMES_PER_MESSAGE, BURST_SECS),
            missed: rate(per_second * FRAMES_PER_MESSAGE, MISSED_BURST_SECS),
            handshakes,
        };
        Self { rates, users: Mutex::default() }
    }

    /// Those of a user who connects. They are kept for a while after the last socket is closed.
    pub(crate) fn of(&self, user: UserId, now: Instant) -> Arc<UserLimits> {
        // Whatever a thread that panicked left behind is whole.
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        users.forget_idle(now);
        if let Some(limits) = users.limits.get(&user) {
            return Arc::clone(limits);
        }
        let limits = Arc::new(UserLimits::new(self.rates, now));
        users.limits.insert(user, Arc::clone(&limits));
        users.looks.push_back((now + LOOK_INTERVAL, user));
        limits
    }
}

impl Users {
    fn forget_idle(&mut self, now: Instant) {
        for _ in 0..LOOKS {
            let Some((_, user)) = self.looks.front().filter(|(at, _)| *at <= now).copied() else { return };
            self.looks.pop_front();
            let is_idle = |limits: &Arc<UserLimits>| Arc::strong_count(limits) == 1 && limits.is_as_new(now);
            if self.limits.get(&user).is_some_and(is_idle) {
                self.limits.remove(&user);
            } else {
                self.looks.push_back((now + LOOK_INTERVAL, user));
            }
        }
    }
}

impl UserLimits {
    fn new(rates: Rates, now: Instant) -> Self {
        let buckets = Buckets {
            messages: Bucket::new(rates.messages, now),
            frames: Bucket::new(rates.frames, now),
            missed: Bucket::new(rates.missed, now),
            handshakes: Bucket::new(rates.handshakes, now),
        };
        Self { buckets: Mutex::new(buckets), turns: Semaphore::new(HANDSHAKES_AT_ONCE) }
    }

    /// Counts a frame.
    ///
    /// # Errors
    /// It came too soon.
    pub(crate) fn take(&self, asked: Asked, now: Instant) -> Result<(), ApiError> {
        let taken = self.with(|buckets| match asked {
            Asked::Message => buckets.messages.take(1.0, now),
            Asked::Sync(cursors) => buckets.frames.take(1.0 + count(cursors) / CURSORS_PER_FRAME, now),
            Asked::Auth => buckets.frames.take(AUTH_COST, now),
            Asked::Other => buckets.frames.take(1.0, now),
        });
        taken.map_err(|after| too_many("Too many frames: wait a little.", after))
    }

    /// Counts events that the user is to be sent. Returns whether they may be.
    pub(crate) fn take_missed(&self, events: Seq, now: Instant) -> bool {
        self.with(|buckets| buckets.missed.take(count(events), now)).is_ok()
    }

    /// Counts a handshake.
    ///
    /// # Errors
    /// It came too soon.
    pub(crate) fn take_handshake(&self, now: Instant) -> Result<(), ApiError> {
        let taken = self.with(|buckets| buckets.handshakes.take(1.0, now));
        taken.map_err(|after| too_many("This user connects too often: wait a little.", after))
    }

    fn is_as_new(&self, now: Instant) -> bool {
        self.with(|Buckets { messages, frames, missed, handshakes }| {
            [messages, frames, missed, handshakes].into_iter().all(|bucket| bucket.is_full(now))
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Buckets) -> T) -> T {
        // Whatever a thread that panicked left behind is whole.
        act(&mut self.buckets.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A count as a cost. None is larger than some millions.
fn count(count: impl TryInto<u32>) -> f64 {
    f64::from(count.try_into().unwrap_or(u32::MAX))
}

/// The refusal of what comes too soon.
fn too_many(detail: &'static str, after: Duration) -> ApiError {
    ApiError { retry_after: Some(after), ..ApiError::new(ErrorCode::RateLimited, detail) }
}

#[cfg(test)]
mod tests;
