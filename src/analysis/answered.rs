//! The value of an indicator at one time, from what a server answered.
//!
//! The server has computed rates and chosen samples by its own rules; here its answers are only
//! joined: buckets to a quantile, a part and a whole to a ratio.

use super::{
    buckets::{Bucket, Located, histogram_quantile},
    histogram::by_bound,
};
use crate::{
    frame::{AnswerPart, Observed},
    hypothesis::model::{Indicator, IndicatorKind},
    sample::{Point, Series},
    time::Time,
    window::Window,
};

/// The answers that an indicator is made of.
#[derive(Clone, Debug)]
pub(super) enum Answered<'a> {
    /// The rate of each bucket, by upper bound.
    Quantile { quantile: f64, buckets: Vec<(f64, Vec<&'a Series>)> },
    /// The rate of a part and that of a whole.
    Ratio { part: Vec<&'a Series>, whole: Vec<&'a Series>, same_metric: bool },
    /// The value itself.
    Value(Vec<&'a Series>),
}

impl<'a> Answered<'a> {
    /// The answers of an indicator; none when no server was asked about it.
    pub(super) fn of(indicator: &Indicator, observed: &'a Observed) -> Option<Self> {
        let answers = |part| Some(observed.answers.of(&indicator.name, part)?.collect::<Vec<_>>());
        Some(match &indicator.kind {
            IndicatorKind::Quantile { quantile, .. } => Self::Quantile {
                quantile: quantile.get(),
                buckets: by_bound(answers(AnswerPart::Buckets)?, |series| series),
            },
            IndicatorKind::Ratio { part, whole, .. } => Self::Ratio {
                part: answers(AnswerPart::Part).unwrap_or_default(),
                whole: answers(AnswerPart::Whole)?,
                same_metric: part.metric == whole.metric,
            },
            IndicatorKind::Rate { .. } | IndicatorKind::Gauge { .. } | IndicatorKind::PromQl(_) => {
                Self::Value(answers(AnswerPart::Value)?)
            }
            IndicatorKind::PodsReady { .. } | IndicatorKind::EventCount { .. } => return None,
        })
    }

    /// The value at a time of the grid; none when there is no answer for it.
    ///
    /// A ratio over a whole that did not rise has no number, and so has a value that came as several
    /// series: nobody knows which is meant.
    pub(super) fn at(&self, at: Time) -> Option<Point> {
        match self {
            Self::Quantile { quantile, buckets } => {
                let counts = buckets.iter().filter_map(|(bound, series)| {
                    Some(Bucket { bound: *bound, count: sum(series, at)?, first: 0.0 })
                });
                let counts: Vec<Bucket> = counts.collect();
                let all = counts.iter().find(|bucket| bucket.bound == f64::INFINITY);
                let traffic = Some(all?.count).filter(|count| count.is_finite());
                let found = histogram_quantile(*quantile, counts, 0.0);
                Some(found.map_or_else(
                    || Point { traffic, ..Point::no_number(at) },
                    |Located { value, lower, upper }| Point {
                        traffic,
                        ..Point::between(at, lower, value, upper)
                    },
                ))
            }
            Self::Ratio { part, whole, same_metric } => {
                let whole = sum(whole, at)?;
                let part = sum(part, at).or(same_metric.then_some(0.0))?;
                let traffic = Some(whole).filter(|whole| whole.is_finite());
                if whole <= 0.0 || traffic.is_none() || !part.is_finite() {
                    return Some(Point { traffic, ..Point::no_number(at) });
                }
                Some(Point { traffic, ..Point::exact(at, part / whole) })
            }
            Self::Value(series) => {
                let mut values = series.iter().filter_map(|series| value(series, at));
                let value = values.next()?;
                let several = values.next().is_some();
                Some(if several { Point::no_number(at) } else { Point::exact(at, value) })
            }
        }
    }

    /// The time of the newest answer, at most `at`; none when there was never one. Of a ratio that of
    /// the whole, and of a part of another metric as well.
    pub(super) fn seen_until(&self, at: Time) -> Option<Time> {
        let newest = |series: &[&Series]| {
            let last = |one: &&Series| {
                let until = one.times.partition_point(|time| *time <= at);
                one.times[..until].last().copied()
            };
            series.iter().filter_map(last).max()
        };
        match self {
            Self::Quantile { buckets, .. } => {
                buckets.iter().filter_map(|(_, series)| newest(series)).max()
            }
            Self::Ratio { whole, same_metric: true, .. } => newest(whole),
            Self::Ratio { part, whole, same_metric: false } => {
                Some(newest(part)?.min(newest(whole)?))
            }
            Self::Value(series) => newest(series),
        }
    }

    /// How much was counted in a window, by the mean of the answers inside of it; none for a value,
    /// which is no part of any traffic.
    pub(super) fn counted(&self, window: Window) -> Option<f64> {
        let all = match self {
            Self::Quantile { buckets, .. } => {
                let all = buckets.iter().find(|(bound, _)| *bound == f64::INFINITY);
                all.map(|(_, series)| series.as_slice()).unwrap_or_default()
            }
            Self::Ratio { whole, .. } => whole,
            Self::Value(_) => return None,
        };
        let mut times: Vec<Time> = all.iter().flat_map(|series| &series.times).copied().collect();
        times.retain(|time| window.contains(*time));
        times.sort_unstable();
        times.dedup();
        let rates = times.iter().filter_map(|at| sum(all, *at)).filter(|rate| rate.is_finite());
        let rates: Vec<f64> = rates.collect();
        let mean = rates.iter().sum::<f64>() / rates.len().max(1) as f64;
        Some(mean * window.length().as_secs_f64())
    }
}

/// What a series was answered to be at a time.
fn value(series: &Series, at: Time) -> Option<f64> {
    series.times.binary_search(&at).ok().map(|place| series.values[place])
}

/// The sum of those series that have an answer for a time.
fn sum(series: &[&Series], at: Time) -> Option<f64> {
    series.iter().filter_map(|series| value(series, at)).reduce(|sum, value| sum + value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analysis::{
            notation::{at, secs, set},
            scene::{hypothesis, watched},
            track::tracks,
        },
        frame::{AnswerRow, Answers},
        hypothesis::{
            model::{MetricsSource, PrometheusSource},
            selector::SeriesSelector,
        },
        number::Share,
        sample::Labels,
        window::Phase,
    };

    /// Answers 10 s apart; each row is a part, labels and values.
    fn answered(kind: IndicatorKind, rows: &[(AnswerPart, &str, &str)]) -> (Indicator, Observed) {
        let indicator = hypothesis(vec![kind]).indicators.remove(0);
        let mut all = Vec::new();
        for (part, labels, values) in rows {
            let series = set(10, &[(labels, values)]);
            let series = series.iter().next().unwrap();
            for (time, value) in series.times.iter().zip(&series.values) {
                let labels: Labels = series.labels.without("__name__");
                let indicator = indicator.name.clone();
                all.push(AnswerRow { indicator, part: *part, labels, time: *time, value: *value });
            }
        }
        let answers: Answers = all.into_iter().collect();
        (indicator, Observed { answers, ..Observed::default() })
    }

    #[track_caller]
    fn check(kind: IndicatorKind, rows: &[(AnswerPart, &str, &str)], want: &str) {
        let (indicator, observed) = answered(kind, rows);
        let said = match Answered::of(&indicator, &observed).map(|all| all.at(at(20))) {
            None => "not asked".to_owned(),
            Some(None) => "nothing".to_owned(),
            Some(Some(Point { lower, value, upper, .. })) => format!("{value} in {lower}..{upper}"),
        };
        assert_eq!(said, want);
    }

    fn selector(text: &str) -> SeriesSelector {
        SeriesSelector::parse(text).unwrap()
    }

    fn ratio(part: &str) -> IndicatorKind {
        IndicatorKind::Ratio { part: selector(part), whole: selector("r"), over: secs(30) }
    }

    #[test]
    fn a_value_is_what_was_answered_for_that_time() {
        let kind = || IndicatorKind::PromQl("q".to_owned());
        let value = |values| (AnswerPart::Value, "x", values);
        check(kind(), &[value("1 2 3")], "3 in 3..3");
        check(kind(), &[value("1 2 _ 4")], "nothing");
        check(kind(), &[value("1 2 NaN")], "NaN in NaN..NaN");
        check(kind(), &[], "not asked");
        // Which of two is meant nobody knows.
        let two = [(AnswerPart::Value, "x{a=\"1\"}", "1x2"), (AnswerPart::Value, "x", "2x2")];
        check(kind(), &two, "NaN in NaN..NaN");
    }

    #[test]
    fn a_ratio_is_a_part_of_a_whole() {
        let (part, whole) = (AnswerPart::Part, AnswerPart::Whole);
        check(
            ratio("r{c=\"5\"}"),
            &[(part, "x", "1x2"), (whole, "x", "4x2")],
            "0.25 in 0.25..0.25",
        );
        check(ratio("r{c=\"5\"}"), &[(whole, "x", "4x2")], "0 in 0..0");
        check(ratio("other"), &[(whole, "x", "4x2")], "nothing");
        check(ratio("r{c=\"5\"}"), &[(part, "x", "1x2")], "not asked");
        check(ratio("r{c=\"5\"}"), &[(whole, "x", "0x2")], "NaN in NaN..NaN");
    }

    #[test]
    fn a_quantile_lies_in_its_bucket() {
        let kind = || IndicatorKind::Quantile {
            quantile: Share::new(0.5).unwrap(),
            histogram: selector("h"),
            over: secs(30),
        };
        let bucket = |le, values| (AnswerPart::Buckets, le, values);
        let (one, two, all) = ("x{le=\"1\"}", "x{le=\"2\"}", "x{le=\"+Inf\"}");
        let rows = [bucket(one, "1x2"), bucket(two, "9x2"), bucket(all, "10x2")];
        check(kind(), &rows, "1.5 in 1..2");
        // Without the last bucket nobody knows how many there were.
        check(kind(), &rows[..2], "nothing");
        check(kind(), &[bucket(one, "0x2"), bucket(all, "0x2")], "NaN in NaN..NaN");
    }

    /// Requests fall to a tenth with the fault at 60 s, and a server is asked for all of it.
    #[test]
    fn answers_become_the_track_of_an_indicator() {
        let part = "0x30";
        let whole = "100x12 10x17";
        let rows: Vec<AnswerRow> = [(AnswerPart::Part, part), (AnswerPart::Whole, whole)]
            .into_iter()
            .flat_map(|(part, values)| {
                let set = set(5, &[("x", values)]);
                let series = set.iter().next().unwrap().clone();
                let row = move |(time, value)| AnswerRow {
                    indicator: "i0".to_owned(),
                    part,
                    labels: Labels::default(),
                    time,
                    value,
                };
                series.times.into_iter().zip(series.values).map(row)
            })
            .collect();
        let mut hypothesis = hypothesis(vec![ratio("r{c=\"5\"}")]);
        let (url, bearer_token_file) = ("http://p".to_owned(), None);
        hypothesis.sources.metrics =
            Some(MetricsSource::Prometheus(PrometheusSource { url, bearer_token_file }));
        let observed = Observed { answers: rows.into_iter().collect(), ..watched(Vec::new()) };
        let track = &tracks(&hypothesis, &observed)[0];
        let during = track.phase(Phase::During).unwrap();
        assert!(during.n() > 0 && during.n() == during.grid.len(), "{:?}", during.grid);
        let rate = |phase| track.phase(phase).unwrap().traffic.unwrap().per_second().round() as i64;
        assert_eq!((rate(Phase::Before), rate(Phase::During)), (100, 25));
    }

    #[test]
    fn what_was_counted_is_the_mean_rate_of_the_window() {
        let whole = (AnswerPart::Whole, "x", "4 6 8 100");
        let (indicator, observed) = answered(ratio("r{c=\"5\"}"), &[whole]);
        let answered = Answered::of(&indicator, &observed).unwrap();
        assert_eq!(answered.counted(Window::new(at(0), at(30))), Some(6.0 * 30.0));
        assert_eq!(answered.counted(Window::new(at(50), at(60))), Some(0.0));
        assert_eq!(answered.seen_until(at(25)), Some(at(20)));
    }
}
