//! The time.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::core::Time;

/// The clocks of the computer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    pub(crate) fn now(self) -> Time {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Time { elapsed: milliseconds(self.start.elapsed()), wall: milliseconds(wall) }
    }

    /// Returns the moment of a timer.
    pub(crate) fn instant(self, elapsed: u64) -> Instant {
        self.start + Duration::from_millis(elapsed)
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
