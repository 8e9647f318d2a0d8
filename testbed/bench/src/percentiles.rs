//! Exact percentiles: every sample is kept.

use std::time::Duration;

/// Percentiles of a set of durations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Percentiles {
    /// The median.
    pub(crate) p50: Duration,
    /// The 95th percentile.
    pub(crate) p95: Duration,
    /// The 99th percentile.
    pub(crate) p99: Duration,
    /// The maximum.
    pub(crate) max: Duration,
}

impl Percentiles {
    /// Returns the percentiles by nearest rank. All are 0 for an empty set.
    pub(crate) fn of(times: impl IntoIterator<Item = Duration>) -> Self {
        let mut times: Vec<_> = times.into_iter().collect();
        times.sort_unstable();
        let at = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100);
            times.get(rank.saturating_sub(1)).copied().unwrap_or_default()
        };
        Self { p50: at(50), p95: at(95), p99: at(99), max: at(100) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_the_nearest_rank() {
        let ms = Duration::from_millis;
        let of = Percentiles::of((1..=200).rev().map(ms));
        assert_eq!(of, Percentiles { p50: ms(100), p95: ms(190), p99: ms(198), max: ms(200) });
        let one = Percentiles::of([ms(3)]);
        assert_eq!((one.p50, one.max), (ms(3), ms(3)));
        assert_eq!(Percentiles::of([]), Percentiles::default());
    }
}
