//! The zero that a counter began with, where it is known.
//!
//! `rate` needs two samples, so what a new series counted before its first sample is in no rate: a
//! counter of errors that appears with the fault, at 500, would be worth 0. But a counter begins
//! at 0, and a page that was read before without the series says when it still was there.

use std::{borrow::Cow, collections::HashMap};

use crate::{
    frame::Observed,
    sample::{Labels, Series},
    time::Time,
};

/// The label of a target's address.
const INSTANCE: &str = "instance";

/// When each target's page was read: its `up`, by the label that tells most targets apart. Of a
/// thousand targets, each counter then asks few.
pub(super) struct Readings<'a>(HashMap<Option<&'a str>, Vec<&'a Series>>);

impl<'a> Readings<'a> {
    /// Of everything that was scraped.
    pub(super) fn of(observed: &'a Observed) -> Self {
        let mut by_instance: HashMap<_, Vec<&Series>> = HashMap::new();
        for up in observed.raw.of_metric("up") {
            by_instance.entry(up.labels.get(INSTANCE)).or_default().push(up);
        }
        Self(by_instance)
    }

    /// A counter, with a sample of 0 before its first one, at the last reading of its page that
    /// did not show it; as it is when there was none.
    ///
    /// Nothing is known of a series whose earlier samples were forgotten, whose labels are not
    /// those of the target that showed it (`honor_labels`), or to which its page gives times of its
    /// own: those do not say which reading showed it first.
    pub(super) fn with_zero(&self, counter: &'a Series) -> Cow<'a, Series> {
        let known = (!counter.forgotten).then(|| self.last_without(counter)).flatten();
        known.map_or(Cow::Borrowed(counter), |zero_at| Cow::Owned(counter.with_first(zero_at, 0.0)))
    }

    /// The last time at which its page was read before the reading that showed a counter first,
    /// which has the time of its first sample.
    fn last_without(&self, counter: &Series) -> Option<Time> {
        let (first, value) = (*counter.times.first()?, *counter.values.first()?);
        // NaN and the marker of an end are no numbers, and what begins below 0 is no counter.
        if value.is_nan() || value < 0.0 {
            return None;
        }
        let reading = |up: &Series| {
            let shown = up.times.binary_search(&first).ok()?;
            let read = up.values[..shown].iter().rposition(|value| *value > 0.0)?;
            Some(up.times[read])
        };
        self.of_target(&counter.labels).filter_map(reading).max()
    }

    /// The `up` of the target that showed a series.
    pub(super) fn of_target<'s>(
        &'s self,
        series: &'s Labels,
    ) -> impl Iterator<Item = &'a Series> + use<'a, 's> {
        let named = [series.get(INSTANCE), None].into_iter();
        let named = named.filter_map(|instance| self.0.get(&instance)).flatten();
        named.copied().filter(move |up| shown_by(&up.labels, series))
    }
}

/// Whether a series has all the labels of a target, which `up` and other series of the target as
/// a whole have.
pub(super) fn shown_by(target: &Labels, series: &Labels) -> bool {
    target.iter().all(|(name, value)| name == "__name__" || series.get(name) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::notation::{at, labels, set};

    const UP: &str = "up{instance=\"a\",job=\"j\"}";
    const C: &str = "c{code=\"503\",instance=\"a\",job=\"j\"}";

    /// Samples 10 s apart; when the counter is known to have been 0.
    #[track_caller]
    fn check(rows: &[(&str, &str)], want: Option<i64>) {
        let observed = Observed { raw: set(10, rows), ..Observed::default() };
        let counter = observed.raw.of_metric("c").next().unwrap();
        let got = Readings::of(&observed).with_zero(counter);
        let longer = got.times.len() > counter.times.len();
        let zero = longer.then(|| (got.times[0], got.values[0]));
        assert_eq!(zero, want.map(|seconds| (at(seconds), 0.0)));
        assert!(got.times.ends_with(&counter.times));
    }

    #[test]
    fn a_page_that_was_read_without_the_series_says_when_it_was_zero() {
        check(&[(UP, "1x6"), (C, "_x3 500 500")], Some(20));
        check(&[(UP, "1x6"), (C, "_x3 0 7")], Some(20));
    }

    #[test]
    fn a_series_that_was_on_the_first_page_may_have_counted_for_long() {
        check(&[(UP, "1x6"), (C, "500x6")], None);
        check(&[(UP, "_x3 1x3"), (C, "_x3 500x3")], None);
    }

    #[test]
    fn a_page_that_could_not_be_read_says_nothing() {
        check(&[(UP, "1 1 0 1x3"), (C, "_x3 500x3")], Some(10));
        check(&[(UP, "0 0 0 1x3"), (C, "_x3 500x3")], None);
        check(&[(UP, "1 stale _ 1x3"), (C, "_x3 500x3")], Some(0));
    }

    #[test]
    fn the_page_of_another_target_says_nothing() {
        check(&[("up{instance=\"b\",job=\"j\"}", "1x6"), (C, "_x3 500x3")], None);
        let other = "up{instance=\"a\",job=\"j\",pod=\"p\"}";
        check(&[(other, "1x6"), (C, "_x3 500x3")], None);
    }

    #[test]
    fn what_is_no_counter_did_not_begin_at_zero() {
        check(&[(UP, "1x6"), (C, "_x3 NaN 5")], None);
        check(&[(UP, "1x6"), (C, "_x3 -5 5")], None);
    }

    #[test]
    fn a_page_that_gives_times_of_its_own_does_not_say_which_reading_showed_it() {
        // Stamped while the first page was written, a moment after its reading began.
        let mut raw = set(10, &[(UP, "1x6")]);
        for n in 0..6 {
            raw.push(&labels(C), Time::from_millis(n * 10_000 + 3), 5000.0);
        }
        let observed = Observed { raw, ..Observed::default() };
        let counter = observed.raw.of_metric("c").next().unwrap();
        assert!(matches!(Readings::of(&observed).with_zero(counter), Cow::Borrowed(_)));
    }

    #[test]
    fn what_was_forgotten_was_not_born() {
        let mut raw = set(10, &[(UP, "1x6"), (C, "5x6")]);
        // The samples of a page with times of its own are not those of its readings.
        let late = labels("late{instance=\"a\",job=\"j\"}");
        for seconds in [5, 15, 25, 35] {
            raw.push(&late, at(seconds), 700.0);
        }
        raw.forget_until(at(12));
        let observed = Observed { raw, ..Observed::default() };
        for metric in ["c", "late"] {
            let counter = observed.raw.of_metric(metric).next().unwrap();
            assert!(matches!(Readings::of(&observed).with_zero(counter), Cow::Borrowed(_)));
        }
        let mut raw = set(10, &[(UP, "1x9"), (C, "_x3 5x6")]);
        raw.forget_until(at(12));
        let observed = Observed { raw, ..Observed::default() };
        let counter = observed.raw.of_metric("c").next().unwrap();
        assert_eq!(Readings::of(&observed).with_zero(counter).times[0], at(20));
    }
}
