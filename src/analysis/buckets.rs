//! The quantile of a histogram with cumulative buckets.

/// Bucket counts that differ by less than this part of themselves are taken as equal: sums of
/// rates carry rounding. Source: prometheus `promql/quantile.go`.
const TOLERANCE: f64 = 1e-12;

/// One cumulative bucket: how many observations, or how many a second, were at most `bound`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Bucket {
    /// Its upper bound (`le`), included; the last is +∞.
    pub bound: f64,
    /// What was counted up to it.
    pub count: f64,
    /// What may have been counted up to it besides: the first values of its series.
    pub first: f64,
}

/// A quantile, and the bucket that it lies in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Located {
    /// The quantile as Prometheus interpolates it.
    pub value: f64,
    /// The bucket's lower bound; −∞ in the lowest bucket when its upper bound is not positive.
    pub lower: f64,
    /// The bucket's upper bound; +∞ in the last.
    pub upper: f64,
}

/// The `quantile` (0 to 1) of what the buckets count; none when there is no number.
///
/// Definition: Prometheus' `histogram_quantile` for classic buckets. The rank is `quantile ×
/// total`; its bucket is the first whose count reaches it; inside, observations are taken to be
/// spread evenly (linear interpolation). The lowest bucket begins at 0 when its upper bound is
/// positive, else its upper bound is the answer; in the last bucket, which has no end, the answer
/// is its lower bound. A count that is lower than one before it is raised to it. Bounds are
/// distinct.
///
/// There is no number without a +∞ bucket, with fewer than two buckets, with nothing counted, or
/// with a NaN count.
///
/// A rank exactly at the count of a bucket belongs to that bucket, so the quantile is its upper
/// bound: the observation of that rank is known to be at most that. Rounding (up to 1e-12 of the
/// total) does not carry a rank across the edge, because the bounds would then jump by a bucket.
///
/// What may have been counted besides widens the bounds, and leaves the value as it is: `first` of
/// the buckets, of any part of which only its bucket is known, and `lost`, of which nothing is.
/// The quantile is at most a bound when it would be so with everything above it counted and nothing
/// below; and beyond a bound when it would be so the other way round.
pub(crate) fn histogram_quantile(
    quantile: f64,
    mut buckets: Vec<Bucket>,
    lost: f64,
) -> Option<Located> {
    buckets.sort_by(|a, b| a.bound.total_cmp(&b.bound));
    raise(&mut buckets);
    let (last, rest) = buckets.split_last()?;
    let (total, highest) = (last.count, rest.last()?.bound);
    if last.bound != f64::INFINITY || total.is_nan() || total <= 0.0 {
        return None;
    }
    let mut found = locate(quantile, total, rest, highest)?;
    if lost > 0.0 || last.first > 0.0 {
        let reaches = |count: f64, total: f64| count >= quantile * total - TOLERANCE * total;
        let at_most =
            rest.iter().find(|b| reaches(b.count, total + (last.first - b.first).max(0.0) + lost));
        let beyond = rest.iter().rfind(|b| {
            let besides = b.first + lost;
            !reaches(b.count + besides, total + besides)
        });
        let lowest = if rest[0].bound > 0.0 { 0.0 } else { f64::NEG_INFINITY };
        found.lower = found.lower.min(beyond.map_or(lowest, |bucket| bucket.bound));
        found.upper = found.upper.max(at_most.map_or(f64::INFINITY, |bucket| bucket.bound));
    }
    Some(found)
}

/// Where the quantile of what was counted lies: `rest` are the buckets below the last.
fn locate(quantile: f64, total: f64, rest: &[Bucket], highest: f64) -> Option<Located> {
    let rank = quantile * total;
    let Some(place) = rest.iter().position(|bucket| bucket.count >= rank - TOLERANCE * total)
    else {
        return Some(Located { value: highest, lower: highest, upper: f64::INFINITY });
    };
    let upper = rest[place].bound;
    if place == 0 && upper <= 0.0 {
        return Some(Located { value: upper, lower: f64::NEG_INFINITY, upper });
    }
    let below = place.checked_sub(1).map_or(Bucket::default(), |p| rest[p]);
    let part = (rank - below.count) / (rest[place].count - below.count);
    // Nothing over nothing: the rank is 0 and the lowest bucket is empty.
    (!part.is_nan()).then(|| Located {
        value: below.bound + (upper - below.bound) * part.min(1.0),
        lower: below.bound,
        upper,
    })
}

/// Makes counts rise with their bounds, and evens out differences that are only rounding.
fn raise(buckets: &mut [Bucket]) {
    let Some((first, rest)) = buckets.split_first_mut() else { return };
    let mut reached = first.count;
    for bucket in rest {
        let rounding = TOLERANCE * (bucket.count.abs() + reached.abs());
        if bucket.count - reached <= rounding {
            bucket.count = reached;
        } else {
            reached = bucket.count;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INF: f64 = f64::INFINITY;

    fn buckets(pairs: &[(f64, f64)]) -> Vec<Bucket> {
        pairs
            .iter()
            .map(|(bound, count)| Bucket { bound: *bound, count: *count, first: 0.0 })
            .collect()
    }

    #[track_caller]
    fn check(quantile: f64, pairs: &[(f64, f64)], want: (f64, f64, f64)) {
        let got = histogram_quantile(quantile, buckets(pairs), 0.0).unwrap();
        assert!((got.value - want.0).abs() < 1e-9, "{got:?}");
        assert_eq!((got.lower, got.upper), (want.1, want.2));
    }

    #[track_caller]
    fn check_none(quantile: f64, pairs: &[(f64, f64)]) {
        assert_eq!(histogram_quantile(quantile, buckets(pairs), 0.0), None);
    }

    /// Bounds with counts and first values, and what was lost.
    #[track_caller]
    fn check_uncounted(quantile: f64, rows: &[(f64, f64, f64)], lost: f64, want: (f64, f64)) {
        let buckets = rows.iter().map(|(bound, count, first)| Bucket {
            bound: *bound,
            count: *count,
            first: *first,
        });
        let got = histogram_quantile(quantile, buckets.collect(), lost).unwrap();
        assert_eq!((got.lower, got.upper), want);
    }

    #[test]
    fn what_was_lost_may_have_been_fast_or_slow() {
        let rows = [(0.1, 50.0, 0.0), (0.2, 95.0, 0.0), (0.5, 100.0, 0.0), (INF, 100.0, 0.0)];
        check_uncounted(0.9, &rows, 0.0, (0.1, 0.2));
        // 95 of 105 are at most 0.2, and 55 of 105 at most 0.1.
        check_uncounted(0.9, &rows, 5.0, (0.1, 0.2));
        check_uncounted(0.9, &rows, 6.0, (0.1, 0.5));
        check_uncounted(0.9, &rows, 20.0, (0.1, INF));
        check_uncounted(0.9, &rows, 400.0, (0.0, INF));
    }

    #[test]
    fn of_first_values_the_bucket_is_known() {
        // All of them at most 0.2: they cannot be slower.
        let fast = [(0.1, 50.0, 0.0), (0.2, 95.0, 90.0), (0.5, 100.0, 90.0), (INF, 100.0, 90.0)];
        check_uncounted(0.9, &fast, 0.0, (0.1, 0.2));
        let slow = [(0.1, 50.0, 0.0), (0.2, 95.0, 0.0), (0.5, 100.0, 9.0), (INF, 100.0, 9.0)];
        check_uncounted(0.9, &slow, 0.0, (0.1, 0.5));
    }

    #[test]
    fn inside_a_bucket_the_value_is_interpolated() {
        // Rank 50 of 100: the 40th of 80 observations between 0.1 and 0.2.
        let pairs = [(0.1, 10.0), (0.2, 90.0), (INF, 100.0)];
        check(0.5, &pairs, (0.15, 0.1, 0.2));
    }

    #[test]
    fn the_lowest_bucket_begins_at_zero_when_it_can() {
        check(0.5, &[(0.1, 100.0), (INF, 100.0)], (0.05, 0.0, 0.1));
        check(0.5, &[(-0.1, 100.0), (0.5, 100.0), (INF, 100.0)], (-0.1, -INF, -0.1));
        check(0.5, &[(0.0, 100.0), (0.5, 100.0), (INF, 100.0)], (0.0, -INF, 0.0));
    }

    #[test]
    fn the_last_bucket_has_no_end() {
        let pairs = [(0.1, 10.0), (0.2, 90.0), (INF, 100.0)];
        check(0.99, &pairs, (0.2, 0.2, INF));
        check(1.0, &pairs, (0.2, 0.2, INF));
    }

    #[test]
    fn a_rank_on_the_edge_belongs_to_the_bucket_below_it() {
        let pairs = [(0.1, 10.0), (0.2, 90.0), (0.5, 100.0), (INF, 100.0)];
        check(0.9, &pairs, (0.2, 0.1, 0.2));
        check(0.9 + 1e-10, &pairs, (0.2, 0.2, 0.5));
        // 0.1 × 3 is above 0.3 by rounding only.
        check(0.1, &[(0.2, 0.3), (0.5, 3.0), (INF, 3.0)], (0.2, 0.0, 0.2));
    }

    #[test]
    fn counts_that_fall_are_raised() {
        let pairs = [(0.1, 50.0), (0.2, 40.0), (0.5, 60.0), (INF, 100.0)];
        check(0.55, &pairs, (0.35, 0.2, 0.5));
        check(0.5, &pairs, (0.1, 0.0, 0.1));
    }

    #[test]
    fn a_difference_that_is_rounding_is_none() {
        let pairs = [(0.1, 50.0), (0.2, 50.0 + 1e-12), (0.5, 100.0), (INF, 100.0)];
        check(0.5 + 1e-14, &pairs, (0.1, 0.0, 0.1));
    }

    #[test]
    fn nothing_counted_is_no_number() {
        check_none(0.5, &[(0.1, 0.0), (INF, 0.0)]);
        check_none(0.5, &[(0.1, f64::NAN), (INF, f64::NAN)]);
    }

    #[test]
    fn a_histogram_without_its_last_bucket_is_no_number() {
        check_none(0.5, &[(0.1, 10.0), (0.2, 20.0)]);
        check_none(0.5, &[(INF, 10.0)]);
        check_none(0.5, &[]);
    }

    proptest! {
        #[test]
        fn the_value_lies_in_its_bucket_and_rises_with_the_quantile(
            counts in prop::collection::vec(0.0..100.0_f64, 2..12), a in 0.0..1.0_f64, b in 0.0..1.0_f64,
        ) {
            let mut sum = 0.0;
            let mut pairs: Vec<(f64, f64)> = Vec::new();
            for (count, n) in counts.iter().zip(1..) {
                sum += count;
                pairs.push((f64::from(n) / 10.0, sum));
            }
            pairs.push((INF, sum));
            let low = histogram_quantile(a.min(b), buckets(&pairs), 0.0);
            let high = histogram_quantile(a.max(b), buckets(&pairs), 0.0);
            if let (Some(low), Some(high)) = (low, high) {
                prop_assert!(low.lower <= low.value && low.value <= low.upper, "{low:?}");
                prop_assert!(low.value <= high.value + 1e-9, "{low:?} {high:?}");
            }
        }
    }
}
