//! The phases of a load whose traffic changes.

use std::{ops::Range, time::Duration};

/// Phases of one length in which traffic is plain or mixed, as often early as late: plain, mixed, mixed, plain, and so on. The speed of a
/// machine and the size of the tables change during a run, and so they change for both kinds. A time before the first phase is plain too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phases {
    /// When the first phase begins, since the start of the load.
    pub(crate) from: Duration,
    pub(crate) length: Duration,
}

impl Phases {
    /// Returns whether the traffic is mixed at this time.
    pub(crate) fn is_mixed(self, at: Duration) -> bool {
        let phase = at.checked_sub(self.from).map_or(0, |time| time.as_nanos() / self.length.as_nanos().max(1));
        matches!(phase % 4, 1 | 2)
    }

    /// Returns the part of a phase that is measured: without its start, when requests of the phase before are still under way.
    pub(crate) fn measured(self, phase: u32) -> Range<Duration> {
        let start = self.from + self.length * phase;
        start + self.length / 8..start + self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_are_as_often_early_as_late() {
        let phases = Phases { from: Duration::from_secs(3), length: Duration::from_secs(8) };
        let kinds = [false, true, true, false, false, true, true, false];
        for (phase, is_mixed) in (0..).zip(kinds) {
            let Range { start, end } = phases.measured(phase);
            assert_eq!((start, end), (Duration::from_secs(u64::from(phase) * 8 + 4), start + Duration::from_secs(7)));
            assert!(
                phases.is_mixed(start) == is_mixed
                    && phases.is_mixed(end.saturating_sub(Duration::from_nanos(1))) == is_mixed
            );
        }
        assert!(!phases.is_mixed(Duration::ZERO));
    }
}
