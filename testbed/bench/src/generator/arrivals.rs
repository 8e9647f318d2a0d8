//! When messages are due in an open loop.

use std::time::Duration;

/// Moments at random, so many a second on average, independent of each other (a Poisson process): what many people who
/// know nothing of one another make.
#[derive(Debug)]
pub(crate) struct Arrivals {
    mean: Duration,
    next: Duration,
    random: fastrand::Rng,
}

impl Arrivals {
    /// So many a second.
    pub(crate) fn new(per_second: u32, seed: u64) -> Self {
        let mean = Duration::from_secs(1) / per_second.max(1);
        Self { mean, next: Duration::ZERO, random: fastrand::Rng::with_seed(seed) }
    }

    /// When the next one is due, since the start.
    pub(crate) const fn next(&self) -> Duration {
        self.next
    }

    /// Takes it if it is due at `now`; returns when it was.
    pub(crate) fn take(&mut self, now: Duration) -> Option<Duration> {
        let due = self.next;
        (due <= now).then(|| {
            // In (0, 1], of which the logarithm is finite.
            let chance = 1.0 - self.random.f64();
            self.next = due + self.mean.mul_f64(-chance.ln());
            due
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_come_a_second_however_late_they_are_taken() {
        let mut arrivals = Arrivals::new(1000, 7);
        let (mut taken, mut last) = (0_u32, Duration::ZERO);
        for now in (0..=100).map(|tenths| Duration::from_millis(tenths * 100)) {
            while let Some(due) = arrivals.take(now) {
                assert!(due >= last && due <= now);
                last = due;
                taken += 1;
            }
            assert!(arrivals.next() > now);
        }
        // 10,000 are expected, with a standard deviation of 100.
        assert!((9_500..10_500).contains(&taken), "{taken}");
    }
}
