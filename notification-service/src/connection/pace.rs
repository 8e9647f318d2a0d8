//! How fast a client may send.

use std::time::Duration;

use neonchat_common::error::{ApiError, ErrorCode};
use tokio::time::Instant;

/// How many seconds' worth may come at once.
const BURST_SECS: f64 = 2.0;

/// Frames other than messages cost little: of them there may be so many times as many.
const LIGHT_FACTOR: f64 = 5.0;

/// A client that sent so many frames too fast, and none in its time, is not listening.
const MAX_REFUSED: u32 = 1000;

/// How much work a frame makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// A message: it is stored.
    Message,
    /// Anything else.
    Light,
}

/// The pace of one connection.
#[derive(Debug)]
pub(super) struct Pace {
    messages: Bucket,
    light: Bucket,
    refused: u32,
}

/// A frame came too fast.
#[derive(Debug)]
pub(super) struct TooFast {
    /// When the next one may come.
    pub(super) after: Duration,
    /// Whether the client does not listen.
    pub(super) is_abuse: bool,
}

impl From<&TooFast> for ApiError {
    fn from(too_fast: &TooFast) -> Self {
        let error = Self::new(ErrorCode::RateLimited, "Too many frames: wait a little.");
        Self { retry_after: Some(too_fast.after), ..error }
    }
}

impl Pace {
    /// `per_second` messages; 0 for any number.
    pub(super) fn new(per_second: u32, now: Instant) -> Self {
        let rate = f64::from(per_second);
        Self { messages: Bucket::new(rate, now), light: Bucket::new(rate * LIGHT_FACTOR, now), refused: 0 }
    }

    /// Takes a frame in, if it is not too fast.
    pub(super) fn take(&mut self, weight: Weight, now: Instant) -> Result<(), TooFast> {
        let bucket = match weight {
            Weight::Message => &mut self.messages,
            Weight::Light => &mut self.light,
        };
        match bucket.take(now) {
            Ok(()) => {
                self.refused = 0;
                Ok(())
            }
            Err(after) => {
                self.refused += 1;
                Err(TooFast { after, is_abuse: self.refused >= MAX_REFUSED })
            }
        }
    }
}

/// A token bucket.
#[derive(Debug)]
struct Bucket {
    rate: f64,
    filled: f64,
    at: Instant,
}

impl Bucket {
    fn new(rate: f64, now: Instant) -> Self {
        Self { rate, filled: rate * BURST_SECS, at: now }
    }

    fn take(&mut self, now: Instant) -> Result<(), Duration> {
        if self.rate <= 0.0 {
            return Ok(());
        }
        let gained = now.duration_since(self.at).as_secs_f64() * self.rate;
        self.filled = (self.filled + gained).min(self.rate * BURST_SECS);
        self.at = now;
        if self.filled < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - self.filled) / self.rate));
        }
        self.filled -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_a_steady_pace() {
        let start = Instant::now();
        let mut pace = Pace::new(10, start);
        let taken = |pace: &mut Pace, at| (0..100).filter(|_| pace.take(Weight::Message, at).is_ok()).count();
        assert_eq!(taken(&mut pace, start), 20);
        assert_eq!(taken(&mut pace, start + Duration::from_millis(500)), 5);
        assert_eq!(taken(&mut pace, start + Duration::from_mins(1)), 20);
        let too_fast = pace.take(Weight::Message, start + Duration::from_mins(1)).expect_err("too fast");
        assert_eq!((too_fast.after, too_fast.is_abuse), (Duration::from_millis(100), false));
        // What costs little is counted by itself.
        assert!(pace.take(Weight::Light, start + Duration::from_mins(1)).is_ok());
    }

    #[test]
    fn zero_is_no_limit_and_deafness_is_abuse() {
        let now = Instant::now();
        let mut free = Pace::new(0, now);
        assert!((0..10_000).all(|_| free.take(Weight::Message, now).is_ok()));
        let mut pace = Pace::new(1, now);
        let abuse = (0..2000).position(|_| pace.take(Weight::Message, now).is_err_and(|too_fast| too_fast.is_abuse));
        assert_eq!(abuse, Some(2 + MAX_REFUSED as usize - 1));
    }
}
