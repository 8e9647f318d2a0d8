//! When a client that is refused again and again is closed.

use std::{cell::Cell, time::Duration};

use tokio::time::Instant;

/// The time within which the refused frames of a socket are counted.
const WINDOW: Duration = Duration::from_secs(10);

/// A socket is closed (4008) when this number of its frames is refused within [`WINDOW`].
pub(super) const MAX_REFUSED: u32 = 300;

/// The refusals of one socket.
#[derive(Debug)]
pub(crate) struct Refusals {
    window: Cell<(Instant, u32)>,
}

impl Refusals {
    pub(crate) fn new(now: Instant) -> Self {
        Self { window: Cell::new((now, 0)) }
    }

    /// Counts a refusal. Returns whether it is the one too many: once.
    pub(crate) fn add(&self, now: Instant) -> bool {
        let (begun, count) = self.window.get();
        let (begun, count) = if now.duration_since(begun) >= WINDOW { (now, 0) } else { (begun, count) };
        self.window.set((begun, count.saturating_add(1)));
        count + 1 == MAX_REFUSED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_within_a_window_whatever_is_let_through_in_between() {
        let start = Instant::now();
        let refusals = Refusals::new(start);
        let slowly = (0..MAX_REFUSED - 1).filter(|_| refusals.add(start)).count();
        assert_eq!(slowly, 0);
        assert!(!refusals.add(start + WINDOW), "another window");
        let flood = (0..MAX_REFUSED).position(|_| refusals.add(start + WINDOW));
        assert_eq!(flood, Some(MAX_REFUSED as usize - 2));
    }
}
