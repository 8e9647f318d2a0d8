//! A token bucket.

use std::time::Duration;

use tokio::time::Instant;

/// How much may come: a burst, refilled at a steady rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    /// A second. 0 is no limit.
    pub(super) per_second: f64,
    /// At once.
    pub(super) burst: f64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: Rate,
    filled: f64,
    at: Instant,
}

impl Bucket {
    /// A full one.
    pub(super) fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, filled: rate.burst, at: now }
    }

    /// Takes `cost` out. A cost above the burst counts as the burst.
    ///
    /// # Errors
    /// There is not so much in it. Returns after how long there is.
    pub(super) fn take(&mut self, cost: f64, now: Instant) -> Result<(), Duration> {
        if self.rate.per_second <= 0.0 {
            return Ok(());
        }
        self.filled = self.level(now);
        self.at = now;
        let missing = cost.min(self.rate.burst) - self.filled;
        if missing > 0.0 {
            return Err(Duration::from_secs_f64(missing / self.rate.per_second));
        }
        self.filled -= cost.min(self.rate.burst);
        Ok(())
    }

    /// Whether it is as a new one.
    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.level(now) >= self.rate.burst
    }

    fn level(&self, now: Instant) -> f64 {
        let gained = now.duration_since(self.at).as_secs_f64() * self.rate.per_second;
        (self.filled + gained).min(self.rate.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(bucket: &mut Bucket, cost: f64, now: Instant) -> usize {
        (0..100).take_while(|_| bucket.take(cost, now).is_ok()).count()
    }

    #[test]
    fn gives_a_burst_then_a_steady_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Rate { per_second: 10.0, burst: 20.0 }, start);
        assert_eq!(taken(&mut bucket, 1.0, start), 20);
        assert_eq!(bucket.take(1.0, start), Err(Duration::from_millis(100)));
        assert_eq!(taken(&mut bucket, 1.0, start + Duration::from_millis(500)), 5);
        assert_eq!(taken(&mut bucket, 2.0, start + Duration::from_mins(1)), 10);
        assert!(!bucket.is_full(start + Duration::from_mins(1)));
        assert!(bucket.is_full(start + Duration::from_mins(2)));
    }

    #[test]
    fn takes_a_cost_above_the_burst_as_the_burst() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Rate { per_second: 1.0, burst: 2.0 }, start);
        assert_eq!(bucket.take(50.0, start), Ok(()));
        assert_eq!(bucket.take(50.0, start), Err(Duration::from_secs(2)));
    }

    #[test]
    fn has_no_limit_at_rate_zero() {
        let now = Instant::now();
        let mut bucket = Bucket::new(Rate { per_second: 0.0, burst: 0.0 }, now);
        assert_eq!(taken(&mut bucket, 1000.0, now), 100);
        assert!(bucket.is_full(now));
    }
}
