//! The value of an indicator that a server evaluated, at one time.

use std::time::Duration;

use super::track::FRESH_FOR;
use crate::{
    frame::{Answers, Observed},
    sample::{Point, Series},
    time::Time,
};

/// What a server answered for an expression.
#[derive(Clone, Debug)]
pub(super) struct Answered<'a> {
    series: Vec<&'a Series>,
    /// When the server's newest scrape was, at each time; none when that was not asked or is not
    /// known.
    scraped: Option<Scraped<'a>>,
}

/// How far a server had come with its scrapes.
#[derive(Clone, Debug)]
struct Scraped<'a> {
    newest: &'a Series,
    /// For how long a scrape speaks.
    reach: Duration,
}

/// A scrape speaks for so long at least: the time between two scrapes of a server is rarely longer.
const LEAST_REACH: Duration = Duration::from_secs(30);

impl<'a> Answered<'a> {
    /// The answers to an indicator's expression on a grid of so wide a step; none when no server was
    /// asked about it.
    pub(super) fn of(indicator: &str, observed: &'a Observed, step: Duration) -> Option<Self> {
        let series = observed.answers.of(indicator)?.collect();
        let newest = observed.answers.of(Answers::NEWEST_SCRAPE).and_then(|mut all| all.next());
        let scraped = newest.map(|newest| Scraped { newest, reach: reach(newest, step) });
        Some(Self { series, scraped })
    }

    /// The value at a time of the grid; none when there is no answer for it, or when the server had
    /// scraped nothing for too long: it carries a value on for five minutes.
    ///
    /// A value that came as several series has no number: nobody knows which is meant.
    pub(super) fn at(&self, at: Time) -> Option<Point> {
        let mut values = self.series.iter().filter_map(|series| value(series, at));
        let value = values.next()?;
        let several = values.next().is_some();
        if !self.scraped.as_ref().is_none_or(|scraped| scraped.speaks_for(at)) {
            return None;
        }
        Some(if several { Point::no_number(at) } else { Point::exact(at, value) })
    }

    /// The time of the newest answer, at most `at`, that the server made of fresh samples; none when
    /// there was never one.
    pub(super) fn seen_until(&self, at: Time) -> Option<Time> {
        let newest = |one: &&Series| {
            let until = one.times.partition_point(|time| *time <= at);
            let fresh =
                |time: &&Time| self.scraped.as_ref().is_none_or(|all| all.speaks_for(**time));
            one.times[..until].iter().rev().find(fresh).copied()
        };
        self.series.iter().filter_map(newest).max()
    }

    /// How many series it came as, at most, at one time.
    pub(super) fn several(&self) -> Option<usize> {
        let first = self.series.first()?;
        let at = |time: &Time| self.series.iter().filter(|one| value(one, *time).is_some()).count();
        let most = self.series.iter().flat_map(|one| &one.times).map(at).max().unwrap_or_default();
        (most > 1 && !first.times.is_empty()).then_some(most)
    }
}

impl Scraped<'_> {
    fn speaks_for(&self, at: Time) -> bool {
        let Some(seconds) = value(self.newest, at) else { return false };
        Time::from_millis((seconds * 1000.0) as i64).plus(self.reach) >= at
    }
}

/// For how long a server's scrape speaks: as often as its newest scrape was another one, at most
/// [`FRESH_FOR`] times that.
fn reach(newest: &Series, step: Duration) -> Duration {
    let mut scrapes = newest.values.clone();
    scrapes.dedup_by(|one, other| one.to_bits() == other.to_bits());
    let mut apart: Vec<f64> = scrapes.windows(2).map(|pair| pair[1] - pair[0]).collect();
    apart.retain(|seconds| *seconds > 0.0);
    apart.sort_unstable_by(f64::total_cmp);
    let median = apart.get(apart.len() / 2).copied().unwrap_or_default().min(LONGEST_INTERVAL);
    (Duration::from_secs_f64(median) * FRESH_FOR).max(step * FRESH_FOR).max(LEAST_REACH)
}

/// No server scrapes less often, seconds: with more, its own lookback loses the sample.
const LONGEST_INTERVAL: f64 = 300.0;

/// What a series was answered to be at a time.
fn value(series: &Series, at: Time) -> Option<f64> {
    series.times.binary_search(&at).ok().map(|place| series.values[place])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analysis::notation::{at, secs, set},
        frame::AnswerRow,
    };

    /// Answers 10 s apart to the indicator `q`, and the newest scrapes of the server.
    fn observed(rows: &[(&str, &str)], scrapes: &str) -> Observed {
        let mut all = Vec::new();
        for (name, labels, values) in rows
            .iter()
            .map(|(labels, values)| ("q", *labels, *values))
            .chain([(Answers::NEWEST_SCRAPE, "x", scrapes)])
        {
            let series = set(10, &[(labels, values)]);
            for series in series.iter() {
                for (time, value) in series.times.iter().zip(&series.values) {
                    let labels = series.labels.without("__name__");
                    let indicator = name.to_owned();
                    all.push(AnswerRow { indicator, labels, time: *time, value: *value });
                }
            }
        }
        Observed { answers: all.into_iter().collect(), ..Observed::default() }
    }

    #[track_caller]
    fn check(rows: &[(&str, &str)], scrapes: &str, second: i64, want: &str) {
        let observed = observed(rows, scrapes);
        let answered = Answered::of("q", &observed, secs(10));
        let said = match answered.map(|all| all.at(at(second))) {
            None => "not asked".to_owned(),
            Some(None) => "nothing".to_owned(),
            Some(Some(point)) => point.value.to_string(),
        };
        assert_eq!(said, want);
    }

    #[test]
    fn a_value_is_what_was_answered_for_that_time() {
        check(&[("x", "1 2 3")], "_", 20, "3");
        check(&[("x", "1 2 _ 4")], "_", 20, "nothing");
        check(&[("x", "1 2 NaN")], "_", 20, "NaN");
        check(&[], "_", 20, "not asked");
    }

    #[test]
    fn a_value_that_came_as_several_series_has_no_number() {
        let two = [("x{a=\"1\"}", "1x2"), ("x", "2 2 _")];
        check(&two, "_", 10, "NaN");
        check(&two, "_", 20, "1");
        let observed = observed(&two, "_");
        assert_eq!(Answered::of("q", &observed, secs(10)).unwrap().several(), Some(2));
    }

    /// The server answers with what it scraped last, for five minutes.
    #[test]
    fn a_value_that_the_server_only_carries_on_is_none() {
        let frozen = "0+10x4 40x20";
        check(&[("x", "1x24")], frozen, 40, "1");
        check(&[("x", "1x24")], frozen, 70, "1");
        check(&[("x", "1x24")], frozen, 80, "nothing");
        let observed = observed(&[("x", "1x24")], frozen);
        let answered = Answered::of("q", &observed, secs(10)).unwrap();
        assert_eq!(answered.seen_until(at(200)), Some(at(70)));
    }

    #[test]
    fn a_scrape_speaks_as_long_as_it_takes_to_the_one_after_the_next() {
        // One scrape a minute.
        let slow = "0x5 60x5 120x20";
        check(&[("x", "1x30")], slow, 240, "1");
        check(&[("x", "1x30")], slow, 250, "nothing");
    }
}
