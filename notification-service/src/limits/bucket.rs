//! A token bucket.

use std::time::Duration;

use tokio::time::Instant;

/// The refill rate and the capacity of a bucket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    /// Tokens each second. 0 means no limit.
    pub(super) per_second: f64,
    /// The capacity.
    pub(super) burst: f64,
}

/// A token bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: Rate,
    level: f64,
    updated_at: Instant,
}

impl Bucket {
    /// Creates a full bucket.
    pub(super) fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, level: rate.burst, updated_at: now }
    }

    /// Takes `cost` tokens. A cost above the capacity counts as the capacity.
    ///
    /// # Errors
    /// Fails if there are too few tokens. Returns the time until there are enough.
    pub(super) fn acquire(&mut self, cost: f64, now: Instant) -> Result<(), Duration> {
        if self.rate.per_second <= 0.0 {
            return Ok(());
        }
        self.level = self.level_at(now);
        self.updated_at = now;
        let missing = cost.min(self.rate.burst) - self.level;
        if missing > 0.0 {
            return Err(Duration::from_secs_f64(missing / self.rate.per_second));
        }
        self.level -= cost.min(self.rate.burst);
        Ok(())
    }

    /// Returns whether the bucket is full, like a new one.
    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.level_at(now) >= self.rate.burst
    }

    fn level_at(&self, now: Instant) -> f64 {
        let gained = now.duration_since(self.updated_at).as_secs_f64() * self.rate.per_second;
        (self.level + gained).min(self.rate.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acquired(bucket: &mut Bucket, cost: f64, now: Instant) -> usize {
        (0..100).take_while(|_| bucket.acquire(cost, now).is_ok()).count()
    }

    #[test]
    fn gives_a_burst_then_a_steady_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Rate { per_second: 10.0, burst: 20.0 }, start);
        assert_eq!(acquired(&mut bucket, 1.0, start), 20);
        assert_eq!(bucket.acquire(1.0, start), Err(Duration::from_millis(100)));
        assert_eq!(acquired(&mut bucket, 1.0, start + Duration::from_millis(500)), 5);
        assert_eq!(acquired(&mut bucket, 2.0, start + Duration::from_mins(1)), 10);
        assert!(!bucket.is_full(start + Duration::from_mins(1)));
        assert!(bucket.is_full(start + Duration::from_mins(2)));
    }

    #[test]
    fn counts_cost_above_capacity_as_capacity() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Rate { per_second: 1.0, burst: 2.0 }, start);
        assert_eq!(bucket.acquire(50.0, start), Ok(()));
        assert_eq!(bucket.acquire(50.0, start), Err(Duration::from_secs(2)));
    }

    #[test]
    fn has_no_limit_at_rate_zero() {
        let now = Instant::now();
        let mut bucket = Bucket::new(Rate { per_second: 0.0, burst: 0.0 }, now);
        assert_eq!(acquired(&mut bucket, 1000.0, now), 100);
        assert!(bucket.is_full(now));
    }
}
