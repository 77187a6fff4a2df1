//! Indicators over the whole run, laid on the grid of each phase.

use std::time::Duration;

use super::{
    PhaseTrack, Track,
    cadence::interval,
    doubt::doubts,
    indicator::{Plan, series},
    semantics::Semantics,
    summary::summaries,
    traffic::traffic,
    unseen::unseen,
};
use crate::{
    frame::Observed,
    hypothesis::{
        Hypothesis,
        model::{Indicator, IndicatorKind},
    },
    sample::{Point, Series},
    time::Time,
    window::Phase,
};

/// One track for each indicator, in the order of the hypothesis.
pub(super) fn tracks(hypothesis: &Hypothesis, observed: &Observed) -> Vec<Track> {
    let step = hypothesis.phases.step;
    let times = grid(observed, step);
    let mut tracks: Vec<Track> = hypothesis
        .indicators
        .iter()
        .map(|indicator| {
            let interval = interval(&hypothesis.sources, indicator, observed);
            let plan = Plan::of(indicator, observed, interval, step);
            let counts = |at: Time| is_alive(indicator, observed, at);
            let fresh = freshness(&plan, &times, interval);
            let asked: Vec<Time> = times
                .iter()
                .zip(fresh)
                .filter(|(at, fresh)| *fresh && counts(**at))
                .map(|(at, _)| *at)
                .collect();
            let mut found = asked.iter().copied().zip(plan.points(&asked, step)).peekable();
            let points = times.iter().filter_map(|at| {
                let point = found.next_if(|(asked, _)| asked == at).and_then(|(_, point)| point);
                plan.widened(*at, point, observed.phases.stretch(*at, step), &counts)
            });
            let points: Vec<Point> = points.collect();
            let phases = Phase::ALL.into_iter();
            let phases = phases.filter(|phase| observed.phases.window(*phase).is_some());
            let phases = phases.map(|phase| PhaseTrack {
                traffic: observed.phases.window(phase).and_then(|all| traffic(&plan, all)),
                ..lay(indicator, &points, phase, observed, step)
            });
            Track {
                phases: phases.collect(),
                unseen: interval.and_then(|_| unseen(&plan, observed)),
                doubts: doubts(indicator, observed),
                points,
            }
        })
        .collect();

    let parts = tracks.iter().flat_map(|track| &track.phases);
    let summaries = summaries(
        parts.map(|part| part.grid.iter().filter_map(|(_, point)| point.map(|point| point.value))),
    );
    let parts = tracks.iter_mut().flat_map(|track| &mut track.phases);
    for (part, summary) in parts.zip(summaries) {
        part.summary = summary;
    }
    tracks
}

/// A point whose newest sample is older than so many scrape intervals says nothing of its time: a
/// window or a lookback carries a value on long after the last sample. One interval is what passes
/// between two samples, and the other is that of a scrape that is late or fails once.
pub(super) const FRESH_FOR: u32 = 2;

/// Whether an indicator was seen shortly before each of some times in order; always where nothing
/// is known of scrapes.
fn freshness(plan: &Plan<'_>, times: &[Time], interval: Option<Duration>) -> Vec<bool> {
    let Some(interval) = interval else { return vec![true; times.len()] };
    let seen = plan.seen_until_each(times).into_iter();
    let fresh = |(seen, at): (Option<Time>, &Time)| {
        seen.is_some_and(|seen| seen.plus(interval * FRESH_FOR) >= *at)
    };
    seen.zip(times).map(fresh).collect()
}

/// Whether an indicator is measured at a time, as far as its file says how to know: each series of
/// `alive` that is there is above 0, and there is one.
pub(super) fn is_alive(indicator: &Indicator, observed: &Observed, at: Time) -> bool {
    let Some(alive) = &indicator.alive else { return true };
    let now = |series: &Series| Semantics::default().instant(series, at);
    let values: Vec<f64> = series(alive, observed).into_iter().filter_map(now).collect();
    !values.is_empty() && values.iter().all(|value| *value > 0.0)
}

/// The times of the grid over the whole run, whatever their phase.
fn grid(observed: &Observed, step: Duration) -> Vec<Time> {
    let Some(whole) = observed.phases.whole() else { return Vec::new() };
    let step = step.max(Duration::from_millis(1));
    let times = std::iter::successors(Some(whole.start.ceil_to(step)), |at| Some(at.plus(step)));
    times.take_while(|at| *at < whole.end).collect()
}

/// The points of an indicator on the grid of one phase.
fn lay(
    indicator: &Indicator,
    points: &[Point],
    phase: Phase,
    observed: &Observed,
    step: Duration,
) -> PhaseTrack {
    let found = |at: Time| {
        points.binary_search_by_key(&at, |point| point.time).ok().map(|place| points[place])
    };
    // An event is counted in the step before its point: that is its window.
    let over = match indicator.kind {
        IndicatorKind::EventCount { .. } => step,
        IndicatorKind::Quantile { .. }
        | IndicatorKind::Ratio { .. }
        | IndicatorKind::Rate { .. }
        | IndicatorKind::Gauge { .. }
        | IndicatorKind::PodsReady { .. }
        | IndicatorKind::PromQl(_) => indicator.over(),
    };
    let times = observed.phases.grid(phase, over, step);
    let grid = times.into_iter().map(|at| (at, found(at))).collect();
    PhaseTrack { phase, grid, step, summary: None, traffic: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analysis::{
            notation::{at, secs, set},
            scene::{event, hypothesis, watched},
        },
        hypothesis::{
            model::{Aggregate, EventFilter, IndicatorKind},
            selector::SeriesSelector,
        },
    };

    fn gauge(metric: &str) -> IndicatorKind {
        let gauge = SeriesSelector::parse(metric).unwrap();
        IndicatorKind::Gauge { gauge, aggregate: Aggregate::Sum }
    }

    fn rate(metric: &str) -> IndicatorKind {
        IndicatorKind::Rate { counter: SeriesSelector::parse(metric).unwrap(), over: secs(20) }
    }

    fn observed(rows: &[(&str, &str)]) -> Observed {
        Observed { raw: set(5, rows), ..watched(Vec::new()) }
    }

    #[test]
    fn an_instant_is_summed_up_phase_by_phase() {
        let observed = observed(&[("g", "1x11 5x5 2x11"), ("h", "_")]);
        let tracks = tracks(&hypothesis(vec![gauge("g"), gauge("h")]), &observed);
        assert_eq!(tracks[0].points.len(), 30);
        let sizes: Vec<usize> = tracks[0].phases.iter().map(|part| part.grid.len()).collect();
        assert_eq!(sizes, [12, 6, 12]);
        let medians: Vec<f64> =
            tracks[0].phases.iter().map(|part| part.summary.unwrap().median).collect();
        assert_eq!(medians, [1.0, 5.0, 2.0]);
        assert!(tracks[1].phases.iter().all(|part| part.summary.is_none() && part.n() == 0));
    }

    #[test]
    fn a_window_that_touches_the_fault_is_during() {
        let observed = observed(&[("c", "0+5x30")]);
        let track = &tracks(&hypothesis(vec![rate("c")]), &observed)[0];
        let ends = |phase| {
            let grid = &track.phase(phase).unwrap().grid;
            (grid[0].0, grid[grid.len() - 1].0)
        };
        assert_eq!(ends(Phase::Before), (at(20), at(55)));
        assert_eq!(ends(Phase::During), (at(60), at(105)));
        assert_eq!(ends(Phase::After), (at(110), at(145)));
        assert_eq!(track.phase(Phase::Before).unwrap().n(), 8);
    }

    #[test]
    fn a_gap_is_none_and_no_traffic_is_nan() {
        let part = SeriesSelector::parse("c{e=\"1\"}").unwrap();
        let whole = SeriesSelector::parse("c").unwrap();
        let kind = IndicatorKind::Ratio { part, whole, over: secs(20) };
        let observed = observed(&[("c", "0x12 _x18")]);
        let track = &tracks(&hypothesis(vec![kind]), &observed)[0];
        let before = track.phase(Phase::Before).unwrap();
        assert!(before.grid.iter().all(|(_, point)| point.is_some_and(|p| p.value.is_nan())));
        let after = track.phase(Phase::After).unwrap();
        assert!(after.grid.iter().all(|(_, point)| point.is_none()));
        assert_eq!((before.summary, after.summary), (None, None));
    }

    #[test]
    fn an_event_belongs_to_the_phase_that_it_happened_in() {
        let kind = IndicatorKind::EventCount { filter: EventFilter::default() };
        for (seconds, want) in [(52, [1, 0, 0]), (88, [0, 1, 0]), (96, [0, 0, 1])] {
            let mut observed = watched(Vec::new());
            observed.events = vec![event("OOMKilling", seconds, 1)];
            let track = &tracks(&hypothesis(vec![kind.clone()]), &observed)[0];
            let total = |phase| {
                let numbers = track.phase(phase).unwrap().numbers();
                numbers.map(|point| point.value as usize).sum::<usize>()
            };
            assert_eq!([Phase::Before, Phase::During, Phase::After].map(total), want, "{seconds}");
        }
    }

    #[test]
    fn a_value_that_is_carried_on_without_a_sample_is_a_gap() {
        let observed = observed(&[("g", "1x11 _x8 1x11"), ("c", "0+5x11 _x8 60+5x11")]);
        for kind in [gauge("g"), rate("c")] {
            let mut hypothesis = hypothesis(vec![kind]);
            hypothesis.phases.step = secs(1);
            let track = &tracks(&hypothesis, &observed)[0];
            let seen = |second: i64| track.points.iter().any(|point| point.time == at(second));
            let interval = hypothesis.sources.scrape_interval().unwrap().as_secs() as i64;
            assert_eq!([55, 55 + 2 * interval, 56 + 2 * interval].map(seen), [true, true, false]);
        }
    }

    #[test]
    fn a_run_that_only_began_has_only_its_first_phase() {
        let mut observed = observed(&[("g", "1x11")]);
        observed.phases.during = None;
        observed.phases.after = None;
        let track = &tracks(&hypothesis(vec![gauge("g")]), &observed)[0];
        assert_eq!(track.phases.len(), 1);
        assert_eq!(track.phase(Phase::Before).unwrap().n(), 12);
    }

    #[test]
    fn a_run_that_has_not_begun_has_nothing() {
        let tracks = tracks(&hypothesis(vec![gauge("g"), rate("c")]), &Observed::default());
        assert!(tracks.iter().all(|track| track.points.is_empty() && track.phases.is_empty()));
    }
}
