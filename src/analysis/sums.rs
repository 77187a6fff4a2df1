//! Rates of many counters added up, at all times of a grid.
//!
//! Each counter is gone through once, whatever the number of times: between two points of a grid its
//! window moves by a sample or so. Sums are made in the order of the counters, at each time for
//! itself, so that a sum does not depend on which other times were asked for.

use std::time::Duration;

use super::{
    counter::{Counter, Side, Uncounted},
    rate::rates,
    semantics::Semantics,
};
use crate::{
    sample::{Series, is_stale},
    time::Time,
};

/// The sum of the rates of some counters, at each of some times.
pub(super) struct Sums {
    /// Of no rate at all, whatever.
    sums: Vec<f64>,
    /// How many counters have a rate.
    numbers: Vec<usize>,
}

impl Sums {
    /// Of counters with windows that end at `times`, which are in order.
    pub(super) fn of(
        counters: &[Counter<'_>],
        times: &[Time],
        over: Duration,
        semantics: Semantics,
    ) -> Self {
        let mut sums = Self { sums: vec![0.0; times.len()], numbers: vec![0; times.len()] };
        for counter in counters {
            let rates = rates(&counter.series, times, over, semantics);
            for ((rate, sum), number) in rates.zip(&mut sums.sums).zip(&mut sums.numbers) {
                let Some(rate) = rate else { continue };
                *sum = if *number == 0 { rate } else { *sum + rate };
                *number += 1;
            }
        }
        sums
    }

    /// The sum at the time at a place; none when no counter has a rate.
    pub(super) fn at(&self, place: usize) -> Option<f64> {
        (self.numbers[place] > 0).then_some(self.sums[place])
    }

    /// How many counters have a rate there.
    pub(super) fn number(&self, place: usize) -> usize {
        self.numbers[place]
    }
}

/// What no sample of some counters shows, found once.
pub(super) struct Unshown(Vec<Uncounted>);

/// Increments that no sample shows, at most.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Uncertain {
    /// Before first samples: of what they were is known.
    pub(super) first: f64,
    /// After last samples: of what they were is not known.
    pub(super) lost: f64,
}

impl Uncertain {
    pub(super) fn all(self) -> f64 {
        self.first + self.lost
    }
}

impl Unshown {
    pub(super) fn of(counters: &[Counter<'_>]) -> Self {
        Self(counters.iter().flat_map(|counter| &counter.uncounted).copied().collect())
    }

    /// What rates over `(from, to]` may lack, with or without what was lost with processes.
    pub(super) fn within(&self, from: Time, to: Time, lost_counts: bool) -> Uncertain {
        let mut sum = Uncertain::default();
        for uncounted in self.0.iter().filter(|uncounted| uncounted.touches(from, to)) {
            match uncounted.side {
                Side::First | Side::Between => sum.first += uncounted.at_most,
                Side::Last if lost_counts => sum.lost += uncounted.at_most,
                Side::Last => {}
            }
        }
        sum
    }
}

/// When the newest sample of some series was taken, at each of some times in order. The end of a
/// series is no sample.
pub(super) fn newest_samples<'s>(
    series: impl IntoIterator<Item = &'s Series>,
    times: &[Time],
) -> Vec<Option<Time>> {
    let mut newest = vec![None; times.len()];
    for one in series {
        let Some(first) = times.first() else { continue };
        let mut next = one.times.partition_point(|time| time <= first);
        let mut last = one.values[..next].iter().rposition(|value| !is_stale(*value));
        for (at, newest) in times.iter().zip(&mut newest) {
            while one.times.get(next).is_some_and(|time| time <= at) {
                if !is_stale(one.values[next]) {
                    last = Some(next);
                }
                next += 1;
            }
            *newest = last.map(|place| one.times[place]).max(*newest);
        }
    }
    newest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::notation::{at, set};

    #[test]
    fn the_newest_sample_of_all_is_found_at_each_time() {
        let series = set(10, &[("a", "1 1 stale _ 1"), ("b", "_ 1 1 stale"), ("c", "_")]);
        let times: Vec<Time> = [-5, 0, 9, 10, 20, 30, 39, 40, 90].map(at).into();
        let want = [None, Some(0), Some(0), Some(10), Some(20), Some(20), Some(20), Some(40)];
        let want: Vec<Option<Time>> =
            want.into_iter().chain([Some(40)]).map(|seconds| seconds.map(at)).collect();
        assert_eq!(newest_samples(series.iter(), &times), want);
        for (time, want) in times.iter().zip(want) {
            assert_eq!(newest_samples(series.iter(), &[*time]), [want]);
        }
        assert_eq!(newest_samples(series.iter(), &[]), []);
    }
}
