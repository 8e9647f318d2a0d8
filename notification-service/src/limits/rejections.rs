//! Counts the rejected frames of a socket, to find a client that keeps exceeding its rate limit.

use std::{cell::Cell, time::Duration};

use tokio::time::Instant;

/// The window in which the rejected frames of a socket are counted.
const WINDOW: Duration = Duration::from_secs(10);

/// A socket is closed (4008) when this number of its frames is rejected within [`WINDOW`].
pub(super) const MAX_REJECTED: u32 = 300;

/// Counts the rejected frames of one socket.
#[derive(Debug)]
pub(crate) struct RejectionCounter {
    window: Cell<(Instant, u32)>,
}

impl RejectionCounter {
    pub(crate) fn new(now: Instant) -> Self {
        Self { window: Cell::new((now, 0)) }
    }

    /// Counts a rejected frame. Returns `true` once, when the limit is reached.
    pub(crate) fn record(&self, now: Instant) -> bool {
        let (start, count) = self.window.get();
        let (start, count) = if now.duration_since(start) >= WINDOW { (now, 0) } else { (start, count) };
        self.window.set((start, count.saturating_add(1)));
        count + 1 == MAX_REJECTED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_within_window_despite_accepted_frames() {
        let start = Instant::now();
        let rejections = RejectionCounter::new(start);
        let slowly = (0..MAX_REJECTED - 1).filter(|_| rejections.record(start)).count();
        assert_eq!(slowly, 0);
        assert!(!rejections.record(start + WINDOW), "the next window");
        let flood = (0..MAX_REJECTED).position(|_| rejections.record(start + WINDOW));
        assert_eq!(flood, Some(MAX_REJECTED as usize - 2));
    }
}
