//! The value of an indicator at one time, from what was scraped and watched.

use std::time::Duration;

use super::{
    answered::Answered,
    buckets::{Bucket, Located, histogram_quantile},
    counter::{Counter, Counters},
    gauge::Gauges,
    histogram::{Total, by_bound, totals},
    losses::{blind_between, counts_as_ready, sight_until},
    rate::rates,
    semantics::Semantics,
    sums::{Sums, Uncertain, Unshown, newest_samples},
};
use crate::{
    frame::{EventRow, Observed, PodRow, Watched},
    hypothesis::{
        model::{EventFilter, Indicator, IndicatorKind},
        selector::SeriesSelector,
    },
    sample::{Bounds, Point, Series},
    time::Time,
};

/// An indicator together with the series, pods or events that it is made of, found once.
#[derive(Clone, Debug)]
pub(crate) struct Plan<'a> {
    observed: &'a Observed,
    parts: Parts<'a>,
    semantics: Semantics,
    /// Whether what was lost with processes that ended widens the bounds.
    lost_counts: bool,
}

#[derive(Clone, Debug)]
enum Parts<'a> {
    Quantile {
        quantile: f64,
        /// By upper bound; the series of all pods that have it.
        buckets: Vec<(f64, Vec<Counter<'a>>)>,
        /// How many observations the histograms say there were.
        totals: Vec<Total<'a>>,
        over: Duration,
    },
    Ratio {
        part: Vec<Counter<'a>>,
        whole: Vec<Counter<'a>>,
        same_metric: bool,
        /// Whether all that the part counts is counted in the whole, too.
        contained: bool,
        over: Duration,
    },
    Rate {
        counters: Vec<Counter<'a>>,
        over: Duration,
    },
    Gauge {
        gauges: Gauges<'a>,
    },
    PodsReady {
        pods: Vec<&'a PodRow>,
    },
    EventCount {
        events: Vec<&'a EventRow>,
    },
    /// What a server answered; none when it did not, or was not asked.
    Server(Option<Answered<'a>>),
}

impl<'a> Plan<'a> {
    /// Finds what an indicator is made of; `interval` is that of the scrapes.
    pub(crate) fn new(
        kind: &IndicatorKind,
        observed: &'a Observed,
        semantics: Semantics,
        interval: Option<Duration>,
    ) -> Self {
        let counters = |selector: &SeriesSelector, over: Duration| {
            let counters = Counters::of(observed, over, interval);
            series(selector, observed).into_iter().map(|one| counters.read(one)).collect()
        };
        let parts = match kind {
            IndicatorKind::Quantile { quantile, histogram, over } => {
                let buckets =
                    by_bound(counters(&histogram.buckets(), *over), |one| one.series.as_ref());
                Parts::Quantile {
                    quantile: quantile.get(),
                    totals: totals(counters(&histogram.count(), *over), &buckets),
                    buckets,
                    over: *over,
                }
            }
            IndicatorKind::Ratio { part, whole, over } => {
                let same_metric = part.metric == whole.metric;
                let part = counters(part, *over);
                let of_whole = |one: &Counter<'_>| whole.matches(&one.series.labels);
                let contained = same_metric && part.iter().all(of_whole);
                Parts::Ratio {
                    part,
                    whole: counters(whole, *over),
                    same_metric,
                    contained,
                    over: *over,
                }
            }
            IndicatorKind::Rate { counter, over } => {
                Parts::Rate { counters: counters(counter, *over), over: *over }
            }
            IndicatorKind::Gauge { gauge, aggregate } => {
                Parts::Gauge { gauges: Gauges::of(gauge, *aggregate, observed, interval) }
            }
            IndicatorKind::PodsReady { selector } => Parts::PodsReady {
                pods: observed.pods.iter().filter(|pod| selector.matches(&pod.labels)).collect(),
            },
            IndicatorKind::EventCount { filter } => Parts::EventCount {
                events: observed.events.iter().filter(|event| counts(filter, event)).collect(),
            },
            IndicatorKind::PromQl(_) => Parts::Server(None),
        };
        Self { observed, parts, semantics, lost_counts: true }
    }

    /// The plan of an indicator over what was seen of it, also by a server that evaluated it on a
    /// grid of so wide a step.
    pub(super) fn of(
        indicator: &Indicator,
        observed: &'a Observed,
        interval: Option<Duration>,
        step: Duration,
    ) -> Self {
        let mut plan = Self::new(&indicator.kind, observed, Semantics::default(), interval);
        if let Parts::Server(answered) = &mut plan.parts {
            *answered = Answered::of(&indicator.name, observed, step);
        }
        plan
    }

    /// Whether a server evaluates it, at the times of the grid.
    pub(super) fn is_evaluated(&self) -> bool {
        matches!(self.parts, Parts::Server(_))
    }

    /// The same, with bounds that leave out what was lost with processes that ended, and gauges
    /// that leave out what cannot be read, as Prometheus does.
    #[must_use]
    pub(crate) fn without_lost(self) -> Self {
        Self { lost_counts: false, ..self }
    }

    /// The value at a time, where `step` is the distance of the grid's points.
    ///
    /// - quantile: `histogram_quantile(q, sum by (le) (rate(…)))`. Rates are taken for each
    ///   series and added for each bound, over all pods; never a mean of quantiles. The bounds of the
    ///   point are bounds that all series have: where pods have different buckets, Prometheus'
    ///   value may be far off.
    /// - ratio: sum of rates over sum of rates. A part of the same metric that has no rate (no
    ///   error was ever counted) is 0; a part of another metric that has none may just not have
    ///   been seen, so there is no point. Over a whole that did not rise there is no number.
    /// - rate: the sum over all series that have one.
    /// - all three: a counter whose page was read before without it began there at 0, so that its
    ///   first value counts; Prometheus leaves it out. What no sample shows of a counter widens
    ///   the bounds, and never the value.
    /// - gauge: over all series that are alive at the time. Of one that turned to NaN, left its
    ///   page or cannot be read, Prometheus leaves the value out; here there is no number.
    /// - pods ready: pods whose condition is true and whose end nobody has asked for. No point
    ///   while nobody watched.
    /// - events: how many were added in `(at − step, at]`. No point when nobody watched a part
    ///   of it.
    pub(crate) fn at(&self, at: Time, step: Duration) -> Option<Point> {
        self.points(&[at], step).next().flatten()
    }

    /// The values at times in order.
    pub(super) fn points<'s>(
        &'s self,
        times: &'s [Time],
        step: Duration,
    ) -> Box<dyn Iterator<Item = Option<Point>> + 's> {
        let times_of = times.iter().copied();
        match &self.parts {
            Parts::Quantile { quantile, buckets, totals, over } => {
                let buckets = self.bucket_rates(buckets, times, *over);
                let beyond = self.in_no_bucket(totals, times, *over);
                let at = move |(place, at): (usize, Time)| {
                    self.quantile_at(*quantile, &buckets, beyond[place], (place, at), *over)
                };
                Box::new(times_of.enumerate().map(at))
            }
            Parts::Ratio { part, whole, same_metric, contained, over } => {
                let sums = [part, whole].map(|all| self.sums(all, times, *over));
                let unshown = [part, whole].map(|all| Unshown::of(all));
                Box::new(times_of.enumerate().map(move |(place, at)| {
                    let [part_rose, rose] = [&sums[0], &sums[1]].map(|all| all.at(place));
                    let rose = rose?;
                    let part_rose = part_rose.or(same_metric.then_some(0.0))?;
                    let traffic = Some(rose).filter(|rose| rose.is_finite());
                    if rose <= 0.0 || traffic.is_none() || !part_rose.is_finite() {
                        return Some(Point { traffic, ..Point::no_number(at) });
                    }
                    let [part, whole] =
                        [&unshown[0], &unshown[1]].map(|all| self.uncounted(all, at, *over));
                    let point = ratio([part_rose, rose], [part, whole], *contained, at, *over);
                    Some(Point { traffic, ..point })
                }))
            }
            Parts::Rate { counters, over } => {
                let (sums, unshown) = (self.sums(counters, times, *over), Unshown::of(counters));
                Box::new(times_of.enumerate().map(move |(place, at)| {
                    let sum = sums.at(place)?;
                    let uncounted = self.uncounted(&unshown, at, *over).all();
                    let upper = sum + uncounted / over.as_secs_f64();
                    Some(Point { uncounted, ..Point::between(at, sum, sum, upper) })
                }))
            }
            Parts::Gauge { gauges } => {
                Box::new(times_of.map(move |at| gauges.at(at, self.lost_counts)))
            }
            Parts::PodsReady { pods } => Box::new(times_of.map(move |at| {
                let ready = ready(pods, at);
                self.watched(Watched::Pods, at, at).then(|| Point::exact(at, ready))
            })),
            Parts::EventCount { events } => Box::new(times_of.map(move |at| {
                let from = at.minus(step);
                let inside = events.iter().filter(|event| from < event.at && event.at <= at);
                let added = inside.fold(0_i64, |all, event| all.saturating_add(event.added));
                self.watched(Watched::Events, from, at).then(|| Point::exact(at, added as f64))
            })),
            Parts::Server(answered) => {
                Box::new(times_of.map(move |at| answered.as_ref().and_then(|all| all.at(at))))
            }
        }
    }

    /// The point at a time with what was seen besides, from just after the first time of a stretch
    /// up to the second, at times at which it counts; none when nothing was. A window, and a count
    /// of events, has all of its time in it already.
    ///
    /// Pods are also as they were at the beginning of the stretch. While they were not watched,
    /// nothing is known of them, and what was seen before and after stays seen.
    pub(super) fn widened(
        &self,
        at: Time,
        point: Option<Point>,
        stretch: (Time, Time),
        counts: &dyn Fn(Time) -> bool,
    ) -> Option<Point> {
        match &self.parts {
            Parts::Gauge { gauges } => gauges.widened(at, point, stretch, counts),
            Parts::PodsReady { pods } => {
                let (from, to) = stretch;
                let turns = pods.iter().flat_map(|pod| {
                    let spans = pod.ready.iter().flat_map(|span| [Some(span.from), span.to]);
                    spans.chain([pod.lost_at()]).flatten()
                });
                let turns = turns.filter(|turn| from < *turn && *turn <= to).chain([from]);
                let turns = turns.filter(|turn| self.watched(Watched::Pods, *turn, *turn));
                let counts: Vec<f64> = turns.map(|turn| ready(pods, turn)).collect();
                let value = point.map(|point| point.value);
                let all = || counts.iter().copied().chain(value);
                let lower = all().reduce(f64::min)?;
                let upper = all().reduce(f64::max)?;
                let point = point.unwrap_or(Point::no_number(at));
                Some(Point { lower, upper, bounds: Bounds::Seen, ..point })
            }
            Parts::Quantile { .. }
            | Parts::Ratio { .. }
            | Parts::Rate { .. }
            | Parts::EventCount { .. }
            | Parts::Server(_) => point,
        }
    }

    /// Up to when, at most `at`, the indicator's own parts were seen: the time of the newest
    /// sample of any of its series, however far a lookback or a window would carry that sample's
    /// value on. None when there was never one.
    ///
    /// - ratio: the whole's; a part of another metric has to be seen as well.
    /// - pods ready, events: `at` while they are watched, else the start of the blindness.
    pub(crate) fn seen_until(&self, at: Time) -> Option<Time> {
        self.seen_until_each(&[at]).pop().flatten()
    }

    /// The same at each of some times in order.
    pub(super) fn seen_until_each(&self, times: &[Time]) -> Vec<Option<Time>> {
        fn of<'s>(all: &'s [Counter<'_>]) -> impl Iterator<Item = &'s Series> {
            all.iter().map(|one| one.series.as_ref())
        }
        let each = |seen: &dyn Fn(Time) -> Option<Time>| times.iter().map(|at| seen(*at)).collect();
        match &self.parts {
            Parts::Quantile { buckets, .. } => {
                newest_samples(buckets.iter().flat_map(|(_, all)| of(all)), times)
            }
            Parts::Ratio { whole, same_metric: true, .. } => newest_samples(of(whole), times),
            Parts::Ratio { part, whole, same_metric: false, .. } => {
                let both = newest_samples(of(part), times).into_iter();
                let both = both.zip(newest_samples(of(whole), times));
                both.map(|(part, whole)| Some(part?.min(whole?))).collect()
            }
            Parts::Rate { counters, .. } => newest_samples(of(counters), times),
            Parts::Gauge { gauges } => newest_samples(gauges.series(), times),
            Parts::PodsReady { .. } => each(&|at| self.sight_until(Watched::Pods, at)),
            Parts::EventCount { .. } => each(&|at| self.sight_until(Watched::Events, at)),
            Parts::Server(answered) => each(&|at| answered.as_ref()?.seen_until(at)),
        }
    }

    /// The counters that count all that a ratio or a quantile is made of, each increment once.
    /// None for all other kinds.
    pub(super) fn whole(&self) -> Option<Vec<&Counter<'a>>> {
        match &self.parts {
            Parts::Quantile { .. } | Parts::Ratio { .. } => self.counters(),
            Parts::Rate { .. }
            | Parts::Gauge { .. }
            | Parts::PodsReady { .. }
            | Parts::EventCount { .. }
            | Parts::Server(_) => None,
        }
    }

    /// The series whose increments this indicator counts, each increment once: the whole of a
    /// ratio, the +∞ bucket of a histogram. None when it is not made of counters.
    pub(super) fn counters(&self) -> Option<Vec<&Counter<'a>>> {
        match &self.parts {
            Parts::Quantile { buckets, .. } => {
                let all = buckets.iter().filter(|(bound, _)| *bound == f64::INFINITY);
                Some(all.flat_map(|(_, counters)| counters).collect())
            }
            Parts::Ratio { whole: counters, .. } | Parts::Rate { counters, .. } => {
                Some(counters.iter().collect())
            }
            Parts::Gauge { .. }
            | Parts::PodsReady { .. }
            | Parts::EventCount { .. }
            | Parts::Server(_) => None,
        }
    }

    /// What the buckets of a histogram count at some times, by bound.
    fn bucket_rates(
        &self,
        buckets: &[(f64, Vec<Counter<'_>>)],
        times: &[Time],
        over: Duration,
    ) -> Vec<BucketRates> {
        let each = buckets.iter().map(|(bound, counters)| BucketRates {
            bound: *bound,
            sums: self.sums(counters, times, over),
            unshown: Unshown::of(counters),
        });
        each.collect()
    }

    fn quantile_at(
        &self,
        quantile: f64,
        buckets: &[BucketRates],
        beyond: f64,
        (place, at): (usize, Time),
        over: Duration,
    ) -> Option<Point> {
        let (mut counts, mut series) = (Vec::new(), Vec::new());
        let (mut uncounted, mut traffic) = (Uncertain::default(), None);
        for BucketRates { bound, sums, unshown } in buckets {
            let Some(count) = sums.at(place) else { continue };
            let here = self.uncounted(unshown, at, over);
            counts.push(Bucket { bound: *bound, count, first: here.first / over.as_secs_f64() });
            series.push(sums.number(place));
            if *bound == f64::INFINITY {
                (uncounted, traffic) = (here, Some(count).filter(|count| count.is_finite()));
            }
        }
        let all = series.iter().copied().max()?;
        uncounted.lost += beyond;
        let lost = uncounted.lost / over.as_secs_f64();
        // What is counted up to a bound that only some have says nothing of the others.
        let shared = counts.iter().zip(&series).filter(|(_, number)| **number == all);
        let shared: Vec<Bucket> = shared.map(|(bucket, _)| *bucket).collect();
        let facts =
            (shared.len() < counts.len()).then(|| histogram_quantile(quantile, shared, lost));
        let found = histogram_quantile(quantile, counts, lost).map(|found| match facts {
            None => found,
            Some(None) => Located { lower: f64::NEG_INFINITY, upper: f64::INFINITY, ..found },
            Some(Some(facts)) => Located {
                lower: facts.lower.min(found.value),
                upper: facts.upper.max(found.value),
                ..found
            },
        });
        Some(found.map_or_else(
            || Point { traffic, ..Point::no_number(at) },
            |Located { value, lower, upper }| Point {
                uncounted: uncounted.all(),
                traffic,
                ..Point::between(at, lower, value, upper)
            },
        ))
    }

    /// How many observations histograms say there were, up to each of some times, beyond those of
    /// their last buckets, which count them all by definition. They may belong into any bucket. One
    /// of each may be of the moment at which its page was written.
    fn in_no_bucket(&self, totals: &[Total<'_>], times: &[Time], over: Duration) -> Vec<f64> {
        let mut beyond = vec![0.0; times.len()];
        if !self.lost_counts {
            return beyond;
        }
        let rose = |one: &Counter<'_>| {
            let rates = rates(&one.series, times, over, self.semantics);
            rates.map(|rate| Some(rate? * over.as_secs_f64())).collect::<Vec<Option<f64>>>()
        };
        for Total { counter, last_bucket } in totals {
            let counted = last_bucket.as_ref().map(rose);
            for (place, rose) in rose(counter).into_iter().enumerate() {
                let Some(rose) = rose else { continue };
                let counted = counted.as_ref().and_then(|counted| counted[place]);
                beyond[place] += (rose - counted.unwrap_or_default() - 1.0).max(0.0);
            }
        }
        beyond
    }

    fn sums(&self, counters: &[Counter<'_>], times: &[Time], over: Duration) -> Sums {
        Sums::of(counters, times, over, self.semantics)
    }

    /// The increments that the rates of counters at a time may lack.
    fn uncounted(&self, unshown: &Unshown, at: Time, over: Duration) -> Uncertain {
        unshown.within(at.minus(over), at, self.lost_counts)
    }

    fn sight_until(&self, watch: Watched, at: Time) -> Option<Time> {
        self.observed.pods_watched.then(|| sight_until(self.observed, watch, at))
    }

    /// Whether a watch was connected from one time to another, both included.
    fn watched(&self, watch: Watched, from: Time, to: Time) -> bool {
        self.observed.pods_watched && !blind_between(self.observed, watch, from, to)
    }
}

/// What the buckets of one bound count.
struct BucketRates {
    bound: f64,
    sums: Sums,
    unshown: Unshown,
}

/// A ratio of two sums of rates, with what neither counts, given for both.
///
/// What was lost with a process was counted in the whole, and nobody knows how much of it in the
/// part: all of it, or nothing. A part that is not contained in the whole may have grown while
/// the whole did not.
fn ratio(
    [part, whole]: [f64; 2],
    [of_part, of_whole]: [Uncertain; 2],
    contained: bool,
    at: Time,
    over: Duration,
) -> Point {
    let lost = if contained { of_whole.lost } else { of_part.lost.max(of_whole.lost) };
    let more = (of_part.first + lost) / over.as_secs_f64();
    let others = if contained { (of_whole.first - of_part.first).max(0.0) } else { of_whole.first };
    let rest = (others + of_whole.lost) / over.as_secs_f64();
    let upper = (part + more) / if contained { whole + more } else { whole };
    let uncounted = if contained { of_whole.all() } else { of_part.all() + of_whole.all() };
    Point { uncounted, ..Point::between(at, part / (whole + rest), part / whole, upper) }
}

/// How many pods count as ready at a time.
fn ready(pods: &[&PodRow], at: Time) -> f64 {
    pods.iter().filter(|pod| counts_as_ready(pod, at)).count() as f64
}

/// The series of a selector.
pub(super) fn series<'a>(selector: &SeriesSelector, observed: &'a Observed) -> Vec<&'a Series> {
    let found = observed.raw.of_metric(&selector.metric);
    found.filter(|series| selector.matches(&series.labels)).collect()
}

fn counts(filter: &EventFilter, event: &EventRow) -> bool {
    let same = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|w| w == is);
    same(&filter.reason, &event.reason)
        && same(&filter.kind, &event.object_kind)
        && same(&filter.severity, &event.severity)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        analysis::{
            notation::{at, secs, set},
            scene::{blind, blind_to, event, pod, watched},
        },
        hypothesis::{model::Aggregate, selector::LabelSelector},
        number::Share,
        sample::SeriesSet,
    };

    fn selector(text: &str) -> SeriesSelector {
        SeriesSelector::parse(text).unwrap()
    }

    fn ratio(part: &str, whole: &str) -> IndicatorKind {
        IndicatorKind::Ratio { part: selector(part), whole: selector(whole), over: secs(30) }
    }

    fn rate_of(counter: &str) -> IndicatorKind {
        IndicatorKind::Rate { counter: selector(counter), over: secs(30) }
    }

    fn gauge(gauge: &str, aggregate: Aggregate) -> IndicatorKind {
        IndicatorKind::Gauge { gauge: selector(gauge), aggregate }
    }

    fn quantile(quantile: f64) -> IndicatorKind {
        let quantile = Share::new(quantile).unwrap();
        IndicatorKind::Quantile {
            quantile,
            histogram: selector("h{route=\"api\"}"),
            over: secs(30),
        }
    }

    fn of_series(raw: SeriesSet) -> Observed {
        Observed { raw, ..Observed::default() }
    }

    fn value_at(kind: &IndicatorKind, observed: &Observed, seconds: i64) -> Option<Point> {
        Plan::new(kind, observed, Semantics::V3, None).at(at(seconds), secs(5))
    }

    /// Samples 10 s apart; the value at 60 s.
    #[track_caller]
    fn check(kind: &IndicatorKind, rows: &[(&str, &str)], want: Option<f64>) {
        let got = value_at(kind, &of_series(set(10, rows)), 60);
        match (got.map(|point| point.value), want) {
            (Some(got), Some(want)) => {
                let same = (got - want).abs() < 1e-9 || got.is_nan() && want.is_nan();
                assert!(same, "{got} is not {want}");
            }
            (got, want) => assert_eq!(got, want),
        }
    }

    #[test]
    fn a_rate_adds_up_over_pods() {
        check(
            &rate_of("c"),
            &[("c{pod=\"a\"}", "0+10x6"), ("c{pod=\"b\"}", "50+20x6"), ("other", "0+99x6")],
            Some(3.0),
        );
    }

    #[test]
    fn a_series_with_one_sample_adds_nothing() {
        check(&rate_of("c"), &[("c{p=\"a\"}", "0+10x6"), ("c{p=\"b\"}", "_x6 9")], Some(1.0));
        check(&rate_of("c"), &[("c{p=\"b\"}", "_x6 9")], None);
    }

    #[test]
    fn a_ratio_is_a_sum_over_a_sum() {
        let rows = [
            ("r{code=\"200\",p=\"a\"}", "0+90x6"),
            ("r{code=\"500\",p=\"a\"}", "1000+10x6"),
            ("r{code=\"200\",p=\"b\"}", "0+900x6"),
        ];
        check(&ratio("r{code=~\"5..\"}", "r"), &rows, Some(0.01));
    }

    #[test]
    fn no_error_counted_yet_is_no_error() {
        check(&ratio("r{code=~\"5..\"}", "r"), &[("r{code=\"200\"}", "0+90x6")], Some(0.0));
    }

    #[test]
    fn an_error_counter_that_is_no_number_is_not_zero() {
        let rows = [("r{code=\"200\"}", "0+90x6"), ("r{code=\"500\"}", "NaNx6")];
        check(&ratio("r{code=~\"5..\"}", "r"), &rows, Some(f64::NAN));
    }

    const UP: (&str, &str) = ("up{i=\"a\"}", "1x6");

    #[test]
    fn an_error_that_is_born_with_the_fault_counts() {
        let born = ("r{code=\"503\",i=\"a\"}", "_x5 500 500");
        let rows = [UP, ("r{code=\"200\",i=\"a\"}", "0+1000x6"), born];
        // 2,000 in 20 s, and 500 more: to the right there is no gap, at the left 10 s are added
        // to the one, and to the other nothing, since it began at 0.
        let want = (500.0 / 30.0) / (3000.0 / 30.0 + 500.0 / 30.0);
        check(&ratio("r{code=~\"5..\"}", "r"), &rows, Some(want));
        // Without a page that was read before, nobody knows.
        check(&ratio("r{code=~\"5..\"}", "r"), &rows[1..], Some(0.0));
        check(&rate_of("r{code=\"503\"}"), &[UP, ("r{code=\"503\",i=\"a\"}", "_x6 9")], Some(0.3));
    }

    #[test]
    fn a_histogram_that_is_born_with_the_fault_counts() {
        let rows = [
            UP,
            ("h_bucket{le=\"0.1\",route=\"api\",code=\"200\",i=\"a\"}", "0+10x6"),
            ("h_bucket{le=\"+Inf\",route=\"api\",code=\"200\",i=\"a\"}", "0+10x6"),
            ("h_bucket{le=\"0.1\",route=\"api\",code=\"503\",i=\"a\"}", "_x6 0"),
            ("h_bucket{le=\"+Inf\",route=\"api\",code=\"503\",i=\"a\"}", "_x6 90"),
        ];
        // 90 of 120 lie beyond 0.1 s.
        let observed = of_series(set(10, &rows));
        let point = value_at(&quantile(0.5), &observed, 60).unwrap();
        assert_eq!((point.lower, point.upper), (0.1, f64::INFINITY));
    }

    /// Samples 10 s apart in a run of 150 s; least, value and most of the indicator at 90 s.
    #[track_caller]
    fn check_bounds(kind: &IndicatorKind, rows: &[(&str, &str)], want: [f64; 3]) {
        let observed = Observed { raw: set(10, rows), ..watched(Vec::new()) };
        let plan = Plan::new(kind, &observed, Semantics::V3, Some(secs(10)));
        let point = plan.at(at(90), secs(5)).unwrap();
        for (got, want) in [point.lower, point.value, point.upper].into_iter().zip(want) {
            assert!((got - want).abs() < 1e-9, "{point:?}");
        }
    }

    const STEADY: (&str, &str) = ("r{code=\"200\",p=\"a\"}", "0+100x15");

    #[test]
    fn what_a_new_target_counted_first_widens_the_bounds() {
        let errors = ratio("r{code=~\"5..\"}", "r");
        let new =
            [("r{code=\"200\",p=\"n\"}", "_x8 20x9"), ("r{code=\"500\",p=\"n\"}", "_x8 10x9")];
        let rows = [STEADY, new[0], new[1]];
        // 300 in the window, and perhaps 20 and 10 more.
        check_bounds(&errors, &rows, [0.0, 0.0, 10.0 / 310.0]);
        check_bounds(&ratio("r{code=\"200\"}", "r"), &rows, [300.0 / 310.0, 1.0, 1.0]);
        check_bounds(&rate_of("r"), &rows, [10.0, 10.0, 11.0]);
        // No error among them: then there is nothing to fear.
        check_bounds(&errors, &rows[..2], [0.0; 3]);
    }

    #[test]
    fn what_was_lost_with_a_target_may_all_have_been_errors() {
        let errors = ratio("r{code=~\"5..\"}", "r");
        // 10/s for 10 s after the last sample, beside 300 of the other target.
        let dead = ("r{code=\"200\",p=\"b\"}", "0+100x7 stale");
        let observed = Observed { raw: set(10, &[STEADY, dead]), ..watched(Vec::new()) };
        let plan = Plan::new(&errors, &observed, Semantics::V3, Some(secs(10)));
        let point = plan.at(at(90), secs(5)).unwrap();
        assert_eq!((point.lower, point.value, point.uncounted), (0.0, 0.0, 100.0));
        assert!((point.upper - 0.25).abs() < 1e-9, "{point:?}");
        assert!(plan.at(at(70), secs(5)).unwrap().uncounted <= 0.0);
        assert!(plan.without_lost().at(at(90), secs(5)).unwrap().upper <= 0.0);
    }

    #[test]
    fn a_part_of_another_metric_may_have_grown_alone() {
        let errors = ratio("errors", "r");
        let rows = [STEADY, ("errors{p=\"a\"}", "0x15"), ("errors{p=\"n\"}", "_x8 10x9")];
        check_bounds(&errors, &rows, [0.0, 0.0, 10.0 / 300.0]);
    }

    #[test]
    fn a_part_of_another_metric_that_was_not_seen_is_not_zero() {
        check(&ratio("errors", "r"), &[("r{code=\"200\"}", "0+90x6")], None);
    }

    #[test]
    fn no_traffic_is_no_number() {
        check(&ratio("r{code=\"500\"}", "r"), &[("r{code=\"200\"}", "7x6")], Some(f64::NAN));
        check(&ratio("r{code=\"500\"}", "r"), &[], None);
    }

    #[test]
    fn a_gauge_is_taken_over_the_series_that_live() {
        let rows = [("g{p=\"a\"}", "1x6"), ("g{p=\"b\"}", "4x6"), ("g{p=\"c\"}", "9 stale")];
        check(&gauge("g", Aggregate::Sum), &rows, Some(5.0));
        check(&gauge("g", Aggregate::Avg), &rows, Some(2.5));
        check(&gauge("g", Aggregate::Min), &rows, Some(1.0));
        check(&gauge("g", Aggregate::Max), &rows, Some(4.0));
        check(&gauge("g{p=\"c\"}", Aggregate::Sum), &rows, None);
    }

    #[test]
    fn the_extremes_of_gauges_skip_nan_and_sums_do_not() {
        let rows = [("g{p=\"a\"}", "NaNx6"), ("g{p=\"b\"}", "4x6")];
        check(&gauge("g", Aggregate::Max), &rows, Some(4.0));
        check(&gauge("g", Aggregate::Min), &rows, Some(4.0));
        check(&gauge("g", Aggregate::Sum), &rows, Some(f64::NAN));
        check(&gauge("g{p=\"a\"}", Aggregate::Max), &rows, Some(f64::NAN));
    }

    #[test]
    fn a_quantile_is_of_all_pods_together() {
        // Pod a is fast, pod b slow: half of all lies at most at 0.1, whatever each one's is.
        let rows = [
            ("h_bucket{le=\"0.1\",p=\"a\",route=\"api\"}", "0+100x6"),
            ("h_bucket{le=\"0.2\",p=\"a\",route=\"api\"}", "0+100x6"),
            ("h_bucket{le=\"+Inf\",p=\"a\",route=\"api\"}", "0+100x6"),
            ("h_bucket{le=\"0.10\",p=\"b\",route=\"api\"}", "0x6"),
            ("h_bucket{le=\"0.2\",p=\"b\",route=\"api\"}", "0+100x6"),
            ("h_bucket{le=\"+Inf\",p=\"b\",route=\"api\"}", "0+100x6"),
            ("h_bucket{le=\"0.1\",p=\"a\",route=\"other\"}", "0+9999x6"),
            ("h_bucket{le=\"broken\",p=\"a\",route=\"api\"}", "0+9999x6"),
        ];
        let observed = of_series(set(10, &rows));
        let point = value_at(&quantile(0.75), &observed, 60).unwrap();
        assert!((point.value - 0.15).abs() < 1e-9, "{point:?}");
        assert_eq!((point.lower, point.upper), (0.1, 0.2));
        let point = value_at(&quantile(0.5), &observed, 60).unwrap();
        assert_eq!((point.lower, point.upper), (0.0, 0.1));
    }

    #[test]
    fn a_quantile_without_traffic_is_no_number_and_without_series_no_point() {
        let rows = [
            ("h_bucket{le=\"0.1\",route=\"api\"}", "7x6"),
            ("h_bucket{le=\"+Inf\",route=\"api\"}", "7x6"),
        ];
        check(&quantile(0.5), &rows, Some(f64::NAN));
        check(&quantile(0.5), &[], None);
    }

    #[test]
    fn promql_is_for_a_server() {
        check(&IndicatorKind::PromQl("up".to_owned()), &[("up", "1x6")], None);
    }

    fn ready() -> IndicatorKind {
        IndicatorKind::PodsReady { selector: LabelSelector::parse("app=api").unwrap() }
    }

    #[test]
    fn a_pod_is_ready_until_its_end_is_asked_for() {
        let mut dying = pod("b").ready(0);
        dying.deletion_asked_at = Some(at(20));
        let pods = vec![pod("a").ready(10), dying, pod("c").app("other").ready(0)];
        let observed = Observed { pods, pods_watched: true, ..Observed::default() };
        let count = |seconds| value_at(&ready(), &observed, seconds).map(|point| point.value);
        assert_eq!(
            [count(9), count(10), count(19), count(20)],
            [Some(1.0), Some(2.0), Some(2.0), Some(1.0)]
        );
    }

    #[test]
    fn nobody_watching_is_not_nobody_ready() {
        let mut observed = Observed { pods_watched: false, ..Observed::default() };
        assert_eq!(value_at(&ready(), &observed, 10), None);
        observed.pods_watched = true;
        observed.blind = vec![blind(10, 20)];
        let seen = |seconds| value_at(&ready(), &observed, seconds).is_some();
        assert_eq!([seen(9), seen(10), seen(19), seen(20)], [true, false, false, true]);
        // Whoever may not list events may well list pods.
        observed.blind = vec![blind_to(Watched::Events, 0, 99)];
        assert!(value_at(&ready(), &observed, 10).is_some());
    }

    #[test]
    fn a_bound_that_only_some_pods_have_says_nothing_of_the_others() {
        // The half of 40 lies above 0.5 s; one pod has no bucket beyond that.
        let rows = [
            ("h_bucket{i=\"a\",route=\"api\",le=\"0.5\"}", "0+10x9"),
            ("h_bucket{i=\"a\",route=\"api\",le=\"1\"}", "0+12x9"),
            ("h_bucket{i=\"a\",route=\"api\",le=\"+Inf\"}", "0+20x9"),
            ("h_bucket{i=\"b\",route=\"api\",le=\"0.5\"}", "0+5x9"),
            ("h_bucket{i=\"b\",route=\"api\",le=\"+Inf\"}", "0+20x9"),
        ];
        let point = value_at(&quantile(0.5), &of_series(set(10, &rows)), 60).unwrap();
        assert_eq!((point.lower, point.upper), (0.5, f64::INFINITY));
    }

    #[test]
    fn a_part_that_cannot_be_read_is_no_zero() {
        let kind = ratio("r{code=\"500\"}", "r");
        let ok = ("r{code=\"200\"}", "0+10x9");
        let broken = [ok, ("r{code=\"500\"}", "NaNx9")];
        assert!(value_at(&kind, &of_series(set(10, &broken)), 60).unwrap().value.is_nan());
        // Nor is a part of what has no end.
        let endless = [("r{code=\"200\"}", "0+10x4 Infx5"), ("r{code=\"500\"}", "0+1x9")];
        assert!(value_at(&kind, &of_series(set(10, &endless)), 60).unwrap().value.is_nan());
    }

    #[test]
    fn events_are_counted_in_the_step_before() {
        let filter = EventFilter { reason: Some("Killing".to_owned()), ..EventFilter::default() };
        let kind = IndicatorKind::EventCount { filter };
        let events = vec![
            event("Killing", 5, 2),
            event("Killing", 6, 1),
            event("Pulled", 7, 9),
            event("Killing", 10, 3),
        ];
        let mut observed = Observed { events, pods_watched: true, ..Observed::default() };
        let count = |observed: &Observed| value_at(&kind, observed, 10).map(|point| point.value);
        assert_eq!(count(&observed), Some(4.0));
        observed.blind = vec![blind_to(Watched::Events, 2, 6)];
        assert_eq!(count(&observed), None);
        observed.blind = vec![blind_to(Watched::Events, 2, 5), blind(0, 99)];
        assert_eq!(count(&observed), Some(4.0));
    }

    /// Samples 10 s apart; up to when the indicator was seen, asked at 60 s.
    #[track_caller]
    fn check_seen(kind: &IndicatorKind, rows: &[(&str, &str)], want: Option<i64>) {
        let observed = of_series(set(10, rows));
        let got = Plan::new(kind, &observed, Semantics::V3, None).seen_until(at(60));
        assert_eq!(got, want.map(at));
    }

    #[test]
    fn an_indicator_was_seen_until_its_newest_sample() {
        let sum = gauge("g", Aggregate::Sum);
        check_seen(&sum, &[("g", "1x6")], Some(60));
        // A lookback would carry the value on for five minutes.
        check_seen(&sum, &[("g", "1x2")], Some(20));
        check_seen(&sum, &[("other", "1x6")], None);
        check_seen(&rate_of("c"), &[("c", "0+10x6 70")], Some(60));
        let buckets = [
            ("h_bucket{le=\"0.1\",route=\"api\"}", "0+1x4"),
            ("h_bucket{le=\"+Inf\",route=\"api\"}", "0+1x4"),
        ];
        check_seen(&quantile(0.5), &buckets, Some(40));
        check_seen(&IndicatorKind::PromQl("up".to_owned()), &[("up", "1x6")], None);
    }

    #[test]
    fn one_series_that_is_seen_is_enough() {
        let rows = [("g{p=\"a\"}", "1x1"), ("g{p=\"b\"}", "1x5"), ("g{p=\"c\"}", "1 stale")];
        check_seen(&gauge("g", Aggregate::Sum), &rows, Some(50));
    }

    #[test]
    fn the_end_of_a_series_is_no_sample_and_no_number_is_one() {
        check_seen(&gauge("g", Aggregate::Sum), &[("g", "1x2 stale")], Some(20));
        check_seen(&gauge("g", Aggregate::Sum), &[("g", "stale")], None);
        check_seen(&gauge("g", Aggregate::Sum), &[("g", "1x2 NaNx2")], Some(50));
    }

    #[test]
    fn a_ratio_needs_its_whole_and_a_part_of_its_own_metric_may_be_silent() {
        let rows = [("r{code=\"200\"}", "0+1x6"), ("r{code=\"500\"}", "0+1x1")];
        check_seen(&ratio("r{code=\"500\"}", "r"), &rows, Some(60));
        let rows = [("r", "0+1x6"), ("errors", "0+1x3")];
        check_seen(&ratio("errors", "r"), &rows, Some(30));
        check_seen(&ratio("errors", "r"), &rows[..1], None);
    }

    #[test]
    fn pods_and_events_are_seen_while_they_are_watched() {
        let event_count = IndicatorKind::EventCount { filter: EventFilter::default() };
        for (kind, watch) in [(ready(), Watched::Pods), (event_count, Watched::Events)] {
            let seen = |observed: &Observed| {
                Plan::new(&kind, observed, Semantics::V3, None).seen_until(at(60))
            };
            let mut observed = Observed { pods_watched: true, ..Observed::default() };
            assert_eq!(seen(&observed), Some(at(60)));
            // Blind once, then again from 50 s and from 40 s on, to no end yet.
            let blind = |from, to| blind_to(watch, from, to);
            observed.blind = vec![blind(5, 10), blind(50, 99), blind(40, 99)];
            assert_eq!(seen(&observed), Some(at(40)));
            observed.pods_watched = false;
            assert_eq!(seen(&observed), None);
        }
    }

    proptest! {
        #[test]
        fn a_counter_split_across_pods_adds_up_to_itself(
            steps in prop::collection::vec((0.0..50.0_f64, 0.0..50.0_f64), 3..30),
        ) {
            let mut raw = SeriesSet::default();
            let (mut a, mut b) = (1000.0, 1000.0);
            for (n, (up_a, up_b)) in (0_i64..).zip(&steps) {
                a += up_a;
                b += up_b;
                raw.push(&crate::analysis::notation::labels("c{p=\"a\"}"), at(n), a);
                raw.push(&crate::analysis::notation::labels("c{p=\"b\"}"), at(n), b);
                raw.push(&crate::analysis::notation::labels("whole"), at(n), a + b);
            }
            let observed = of_series(raw);
            let end = steps.len() as i64;
            let split = value_at(&rate_of("c"), &observed, end).map(|point| point.value);
            let whole = value_at(&rate_of("whole"), &observed, end).map(|point| point.value);
            match (split, whole) {
                (Some(split), Some(whole)) => prop_assert!((split - whole).abs() < 1e-6),
                (split, whole) => prop_assert_eq!(split, whole),
            }
        }
    }
}
