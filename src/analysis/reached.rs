//! Whether an indicator reached a level during the fault, and not before it.

use super::{PhaseTrack, Track, words};
use crate::{
    frame::Observed,
    hypothesis::{
        Hypothesis,
        model::{Indicator, Level, Since},
    },
    number::Unit,
    sample::{Bounds, Point},
    time::Time,
    window::Phase,
};

/// Whether an indicator reached a level at some point of *during*.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reached {
    /// It did, here first.
    Yes(Point),
    /// It did, but it was there before the fault already, here first.
    Already(Point),
    /// It was seen often enough, and did not; this came nearest.
    No(Point),
    /// It cannot be told, for this reason.
    Unknown(String),
}

/// Whether an indicator reached a level at some point of *during*.
///
/// A point counts only if all it can have been lies at the level: both bounds of a quantile's
/// bucket. A point whose bounds disagree says neither yes nor no, and is a gap like any other.
/// When no point counts and more than half of the grid are gaps, it cannot be told.
///
/// What was at the level before the fault says nothing of the fault, unless it may have been there
/// since *before*. A single point of *before* at the level is enough; with none, *before* must
/// have been seen as *during* must, or it cannot be told.
///
/// Since the fault, no point before `alone` counts: its window may speak of what was before.
pub(super) fn reached(
    track: &Track,
    level: Level,
    since: Since,
    unit: &Unit,
    alone: Option<Time>,
) -> Reached {
    let alone = alone.filter(|_| since == Since::Fault);
    let found = in_phase(track, Phase::During, level, unit, alone);
    match (&found, since) {
        (Reached::Yes(_), Since::Fault) => {
            match in_phase(track, Phase::Before, level, unit, None) {
                Reached::Yes(point) => Reached::Already(point),
                Reached::Unknown(why) => {
                    Reached::Unknown(format!("it was reached, but perhaps before, too: {why}"))
                }
                Reached::No(_) | Reached::Already(_) => found,
            }
        }
        (Reached::Yes(_), Since::Before)
        | (Reached::No(_) | Reached::Already(_) | Reached::Unknown(_), _) => found,
    }
}

/// From when on the windows of an indicator speak of the fault: they may reach back before the
/// injection by one step, so that a burst right after it, which may lie between two samples, is in
/// one of them.
pub(super) fn alone(
    hypothesis: &Hypothesis,
    observed: &Observed,
    indicator: &Indicator,
) -> Option<Time> {
    let reaches = indicator.over().saturating_sub(hypothesis.phases.step);
    observed.injected_at.map(|at| at.plus(reaches))
}

/// The same in one phase, whatever was in the others.
fn in_phase(track: &Track, phase: Phase, level: Level, unit: &Unit, from: Option<Time>) -> Reached {
    let Some(part) = track.phase(phase) else {
        return Reached::Unknown(format!("the run did not reach *{phase}*"));
    };
    let mut part = part.clone();
    part.grid.retain(|(time, _)| from.is_none_or(|from| *time >= from));
    let part = &part;
    let mut outside = Vec::new();
    for point in part.grid.iter().filter_map(|(_, point)| *point) {
        if let Some(seen) = seen_at(&point, level) {
            return Reached::Yes(Point::exact(point.time, seen));
        }
        match holds(&point, level) {
            Some(true) => return Reached::Yes(point),
            Some(false) => outside.push(point),
            None => {}
        }
    }
    let gaps = part.grid.len() - outside.len();
    let nearest = outside.iter().min_by(|a, b| beyond(a, level).total_cmp(&beyond(b, level)));
    match nearest {
        Some(point) if gaps * 2 <= part.grid.len() => Reached::No(*point),
        Some(_) | None => Reached::Unknown(untold(part, gaps, level, unit)),
    }
}

/// What was seen at a level from a point up to the next, where that is more than its value.
fn seen_at(point: &Point, level: Level) -> Option<f64> {
    if point.bounds == Bounds::Possible && !point.value.is_nan() {
        return None;
    }
    let (least, most) = point.certain();
    let certain = match level {
        Level::Above(_) => [most; 2],
        Level::Below(_) => [least; 2],
        Level::Between(..) if point.value.is_nan() => return None,
        Level::Between(..) => [least, most],
    };
    [point.value].into_iter().chain(certain).find(|value| level.holds(*value))
}

/// Whether all that a point can have been is at a level, or nothing of it; none when it can be
/// either, or when there is no number.
fn holds(point: &Point, level: Level) -> Option<bool> {
    if point.value.is_nan() {
        return None;
    }
    if point.bounds == Bounds::Seen {
        // What was seen there is told by `seen_at`.
        return Some(false);
    }
    let around = match level {
        Level::Between(low, high) => point.lower < low.get() && high.get() < point.upper,
        Level::Below(_) | Level::Above(_) => false,
    };
    let (lower, upper) = (level.holds(point.lower), level.holds(point.upper));
    (lower == upper && !around).then_some(lower)
}

/// How far a point is from a level that it is not at.
fn beyond(point: &Point, level: Level) -> f64 {
    match level {
        Level::Below(bound) => point.value - bound.get(),
        Level::Above(bound) => bound.get() - point.value,
        Level::Between(low, high) => (low.get() - point.value).max(point.value - high.get()),
    }
}

fn untold(part: &PhaseTrack, gaps: usize, level: Level, unit: &Unit) -> String {
    let phase = part.phase;
    if part.n() == 0 {
        return format!("no number in *{phase}*");
    }
    let level = words::level(level, unit);
    format!("{gaps} of {} points of *{phase}* cannot say whether it was {level}", part.grid.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analysis::notation::{at, secs, values},
        number::Finite,
    };

    fn track(points: Vec<Option<Point>>) -> Track {
        let grid = (0..).map(|n| at(n * 5)).zip(points).collect();
        let during =
            PhaseTrack { phase: Phase::During, grid, step: secs(5), summary: None, traffic: None };
        Track { points: Vec::new(), phases: vec![during], unseen: None, doubts: Vec::new() }
    }

    fn above(bound: f64) -> Level {
        Level::Above(Finite::new(bound).unwrap())
    }

    #[track_caller]
    fn check(text: &str, level: Level, want: &str) {
        check_points(points(text), level, want);
    }

    #[track_caller]
    fn check_points(points: Vec<Option<Point>>, level: Level, want: &str) {
        let got = said(reached(&track(points), level, Since::Before, &Unit::None, None));
        assert_eq!(got, want);
    }

    fn said(reached: Reached) -> String {
        match reached {
            Reached::Yes(point) => format!("yes {}", point.value),
            Reached::Already(point) => format!("already {}", point.value),
            Reached::No(point) => format!("no {}", point.value),
            Reached::Unknown(why) => why,
        }
    }

    /// What *before* and *during* say together, of a level above 8.
    #[track_caller]
    fn check_since_fault(before: Vec<Option<Point>>, during: &str, want: &str) {
        let mut track = track(points(during));
        let grid = (0..).map(|n| at(n * 5 - 100)).zip(before).collect();
        let before =
            PhaseTrack { phase: Phase::Before, grid, step: secs(5), summary: None, traffic: None };
        track.phases.insert(0, before);
        assert_eq!(said(reached(&track, above(8.0), Since::Fault, &Unit::None, None)), want);
        let since_before = reached(&track, above(8.0), Since::Before, &Unit::None, None);
        assert_eq!(since_before, in_phase(&track, Phase::During, above(8.0), &Unit::None, None));
    }

    fn points(text: &str) -> Vec<Option<Point>> {
        let points = values(text).into_iter().zip(0..);
        points.map(|(v, n)| v.map(|v| Point::exact(at(n * 5), v))).collect()
    }

    #[test]
    fn a_level_that_is_reached_with_the_fault_is_a_change() {
        check_since_fault(points("1 2 7"), "1 9 1", "yes 9");
        check_since_fault(points("1 2 7"), "1 7 1", "no 7");
    }

    #[test]
    fn what_was_there_before_the_fault_says_nothing_of_it() {
        check_since_fault(points("9 9 9"), "9 9 9", "already 9");
        check_since_fault(points("1 8 1"), "1 9 1", "already 8");
        // It was never reached in *during*: that is the answer, whatever was before.
        check_since_fault(points("9 9 9"), "1 1 1", "no 1");
    }

    #[test]
    fn a_before_that_was_not_seen_shows_no_change() {
        let perhaps = "it was reached, but perhaps before, too: ";
        check_since_fault(points("_ NaN _"), "9", &format!("{perhaps}no number in *before*"));
        let half = "2 of 3 points of *before* cannot say whether it was at least 8";
        check_since_fault(points("1 _ NaN"), "9", &format!("{perhaps}{half}"));
        let around = Point::between(at(0), 7.0, 8.5, 9.0);
        let one = "1 of 1 points of *before* cannot say whether it was at least 8";
        check_since_fault(vec![Some(around)], "9", &format!("{perhaps}{one}"));
        let track = track(points("9"));
        let got = said(reached(&track, above(8.0), Since::Fault, &Unit::None, None));
        assert_eq!(got, format!("{perhaps}the run did not reach *before*"));
    }

    #[test]
    fn a_window_that_reaches_back_before_the_fault_is_no_evidence_of_it() {
        let mut track = track(points("9 9 1 1"));
        let grid = (0..3).map(|n| (at(n * 5 - 100), Some(Point::exact(at(n * 5 - 100), 1.0))));
        let step = secs(5);
        let before = PhaseTrack {
            phase: Phase::Before,
            grid: grid.collect(),
            step,
            summary: None,
            traffic: None,
        };
        track.phases.insert(0, before);
        let asked = |since, alone| said(reached(&track, above(8.0), since, &Unit::None, alone));
        assert_eq!(asked(Since::Fault, Some(at(10))), "no 1");
        assert_eq!(asked(Since::Fault, Some(at(5))), "yes 9");
        assert_eq!(asked(Since::Before, Some(at(10))), "yes 9");
    }

    #[test]
    fn one_point_at_the_level_is_enough() {
        check("1 9 1", above(8.0), "yes 9");
        check("_ _ _ _ 9", above(8.0), "yes 9");
    }

    #[test]
    fn exactly_the_level_is_reached() {
        check("1 8 1", above(8.0), "yes 8");
        check("1 9 7", Level::Below(Finite::new(1.0).unwrap()), "yes 1");
    }

    #[test]
    fn never_there_is_no() {
        check("1 7 2", above(8.0), "no 7");
        let band = Level::Between(Finite::new(3.0).unwrap(), Finite::new(4.0).unwrap());
        check("1 6 5", band, "no 5");
    }

    #[test]
    fn half_missing_is_still_no_and_more_is_unknown() {
        check("1 _ 2 NaN", above(8.0), "no 2");
        check(
            "1 _ _ NaN",
            above(8.0),
            "3 of 4 points of *during* cannot say whether it was at least 8",
        );
        check("_ NaN", above(8.0), "no number in *during*");
        check("", above(8.0), "no number in *during*");
    }

    #[test]
    fn a_bucket_around_the_level_says_nothing() {
        let point = |lower, upper| Some(Point::between(at(0), lower, 8.5, upper));
        check_points(vec![point(8.0, 9.0)], above(8.0), "yes 8.5");
        check_points(
            vec![point(7.0, 9.0)],
            above(8.0),
            "1 of 1 points of *during* cannot say whether it was at least 8",
        );
        let band = Level::Between(Finite::new(8.0).unwrap(), Finite::new(8.1).unwrap());
        check_points(
            vec![point(7.0, 9.0)],
            band,
            "1 of 1 points of *during* cannot say whether it was from 8 to 8.1",
        );
    }

    #[test]
    fn before_the_fault_nothing_can_be_told() {
        let track =
            Track { points: Vec::new(), phases: Vec::new(), unseen: None, doubts: Vec::new() };
        let got = reached(&track, above(1.0), Since::Fault, &Unit::None, None);
        assert_eq!(got, Reached::Unknown("the run did not reach *during*".to_owned()));
    }
}
