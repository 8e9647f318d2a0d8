//! Whose password is hashed next.
//!
//! Registering and logging in have a lane each, and both share the permits to hash: a flood of one kind takes half of the
//! permits at most while the other kind waits.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::error::UserError;

/// The longest that a password waits to be hashed.
const PERMIT_TIMEOUT: Duration = Duration::from_millis(1500);

/// How many of one kind wait at most, for each permit. More could not be hashed within [`PERMIT_TIMEOUT`] at the default cost.
const MAX_WAITING_PER_PERMIT: usize = 64;

/// What a password is hashed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A new account.
    Register,
    /// A login.
    LogIn,
}

/// The permits to hash.
#[derive(Clone)]
pub(super) struct HashPermits(Arc<Lanes>);

struct Lanes {
    shared: Arc<Semaphore>,
    registering: Lane,
    logging_in: Lane,
}

struct Lane {
    waiting: Semaphore,
    permits: Arc<Semaphore>,
}

impl Lane {
    fn new(capacity: usize) -> Self {
        let waiting = Semaphore::new(capacity * MAX_WAITING_PER_PERMIT);
        Self { waiting, permits: Arc::new(Semaphore::new(capacity)) }
    }
}

/// A permit to hash one password.
pub(super) struct HashPermit {
    _lane: OwnedSemaphorePermit,
    _shared: OwnedSemaphorePermit,
}

impl HashPermits {
    /// Permits to hash `capacity` passwords.
    pub(super) fn new(capacity: usize) -> Self {
        let shared = Arc::new(Semaphore::new(capacity));
        Self(Arc::new(Lanes { shared, registering: Lane::new(capacity), logging_in: Lane::new(capacity) }))
    }

    /// Waits for a permit.
    ///
    /// # Errors
    /// [`UserError::Busy`] if none is free within [`PERMIT_TIMEOUT`], or too many wait already.
    pub(super) async fn acquire(&self, purpose: Purpose) -> Result<HashPermit, UserError> {
        let lane = match purpose {
            Purpose::Register => &self.0.registering,
            Purpose::LogIn => &self.0.logging_in,
        };
        let _waiting = lane.waiting.try_acquire().map_err(|_| UserError::Busy)?;
        let acquire = async {
            // In this order: the queue of the shared permits, which is first in, first out, then has no more of one lane
            // than there are permits.
            let lane_permit = Arc::clone(&lane.permits).acquire_owned().await?;
            let shared = Arc::clone(&self.0.shared).acquire_owned().await?;
            Ok::<_, tokio::sync::AcquireError>(HashPermit { _lane: lane_permit, _shared: shared })
        };
        timeout(PERMIT_TIMEOUT, acquire).await.ok().and_then(Result::ok).ok_or(UserError::Busy)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, future::join_all};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_only_for_a_limited_time() {
        let permits = HashPermits::new(2);
        let _permits = [
            permits.acquire(Purpose::LogIn).await.expect("a turn"),
            permits.acquire(Purpose::LogIn).await.expect("a turn"),
        ];
        assert!(matches!(permits.acquire(Purpose::LogIn).await, Err(UserError::Busy)));
    }

    #[tokio::test(start_paused = true)]
    async fn refuses_at_once_what_finds_the_lane_full() {
        let permits = HashPermits::new(1);
        let permit = permits.acquire(Purpose::Register).await.expect("a turn");
        let mut waiting = Box::pin(join_all((0..MAX_WAITING_PER_PERMIT).map(|_| permits.acquire(Purpose::Register))));
        assert!(waiting.as_mut().now_or_never().is_none());
        assert!(matches!(permits.acquire(Purpose::Register).now_or_never(), Some(Err(UserError::Busy))));
        // The other lane has waiting, and gets the next turn.
        let mut login = Box::pin(permits.acquire(Purpose::LogIn));
        assert!(login.as_mut().now_or_never().is_none());
        drop(permit);
        let _permit = login.await.expect("a turn");
    }
}
