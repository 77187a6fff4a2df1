//! Which samples of a series a question at one time is about, as Prometheus decides it.
//!
//! Reference: prometheus `promql/engine.go` (range and instant selection, staleness). Nothing
//! here computes; `rate` and `indicator` do.

use std::{ops::Range, time::Duration};

use crate::{
    sample::{Series, is_stale},
    time::Time,
};

/// How far back an instant lookup goes for a series that was not marked stale.
///
/// Source: Prometheus' default of `--query.lookback-delta`.
pub(crate) const LOOKBACK: Duration = Duration::from_secs(300);

/// The edition of Prometheus whose answers are wanted.
///
/// They differ in the left end of a range, and of the lookback: 3.x leaves out a sample that
/// lies exactly there, 2.x takes it. A window that is a multiple of the scrape interval and
/// aligned with it thus holds one sample more in 2.x.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Semantics {
    /// Prometheus 2.x: `[t − over, t]`.
    #[cfg_attr(not(test), expect(dead_code, reason = "what a 2.x server answers, to compare with"))]
    V2,
    /// Prometheus 3.x: `(t − over, t]`.
    #[default]
    V3,
}

impl Semantics {
    /// The places of the samples of a range that ends at `at`. Stale markers among them count for
    /// nothing: what comes before and after one counts.
    pub(crate) fn places(self, series: &Series, at: Time, over: Duration) -> Range<usize> {
        series.range(self.open_end(at.minus(over)), at)
    }

    /// The same, found from those of a range of the same length that ends earlier.
    pub(crate) fn places_after(
        self,
        earlier: Range<usize>,
        series: &Series,
        at: Time,
        over: Duration,
    ) -> Range<usize> {
        let left = self.open_end(at.minus(over));
        let onward = |from: usize, until: Time| {
            from + series.times[from..].iter().take_while(|time| **time <= until).count()
        };
        onward(earlier.start, left)..onward(earlier.end, at)
    }

    /// The value that a series has at a time: its newest sample within the lookback, or none
    /// when there is none or when that sample is a stale marker.
    pub(crate) fn instant(self, series: &Series, at: Time) -> Option<f64> {
        let newest = series.range(self.open_end(at.minus(LOOKBACK)), at).next_back()?;
        Some(series.values[newest]).filter(|value| !is_stale(*value))
    }

    /// The latest time that no longer belongs to a range with this left end. Time counts in
    /// whole milliseconds, so a closed end is an open one a millisecond earlier.
    fn open_end(self, left: Time) -> Time {
        match self {
            Self::V2 => left.minus(Duration::from_millis(1)),
            Self::V3 => left,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::notation::{at, one, secs};

    #[track_caller]
    fn check_range(semantics: Semantics, series: &str, want: &[f64]) {
        let series = one(10, series);
        let places = semantics.places(&series, at(30), secs(20));
        for earlier in [-100, 0, 19, 20, 30] {
            let before = semantics.places(&series, at(earlier), secs(20));
            assert_eq!(semantics.places_after(before, &series, at(30), secs(20)), places);
        }
        assert_eq!(series.values[places], *want);
    }

    #[test]
    fn a_range_is_open_on_the_left_in_3_and_closed_in_2() {
        check_range(Semantics::V3, "0 1 2 3 4", &[2.0, 3.0]);
        check_range(Semantics::V2, "0 1 2 3 4", &[1.0, 2.0, 3.0]);
    }

    #[track_caller]
    fn check_instant(semantics: Semantics, series: &str, seconds: i64, want: Option<f64>) {
        assert_eq!(semantics.instant(&one(10, series), at(seconds)), want);
    }

    #[test]
    fn an_instant_is_the_newest_sample_within_the_lookback() {
        check_instant(Semantics::V3, "7 8", 9, Some(7.0));
        check_instant(Semantics::V3, "7 8", 10, Some(8.0));
        check_instant(Semantics::V3, "7 8", 309, Some(8.0));
        check_instant(Semantics::V3, "7 8", 310, None);
        check_instant(Semantics::V2, "7 8", 310, Some(8.0));
        check_instant(Semantics::V2, "7 8", 311, None);
        check_instant(Semantics::V3, "_ 8", 9, None);
    }

    #[test]
    fn a_stale_marker_ends_the_lookback_at_once() {
        check_instant(Semantics::V3, "7 stale", 10, None);
        check_instant(Semantics::V3, "7 stale 9", 20, Some(9.0));
    }
}
