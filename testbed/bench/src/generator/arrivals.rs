//! The arrival times of messages in an open loop.

use std::time::Duration;

/// A Poisson process: independent random arrivals with a mean rate, like the messages of many independent users.
#[derive(Debug)]
pub(crate) struct Arrivals {
    mean: Duration,
    next: Duration,
    random: fastrand::Rng,
}

impl Arrivals {
    /// Returns arrivals with this mean rate.
    pub(crate) fn new(per_second: u32, seed: u64) -> Self {
        let mean = Duration::from_secs(1) / per_second.max(1);
        Self { mean, next: Duration::ZERO, random: fastrand::Rng::with_seed(seed) }
    }

    /// Returns when the next arrival is due, since the start.
    pub(crate) const fn next(&self) -> Duration {
        self.next
    }

    /// Takes the next arrival if it is due at `now`. Returns when it was due.
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
    fn keeps_the_rate_when_arrivals_are_taken_late() {
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
