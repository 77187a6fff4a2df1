//! `rate` of one counter, at one time after the other.

use std::time::Duration;

use super::semantics::Semantics;
use crate::{
    sample::{Series, is_stale},
    time::Time,
};

/// A sample is expected this many average intervals after another one; beyond that, the series
/// is taken to begin or end inside the range. Source: prometheus `promql/functions.go`.
const REACH: f64 = 1.1;

/// How much a counter rose in the range that ends at each of `times`, which are in order, a second;
/// none with fewer than two samples in it.
///
/// Definition: Prometheus' `rate` (`extrapolatedRate` in `promql/functions.go`). The rise is that
/// from the first to the last sample, where a fall is a reset: the counter began again at 0, so
/// what it had before is added. The rise is then extrapolated to both ends of the range, to an
/// end that is less than 1.1 average intervals away fully, else by half an interval; at the left
/// never beyond the point where the counter would have been 0. The zero point is applied after
/// the half interval, as 3.x does; old 2.x servers applied it before.
///
/// What a counter gained between its last scrape and a reset is lost; see `unseen`. The result is
/// never negative for a counter whose samples are not.
///
/// A NaN is no sample here. Prometheus keeps it, and no comparison with it is true: a reset beside
/// it is missed, and 100, NaN, 40 is a rate below zero. Where too few samples are left without it,
/// the rate is NaN: the counter is there, so that it must not count as one that never began.
pub(super) fn rates<'s>(
    series: &'s Series,
    times: &'s [Time],
    over: Duration,
    semantics: Semantics,
) -> impl Iterator<Item = Option<f64>> {
    let mut places = None;
    times.iter().map(move |at| {
        let here = match places.take() {
            None => semantics.places(series, *at, over),
            Some(before) => semantics.places_after(before, series, *at, over),
        };
        places = Some(here.clone());
        rate_of(&series.times[here.clone()], &series.values[here], *at, over)
    })
}

/// The rate over a range that ends at `at`, by all samples in it.
fn rate_of(times: &[Time], values: &[f64], at: Time, over: Duration) -> Option<f64> {
    let mut unread = false;
    let mut samples = times.iter().copied().zip(values.iter().copied()).filter(|(_, value)| {
        unread |= value.is_nan() && !is_stale(*value);
        !value.is_nan()
    });
    let first = samples.next();
    let (mut last_time, mut last) = first.unwrap_or_default();
    let (mut intervals, mut before_resets) = (0_u32, 0.0);
    for (time, value) in samples {
        if value < last {
            before_resets += last;
        }
        (last_time, last) = (time, value);
        intervals += 1;
    }
    let Some((first_time, first)) = first.filter(|_| intervals > 0) else {
        return unread.then_some(f64::NAN);
    };
    let rise = last - first + before_resets;
    let sampled = last_time.seconds_from(first_time);
    let interval = sampled / f64::from(intervals);
    let reach = |gap: f64| if gap < interval * REACH { gap } else { interval / 2.0 };

    let mut to_start = reach(first_time.seconds_from(at.minus(over)));
    if rise > 0.0 && first >= 0.0 {
        to_start = to_start.min(sampled * (first / rise));
    }
    let to_end = reach(at.seconds_from(last_time));
    Some(rise * ((sampled + to_start + to_end) / sampled / over.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::analysis::notation::{at, one, secs};

    fn rate(series: &Series, at: Time, over: Duration, semantics: Semantics) -> Option<f64> {
        rates(series, &[at], over, semantics).next().flatten()
    }

    /// Samples 10 s apart, the rate at `seconds` over 50 s.
    #[track_caller]
    fn check(text: &str, seconds: i64, semantics: Semantics, want: Option<f64>) {
        let got = rate(&one(10, text), at(seconds), secs(50), semantics);
        match (got, want) {
            (Some(got), Some(want)) => assert!((got - want).abs() < 1e-12, "{got} is not {want}"),
            (got, want) => assert_eq!(got, want),
        }
    }

    /// A grid moves one window along; each point is what it would be alone.
    #[test]
    fn a_rate_does_not_depend_on_the_other_times() {
        for text in ["0+10x20", "_x3 5 9 NaN 3 4 stale _x4 1 2 stale 7 9", "0 stale", ""] {
            let series = one(10, text);
            for semantics in [Semantics::V2, Semantics::V3] {
                for step in [1, 7, 10, 90] {
                    let times: Vec<Time> = (-3..40).map(|n| at(n * step)).collect();
                    let all = rates(&series, &times, secs(50), semantics);
                    let bits = |rate: Option<f64>| rate.map(f64::to_bits);
                    let alone = times.iter().map(|at| rate(&series, *at, secs(50), semantics));
                    assert!(all.map(bits).eq(alone.map(bits)), "{text} {step}");
                }
            }
        }
    }

    #[test]
    fn a_stale_marker_is_no_sample() {
        check("0 10 20 30 stale 50 60", 60, Semantics::V3, Some(1.0));
    }

    #[test]
    fn a_steady_counter_rises_by_its_step() {
        // (50, 100] holds 60 … 100: 40 in 40 s, and 10 s to the left end.
        check("0+10x10", 100, Semantics::V3, Some(1.0));
        check("0+10x10", 100, Semantics::V2, Some(1.0));
        check("0+10x10", 105, Semantics::V3, Some(1.0));
    }

    #[test]
    fn a_range_that_is_aligned_holds_one_sample_more_in_2() {
        // Over 10 s, 3.x sees one sample and has no rate at all.
        let series = one(10, "0+10x10");
        assert_eq!(rate(&series, at(100), secs(10), Semantics::V3), None);
        assert_eq!(rate(&series, at(100), secs(10), Semantics::V2), Some(1.0));
    }

    #[test]
    fn a_reset_counts_from_zero() {
        // 30, 40 | 5, 15, 25: the rise is 25 − 30 + 40 = 35 over 40 s, and 10 s to the left.
        check("0 10 20 30 40 5 15 25", 70, Semantics::V3, Some(35.0 * 50.0 / 40.0 / 50.0));
    }

    #[test]
    fn a_series_that_begins_inside_is_extended_by_half_an_interval() {
        // Samples at 70 … 100 s, and 20 s to the left end: more than 11 s, so 5 s are added.
        check("_x7 100+10x3", 100, Semantics::V3, Some(30.0 * 35.0 / 30.0 / 50.0));
    }

    #[test]
    fn a_series_that_ends_inside_is_extended_by_half_an_interval() {
        // Samples at 60 … 80 s; 10 s to the left, 20 s to the right, of which 5 s are added.
        check("100+10x8 stale", 100, Semantics::V3, Some(20.0 * 35.0 / 20.0 / 50.0));
    }

    #[test]
    fn a_counter_is_never_extended_below_zero() {
        // First 2, rise 30 in 30 s: zero was 2 s before, nearer than half an interval.
        check("_x7 2+10x3", 100, Semantics::V3, Some(30.0 * 32.0 / 30.0 / 50.0));
        // First 8: zero was 8 s before, farther than half an interval.
        check("_x7 8+10x3", 100, Semantics::V3, Some(30.0 * 35.0 / 30.0 / 50.0));
        // A counter that begins at zero is not extended to the left at all.
        check("_x7 0+10x3", 100, Semantics::V3, Some(30.0 / 50.0));
    }

    #[test]
    fn exactly_at_the_reach_is_beyond_it() {
        // Samples 10 s apart at 61 … 91 s, the range begins at 50 s: 11 s, which is the reach.
        let mut series = Series::default();
        for n in 0..4_i32 {
            series.push(at(61 + 10 * i64::from(n)), 100.0 + 10.0 * f64::from(n));
        }
        let got = rate(&series, at(100), secs(50), Semantics::V3).unwrap();
        assert!((got - 30.0 * (30.0 + 5.0 + 9.0) / 30.0 / 50.0).abs() < 1e-12, "{got}");
    }

    #[test]
    fn one_sample_is_no_rate() {
        check("_x10 5", 100, Semantics::V3, None);
        check("", 100, Semantics::V3, None);
        check("_x9 5 stale", 100, Semantics::V3, None);
    }

    #[test]
    fn a_counter_that_stands_still_has_the_rate_zero() {
        check("7x10", 100, Semantics::V3, Some(0.0));
        check("0x10", 100, Semantics::V3, Some(0.0));
    }

    #[test]
    fn a_nan_is_no_sample() {
        for (with, without) in [("0 10 NaN 30", "0 10 _ 30"), ("0 10 20 NaN", "0 10 20 _")] {
            let [with, without] =
                [with, without].map(|text| rate(&one(10, text), at(30), secs(50), Semantics::V3));
            assert_eq!(with, without);
        }
    }

    #[test]
    fn a_counter_of_nan_alone_is_no_number_and_not_absent() {
        for text in ["NaN NaN NaN", "NaN 5 NaN", "5 NaN"] {
            let got = rate(&one(10, text), at(30), secs(50), Semantics::V3);
            assert!(got.is_some_and(f64::is_nan), "{text}: {got:?}");
        }
    }

    #[test]
    fn a_reset_beside_a_nan_is_seen() {
        // prometheus#11433: 100, 100 | 40, 80, 80 rises by 80 in 50 s, and began 50 s before that.
        let got = rate(&one(10, "100 100 NaN 40 80 80"), at(50), secs(60), Semantics::V3);
        assert!(got.is_some_and(|rate| rate > 1.0), "{got:?}");
    }

    proptest! {
        #[test]
        fn a_steady_counter_is_exact(
            start in 1_000.0..1e6_f64, slope in 0.001..10.0_f64, phase in 0..1000_i64,
        ) {
            let mut series = Series::default();
            for n in 0..200_i64 {
                let time = Time::from_millis(phase + n * 1000);
                series.push(time, start + slope * time.as_seconds());
            }
            let got = rate(&series, at(150), secs(30), Semantics::V3).unwrap();
            prop_assert!((got / slope - 1.0).abs() < 1e-6, "{got} is not {slope}");
        }

        #[test]
        fn resets_never_make_a_rate_negative(
            values in prop::collection::vec(0.0..1e6_f64, 2..40), end in 1..50_i64,
        ) {
            let mut series = Series::default();
            for (n, value) in (0_i64..).zip(&values) {
                series.push(at(n), *value);
            }
            for semantics in [Semantics::V2, Semantics::V3] {
                if let Some(rate) = rate(&series, at(end), secs(15), semantics) {
                    prop_assert!(rate >= 0.0, "{rate}");
                }
            }
        }
    }
}
