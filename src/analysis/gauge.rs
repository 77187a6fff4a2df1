//! A gauge over all that show it: what cannot be read of it is not what the others say.

use std::time::Duration;

use super::{
    birth::{Readings, shown_by},
    indicator::series,
    semantics::Semantics,
    track::FRESH_FOR,
};
use crate::{
    frame::Observed,
    hypothesis::{model::Aggregate, selector::SeriesSelector},
    sample::{Bounds, Point, Series},
    time::Time,
};

/// The series of a gauge, found once.
#[derive(Clone, Debug)]
pub(super) struct Gauges<'a> {
    all: Vec<Gauge<'a>>,
    /// All series of the metric.
    metric: Vec<&'a Series>,
    aggregate: Aggregate,
    /// How long a sample speaks for a target that cannot be read; none where scrapes are not ours,
    /// so that nothing is known of targets.
    reach: Option<Duration>,
}

#[derive(Clone, Debug)]
struct Gauge<'a> {
    series: &'a Series,
    /// The `up` of the target that shows it.
    ups: Vec<&'a Series>,
}

/// What one series says at one time.
enum Reading {
    /// This.
    Value(f64),
    /// It is there, and could not be read.
    Unread,
    /// It is not there.
    Gone,
}

impl<'a> Gauges<'a> {
    pub(super) fn of(
        selector: &SeriesSelector,
        aggregate: Aggregate,
        observed: &'a Observed,
        interval: Option<Duration>,
    ) -> Self {
        let readings = interval.map(|_| Readings::of(observed));
        let found = series(selector, observed).into_iter().map(|series| Gauge {
            series,
            ups: readings.iter().flat_map(|all| all.of_target(&series.labels)).collect(),
        });
        Self {
            all: found.collect(),
            metric: observed.raw.of_metric(&selector.metric).collect(),
            aggregate,
            reach: interval.map(|each| each * FRESH_FOR),
        }
    }

    /// The series.
    pub(super) fn series(&self) -> impl Iterator<Item = &'a Series> {
        self.all.iter().map(|one| one.series)
    }

    /// The value over all series at a time; none when there is none.
    ///
    /// Where `strict`, a series that is there and could not be read leaves no number: of a maximum
    /// that of the others is then the least that it can be, of a minimum the most.
    pub(super) fn at(&self, at: Time, strict: bool) -> Option<Point> {
        let (mut values, mut unread) = (Vec::new(), false);
        for one in &self.all {
            match self.read(one, at, strict) {
                Reading::Value(value) => values.push(value),
                Reading::Unread => unread = true,
                Reading::Gone => {}
            }
        }
        let value = combine(&values, self.aggregate)?;
        if !unread {
            return Some(Point::exact(at, value));
        }
        let (lower, upper) = match self.aggregate {
            Aggregate::Max => (value, f64::INFINITY),
            Aggregate::Min => (f64::NEG_INFINITY, value),
            Aggregate::Sum | Aggregate::Avg => (f64::NAN, f64::NAN),
        };
        Some(Point { lower, upper, ..Point::no_number(at) })
    }

    /// What a series says at a time.
    ///
    /// One whose target cannot be read is what it was for as long as its last sample is fresh. One
    /// that left a page that is read, with all others of its metric, or turned from a number to NaN,
    /// is not measured any more. One that left it alone, or with its target, is gone.
    fn read(&self, one: &Gauge<'_>, at: Time, strict: bool) -> Reading {
        let semantics = Semantics::default();
        let now = semantics.instant(one.series, at);
        let as_it_is = now.map_or(Reading::Gone, Reading::Value);
        let Some(reach) = self.reach.filter(|_| strict && now.is_none_or(f64::is_nan)) else {
            return as_it_is;
        };
        let until = one.series.times.partition_point(|time| *time <= at);
        let number = one.series.values[..until].iter().rposition(|value| !value.is_nan());
        let Some(number) = number else { return as_it_is };
        if now.is_some() {
            return Reading::Unread;
        }
        match one.ups.iter().find_map(|up| semantics.instant(up, at)) {
            None => Reading::Gone,
            Some(up) if up > 0.0 => {
                let shows = |up: &&Series, other: &Series| shown_by(&up.labels, &other.labels);
                let others = self.metric.iter().filter(|other| {
                    one.ups.iter().any(|up| shows(up, other))
                        && semantics.instant(other, at).is_some()
                });
                if others.count() > 0 { Reading::Gone } else { Reading::Unread }
            }
            Some(_) if one.series.times[number].plus(reach) >= at => {
                Reading::Value(one.series.values[number])
            }
            Some(_) => Reading::Unread,
        }
    }

    /// The point at a time with what was seen besides, in samples in `(from, to]` at times at which
    /// they count; none when nothing was seen at all.
    ///
    /// A maximum was as high as the highest sample of any of its series, a minimum as low as the
    /// lowest, and a single series is all of that itself. Of a sum or a mean over several, whose
    /// samples are of different times, nothing is known between them. What was seen is known where
    /// there is no number at the time itself as well.
    pub(super) fn widened(
        &self,
        at: Time,
        point: Option<Point>,
        (from, to): (Time, Time),
        counts: &dyn Fn(Time) -> bool,
    ) -> Option<Point> {
        let within = |one: &'a Series| {
            let places = one.range(from, to);
            let samples = one.times[places.clone()].iter().zip(&one.values[places]);
            samples.filter(|(time, value)| !value.is_nan() && counts(**time)).map(|(_, v)| *v)
        };
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in self.series().flat_map(within) {
            (low, high) = (low.min(value), high.max(value));
        }
        let there = |one: &&Gauge<'a>| {
            let gone = matches!(self.read(one, at, true), Reading::Gone);
            !gone || within(one.series).next().is_some()
        };
        let single = self.all.iter().filter(there).count() == 1;
        let number = point.filter(|point| !point.value.is_nan());
        let (mut least, mut most) = match (number, point) {
            (Some(number), _) => (number.value, number.value),
            // Of a NaN by itself nothing is known, and nothing is less than a NaN.
            (None, Some(partly)) => {
                let (least, most) = partly.certain();
                (least.min(f64::INFINITY), most.max(f64::NEG_INFINITY))
            }
            (None, None) => (f64::INFINITY, f64::NEG_INFINITY),
        };
        if single || self.aggregate == Aggregate::Max {
            most = most.max(high);
        }
        if single || self.aggregate == Aggregate::Min {
            least = least.min(low);
        }
        if point.is_none() && least == f64::INFINITY && most == f64::NEG_INFINITY {
            return None;
        }
        let point = point.unwrap_or(Point::no_number(at));
        Some(Point { lower: least, upper: most, bounds: Bounds::Seen, ..point })
    }
}

/// Several values as one; none when there are none.
fn combine(values: &[f64], aggregate: Aggregate) -> Option<f64> {
    let (first, rest) = values.split_first()?;
    let fold = |pick: fn(f64, f64) -> f64| rest.iter().fold(*first, |all, one| pick(all, *one));
    Some(match aggregate {
        Aggregate::Sum => fold(|a, b| a + b),
        Aggregate::Avg => fold(|a, b| a + b) / values.len() as f64,
        // `f64::min` and `f64::max` answer with the other number when one is NaN.
        Aggregate::Min => fold(f64::min),
        Aggregate::Max => fold(f64::max),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::notation::{at, secs, set};

    /// Samples 10 s apart; the value at 60 s with what was seen up to 69 s.
    fn point(aggregate: Aggregate, rows: &[(&str, &str)]) -> Option<Point> {
        let observed = Observed { raw: set(10, rows), ..Observed::default() };
        let selector = SeriesSelector::parse("g{pod=~\".+\"}").unwrap();
        let gauges = Gauges::of(&selector, aggregate, &observed, Some(secs(10)));
        let point = gauges.at(at(60), true)?;
        gauges.widened(at(60), Some(point), (at(50), at(69)), &|_| true)
    }

    #[track_caller]
    fn check(aggregate: Aggregate, rows: &[(&str, &str)], want: &str) {
        let said = point(aggregate, rows).map_or("nothing".to_owned(), |point| {
            let Point { lower, value, upper, .. } = point;
            format!("{value} in {lower}..{upper}")
        });
        assert_eq!(said, want);
    }

    const A: (&str, &str) = ("g{pod=\"a\",i=\"a\"}", "1x6");
    const UP: (&str, &str) = ("up{i=\"b\"}", "1x6");

    fn b(values: &str) -> (&str, &str) {
        ("g{pod=\"b\",i=\"b\"}", values)
    }

    #[test]
    fn a_gauge_that_is_there_counts() {
        for (aggregate, want) in [
            (Aggregate::Max, "5 in 5..5"),
            (Aggregate::Min, "1 in 1..1"),
            (Aggregate::Sum, "6 in 6..6"),
            (Aggregate::Avg, "3 in 3..3"),
        ] {
            check(aggregate, &[A, b("5x6"), UP], want);
        }
    }

    #[test]
    fn a_gauge_whose_target_is_gone_is_gone() {
        let gone = ("up{i=\"b\"}", "1x4 stale");
        check(Aggregate::Max, &[A, b("5x4 stale"), gone], "1 in 1..1");
        check(Aggregate::Sum, &[A, b("5x4 stale"), gone], "1 in 1..1");
        // Nor was one that never was there.
        check(Aggregate::Max, &[A, b("_x7"), UP], "1 in 1..1");
        check(Aggregate::Max, &[A, b("NaNx6"), UP], "1 in 1..1");
    }

    #[test]
    fn a_gauge_that_left_its_page_alone_is_gone() {
        let rows = [A, b("5x4 stale"), UP, ("g{i=\"b\"}", "0x6")];
        check(Aggregate::Max, &rows, "1 in 1..1");
    }

    #[test]
    fn what_cannot_be_read_is_not_that_of_the_others() {
        let down = ("up{i=\"b\"}", "1x2 0x3");
        for (rows, up) in [("5x4 stale", UP), ("5x4 NaNx1", UP), ("5x2 stale", down)] {
            // The least and the most that are certain; infinite where neither is.
            check(Aggregate::Max, &[A, b(rows), up], "NaN in inf..1");
            check(Aggregate::Min, &[A, b(rows), up], "NaN in 1..-inf");
            check(Aggregate::Sum, &[A, b(rows), up], "NaN in inf..-inf");
            check(Aggregate::Avg, &[A, b(rows), up], "NaN in inf..-inf");
        }
    }

    #[test]
    fn a_fresh_sample_speaks_for_a_target_that_fails() {
        let fails = ("up{i=\"b\"}", "1x4 0x1");
        check(Aggregate::Max, &[A, b("5x4 stale"), fails], "5 in 5..5");
        let fails = ("up{i=\"b\"}", "1x3 0x2");
        check(Aggregate::Max, &[A, b("5x3 stale"), fails], "NaN in inf..1");
    }

    /// Nothing at 60 s, and a sample at 65 s.
    #[test]
    fn what_was_seen_beside_a_gap_is_kept() {
        let rows = [("g{i=\"b\"}", "1x10 stale 9x2"), ("up{i=\"b\"}", "1x10 0 1x2")];
        let observed = Observed { raw: set(5, &rows), ..Observed::default() };
        let selector = SeriesSelector::parse("g").unwrap();
        let gauges = Gauges::of(&selector, Aggregate::Sum, &observed, Some(secs(1)));
        assert_eq!(gauges.at(at(56), true), None);
        let seen = |counts: &dyn Fn(Time) -> bool| {
            let point = gauges.widened(at(56), None, (at(56), at(64)), counts)?;
            Some((point.value.is_nan(), point.lower, point.upper))
        };
        assert_eq!(seen(&|_| true), Some((true, 9.0, 9.0)));
        // Not while its exporter says that it is not measured.
        assert_eq!(seen(&|_| false), None);
    }

    #[test]
    fn what_was_seen_up_to_the_next_point_is_kept() {
        let dips = ("g{pod=\"a\",i=\"a\"}", "1x4 9 0");
        // The sample of 50 s is that of the point before.
        check(Aggregate::Avg, &[dips], "0 in 0..0");
        let mut rows = vec![("g{pod=\"a\",i=\"a\"}", "1x6")];
        rows.push(b("5x6"));
        let observed = Observed { raw: set(10, &rows), ..Observed::default() };
        let selector = SeriesSelector::parse("g").unwrap();
        let seen = |aggregate| {
            let gauges = Gauges::of(&selector, aggregate, &observed, Some(secs(10)));
            let point = Some(Point::exact(at(60), 3.0));
            let point = gauges.widened(at(60), point, (at(10), at(60)), &|_| true).unwrap();
            (point.lower, point.upper, point.bounds)
        };
        assert_eq!(seen(Aggregate::Max), (3.0, 5.0, Bounds::Seen));
        assert_eq!(seen(Aggregate::Min), (1.0, 3.0, Bounds::Seen));
        // The samples of several do not make a sum.
        assert_eq!(seen(Aggregate::Sum), (3.0, 3.0, Bounds::Seen));
    }
}
