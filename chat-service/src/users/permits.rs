//! Permits to hash passwords.
//!
//! Registrations and logins wait in separate lanes and share the permits. While both lanes wait, a flood in one of them
//! gets at most half of the permits.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::error::UserError;

/// The timeout for a permit.
const PERMIT_TIMEOUT: Duration = Duration::from_millis(1500);

/// How many passwords can wait in a lane, per permit. More could not be hashed within [`PERMIT_TIMEOUT`] at the default
/// cost.
const MAX_WAITING_PER_PERMIT: usize = 64;

/// What a password is hashed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A new account.
    Register,
    /// A login.
    LogIn,
}

/// The permits to hash passwords.
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
    /// Allows `capacity` passwords to be hashed at once.
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
            // In this order, the FIFO queue of the shared permits never holds more waiters of one lane than there are
            // permits.
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
    async fn stops_waiting_after_the_timeout() {
        let permits = HashPermits::new(2);
        let _permits = [
            permits.acquire(Purpose::LogIn).await.expect("acquire permit"),
            permits.acquire(Purpose::LogIn).await.expect("acquire permit"),
        ];
        assert!(matches!(permits.acquire(Purpose::LogIn).await, Err(UserError::Busy)));
    }

    #[tokio::test(start_paused = true)]
    async fn refuses_immediately_if_the_lane_is_full() {
        let permits = HashPermits::new(1);
        let permit = permits.acquire(Purpose::Register).await.expect("acquire permit");
        let mut waiting = Box::pin(join_all((0..MAX_WAITING_PER_PERMIT).map(|_| permits.acquire(Purpose::Register))));
        assert!(waiting.as_mut().now_or_never().is_none());
        assert!(matches!(permits.acquire(Purpose::Register).now_or_never(), Some(Err(UserError::Busy))));
        // The other lane is empty, and gets the next permit.
        let mut login = Box::pin(permits.acquire(Purpose::LogIn));
        assert!(login.as_mut().now_or_never().is_none());
        drop(permit);
        let _permit = login.await.expect("acquire permit");
    }
}
