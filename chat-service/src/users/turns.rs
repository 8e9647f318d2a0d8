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
const MAX_WAIT: Duration = Duration::from_millis(1500);

/// How many of one kind wait at most, for each permit. More could not be hashed within [`MAX_WAIT`] at the default cost.
const MAX_WAITING: usize = 64;

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
pub(super) struct Turns(Arc<Lanes>);

struct Lanes {
    shared: Arc<Semaphore>,
    registering: Lane,
    logging_in: Lane,
}

struct Lane {
    places: Semaphore,
    permits: Arc<Semaphore>,
}

impl Lane {
    fn new(at_once: usize) -> Self {
        let places = Semaphore::new(at_once * MAX_WAITING);
        Self { places, permits: Arc::new(Semaphore::new(at_once)) }
    }
}

/// A permit to hash one password.
pub(super) struct Turn {
    _of_lane: OwnedSemaphorePermit,
    _shared: OwnedSemaphorePermit,
}

impl Turns {
    /// Permits to hash `at_once` passwords.
    pub(super) fn new(at_once: usize) -> Self {
        let shared = Arc::new(Semaphore::new(at_once));
        Self(Arc::new(Lanes { shared, registering: Lane::new(at_once), logging_in: Lane::new(at_once) }))
    }

    /// Waits for a permit.
    ///
    /// # Errors
    /// [`UserError::Busy`] if none is free within [`MAX_WAIT`], or too many wait already.
    pub(super) async fn take(&self, purpose: Purpose) -> Result<Turn, UserError> {
        let lane = match purpose {
            Purpose::Register => &self.0.registering,
            Purpose::LogIn => &self.0.logging_in,
        };
        let _place = lane.places.try_acquire().map_err(|_| UserError::Busy)?;
        let take = async {
            // In this order: the queue of the shared permits, which is first in, first out, then has no more of one lane
            // than there are permits.
            let of_lane = Arc::clone(&lane.permits).acquire_owned().await?;
            let shared = Arc::clone(&self.0.shared).acquire_owned().await?;
            Ok::<_, tokio::sync::AcquireError>(Turn { _of_lane: of_lane, _shared: shared })
        };
        timeout(MAX_WAIT, take).await.ok().and_then(Result::ok).ok_or(UserError::Busy)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, future::join_all};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_only_for_a_limited_time() {
        let turns = Turns::new(2);
        let _taken =
            [turns.take(Purpose::LogIn).await.expect("a turn"), turns.take(Purpose::LogIn).await.expect("a turn")];
        assert!(matches!(turns.take(Purpose::LogIn).await, Err(UserError::Busy)));
    }

    #[tokio::test(start_paused = true)]
    async fn refuses_at_once_what_finds_the_lane_full() {
        let turns = Turns::new(1);
        let turn = turns.take(Purpose::Register).await.expect("a turn");
        let mut waiting = Box::pin(join_all((0..MAX_WAITING).map(|_| turns.take(Purpose::Register))));
        assert!(waiting.as_mut().now_or_never().is_none());
        assert!(matches!(turns.take(Purpose::Register).now_or_never(), Some(Err(UserError::Busy))));
        // The other lane has places, and gets the next turn.
        let mut login = Box::pin(turns.take(Purpose::LogIn));
        assert!(login.as_mut().now_or_never().is_none());
        drop(turn);
        let _turn = login.await.expect("a turn");
    }
}
