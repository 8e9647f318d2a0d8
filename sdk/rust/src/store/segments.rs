//! Ranges of `seq`, ascending and apart. The last one ends at the cursor, and may be empty.

pub(crate) type Segments = Vec<(u64, u64)>;

/// Returns the segments together with a further range.
pub(crate) fn covering(segments: &Segments, from: u64, to: u64) -> Segments {
    if to < from {
        return segments.clone();
    }
    let mut all = segments.clone();
    all.push((from, to));
    all.sort_unstable();
    let mut joined = Segments::new();
    for (from, to) in all {
        match joined.last_mut() {
            // Adjacent ranges are one: there is nothing between them.
            Some(last) if from <= last.1 + 1 => last.1 = last.1.max(to),
            _ => joined.push((from, to)),
        }
    }
    joined
}

/// Returns the segments without what is below a `seq`.
pub(crate) fn clipped(segments: &Segments, below: u64) -> Segments {
    let last = segments.len().saturating_sub(1);
    let cut = segments.iter().map(|(from, to)| ((*from).max(below), (*to).max(below.saturating_sub(1))));
    cut.enumerate().filter(|(n, (from, to))| from <= to || *n == last).map(|(_, segment)| segment).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn contains(segments: &Segments, seq: u64) -> bool {
        segments.iter().any(|(from, to)| (*from..=*to).contains(&seq))
    }

    proptest! {
        #[test]
        fn covers_exactly_the_ranges(ranges in proptest::collection::vec((1..60_u64, 0..9_u64), 1..8)) {
            let mut segments = vec![(61, 60)];
            for (from, length) in &ranges {
                segments = covering(&segments, *from, from + length);
            }
            for seq in 1..70 {
                let is_covered = ranges.iter().any(|(from, length)| (*from..=from + length).contains(&seq));
                prop_assert_eq!(contains(&segments, seq), is_covered, "{} in {:?}", seq, segments);
            }
            prop_assert!(segments.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0), "apart: {:?}", segments);
        }

        #[test]
        fn clips_exactly_what_is_below(ranges in proptest::collection::vec((1..60_u64, 0..9_u64), 1..8), below in 1..70_u64) {
            let all = ranges.iter().fold(vec![(61, 60)], |all, (from, length)| covering(&all, *from, from + length));
            let rest = clipped(&all, below);
            for seq in 1..80 {
                prop_assert_eq!(contains(&rest, seq), seq >= below && contains(&all, seq));
            }
            prop_assert!(!rest.is_empty());
        }
    }
}
