//! `recovers`: the indicator is back at a level, and stays, within a time from the injection.

use std::time::Duration;

use super::{
    CheckVerdict, Gap, Interval, Measured, Outcome, Recovery,
    level::{self, Seen},
    place::Place,
    shape::Shape,
    tally::Tally,
};
use crate::{
    analysis::{PhaseTrack, Track},
    hypothesis::model::{GapAllowance, Level},
    margin,
    number::Unit,
    sample::Point,
    time::Time,
    window::Phase,
};

/// The terms of an objective `Recovers`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Terms {
    /// The level.
    pub(super) level: Level,
    /// The time allowed.
    pub(super) allowed: Duration,
    /// How much may be missing.
    pub(super) gaps: GapAllowance,
}

/// Judges the recovery over all points from the injection to the end of *after*.
pub(super) fn judge(
    check_id: &str,
    unit: &Unit,
    track: &Track,
    injected_at: Option<Time>,
    terms: &Terms,
) -> CheckVerdict {
    let mut verdict = CheckVerdict::open(check_id, Phase::After);
    let Some(injected_at) = injected_at else { return verdict.untold(Gap::NothingInjected) };
    let parts = [Phase::During, Phase::After].into_iter().filter_map(|phase| track.phase(phase));
    let parts: Vec<Part> = parts.map(|part| Part::from(part, injected_at, terms.level)).collect();
    let Some(step) = parts.first().map(|part| part.step) else {
        return verdict.untold(Gap::PhaseNotReached(Phase::During));
    };
    let grid: Vec<(Time, Option<Point>)> = parts.iter().flat_map(|p| p.grid.clone()).collect();
    let places: Vec<Place> = parts.iter().flat_map(|part| part.places.clone()).collect();
    let tally = Tally::of(&places);
    (verdict.grid, verdict.n) = (tally.grid, tally.numbers());
    if let Some(gap) = tally.nothing_to_judge(Phase::After) {
        return verdict.untold(gap);
    }
    verdict.median =
        track.phase(Phase::After).and_then(|part| part.summary).map(|summary| summary.median);
    let at_once: Vec<Place> = parts.iter().flat_map(|part| part.at_once.clone()).collect();
    Shape::of(terms.level, &grid, &places, &at_once, step).note(&mut verdict);

    let course = Course::of(&turns(&parts, injected_at), injected_at);
    course.note(terms.allowed, &mut verdict);
    if course.last_outside.is_some_and(|last| last >= terms.allowed) {
        verdict.outcome = Outcome::Fail;
        return verdict;
    }
    if track.phase(Phase::After).is_none() {
        verdict.gaps.push(Gap::PhaseNotReached(Phase::After));
    }
    if !tally.missing_allowed(terms.gaps) {
        verdict.gaps.extend(parts.iter().filter_map(Part::missing));
    }
    let in_time = |back: Option<Duration>| back.is_some_and(|back| back <= terms.allowed);
    if !in_time(course.back) {
        let numbers: Vec<Point> = grid.iter().filter_map(|(_, point)| *point).collect();
        let straddling = level::straddling(terms.level, unit, &numbers);
        if in_time(course.back_unless_straddling) && !straddling.is_empty() {
            verdict.gaps.extend(straddling);
        } else if course.back.is_none() && course.watched < terms.allowed {
            let watched = course.watched;
            verdict.gaps.push(Gap::NotWatchedLongEnough { watched, allowed: terms.allowed });
        } else {
            verdict.gaps.push(Gap::RecoveryStraddles);
        }
    }
    if verdict.gaps.is_empty() {
        verdict.outcome = Outcome::Pass;
    }
    verdict
}

/// The points of one phase that are not before the injection.
struct Part {
    phase: Phase,
    step: Duration,
    /// Each by the worst that was seen up to the next.
    grid: Vec<(Time, Option<Point>)>,
    places: Vec<Place>,
    /// Where it was at the time of each point itself.
    at_once: Vec<Place>,
}

/// When it was where, as far as it is known, for the time of a recovery.
///
/// What was seen outside between a point and the next says that it took longer than to that point.
/// The first point of a phase stands for what is before it as well: there, it took longer than to
/// the point before, and the next one tells when it was back.
fn turns(parts: &[Part], injected_at: Time) -> Vec<(Time, Place)> {
    let mut turns: Vec<(Time, Place)> = Vec::new();
    for part in parts {
        for (place, (time, _)) in part.grid.iter().enumerate() {
            let (worst, at_once) = (part.places[place], part.at_once[place]);
            if place > 0 || worst == at_once || worst != Place::Outside {
                turns.push((*time, worst));
                continue;
            }
            match turns.last_mut() {
                Some((_, before)) => *before = Place::Outside,
                None => turns.push((injected_at, Place::Outside)),
            }
            turns.push((*time, Place::NoNumber));
        }
    }
    turns
}

impl Part {
    fn from(part: &PhaseTrack, injected_at: Time, level: Level) -> Self {
        let since = part.grid.iter().filter(|(time, _)| *time >= injected_at);
        let Seen { grid, places, places_at_once: at_once, .. } = Seen::of(level, since);
        Self { phase: part.phase, step: part.step, grid, places, at_once }
    }

    /// What is missing of it, if anything is.
    fn missing(&self) -> Option<Gap> {
        let tally = Tally::of(&self.places);
        (tally.missing() > 0).then(|| tally.too_many_missing(self.phase))
    }
}

/// How a recovery went, as times from the injection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Course {
    /// The last point that was outside for certain.
    last_outside: Option<Duration>,
    /// The first point inside after which none is outside and none may be; zero when none ever
    /// was; none when no such point was seen.
    back: Option<Duration>,
    /// The same, if every point that straddles was inside.
    back_unless_straddling: Option<Duration>,
    /// The last point of the grid.
    watched: Duration,
}

impl Course {
    fn of(turns: &[(Time, Place)], injected_at: Time) -> Self {
        let at = |place: usize| turns[place].0.since(injected_at);
        let last = |such: fn(Place) -> bool| turns.iter().rposition(|(_, place)| such(*place));
        let back = |bad: Option<usize>, good: fn(Place) -> bool| match bad {
            None => Some(Duration::ZERO),
            Some(bad) => (bad + 1..turns.len()).find(|next| good(turns[*next].1)).map(at),
        };
        let outside = last(|place| place == Place::Outside);
        let unsure = last(|place| place == Place::Outside || place == Place::Straddles);
        Self {
            last_outside: outside.map(at),
            back: back(unsure, |place| place == Place::Inside),
            back_unless_straddling: back(outside, |place| !place.is_missing()),
            watched: turns.last().map_or(Duration::ZERO, |(time, _)| time.since(injected_at)),
        }
    }

    /// Notes the recovery in a verdict, and the margin of the time it took. It took longer than
    /// to the last point outside, and no longer than to the first one inside for good; of a
    /// recovery that was not seen only the former is known.
    fn note(self, allowed: Duration, verdict: &mut CheckVerdict) {
        let least_s = self.last_outside.unwrap_or_default().as_secs_f64();
        let room = |took_s: f64| margin::recovers(took_s, allowed.as_secs_f64());
        if let Some(back) = self.back {
            let most_s = back.as_secs_f64();
            verdict.recovery = Some(Recovery::Took { least_s, most_s });
            verdict.observed = Some(Measured { value: most_s, lower: least_s, upper: most_s });
            verdict.margin =
                Some(Measured { value: room(most_s), lower: room(most_s), upper: room(least_s) });
            verdict.interval = if least_s < most_s { Interval::Bucket } else { Interval::None };
        } else {
            let watched_s = self.watched.as_secs_f64();
            let upper = room(least_s);
            verdict.recovery = Some(Recovery::Censored { watched_s });
            verdict.observed =
                Some(Measured { value: watched_s, lower: least_s, upper: f64::INFINITY });
            verdict.margin = Some(Measured { value: upper, lower: f64::NEG_INFINITY, upper });
            verdict.interval = Interval::Bucket;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Bounds;
    use crate::verdict::example::{allowance, bucketed, finite, run};

    /// Points every 5 s from the injection on; below 0.2 is the level, 30 s are allowed.
    /// The same, with a gauge that was seen at 1 between some points of *during* and *after*, by
    /// their places, and the next.
    #[track_caller]
    fn check_seen(seen: [&[usize]; 2], want: Outcome, least_s: f64, most_s: f64) {
        let mut track = run("0.1x9", "0.1x9", "0.1x9");
        for (phase, seen) in [(Phase::During, seen[0]), (Phase::After, seen[1])] {
            let part = track.phases.iter_mut().find(|part| part.phase == phase).unwrap();
            for (place, (_, point)) in part.grid.iter_mut().enumerate() {
                let point = point.as_mut().unwrap();
                point.bounds = Bounds::Seen;
                point.upper = if seen.contains(&place) { 1.0 } else { point.value };
            }
        }
        let got = check_track(&track, want, &[]);
        assert_eq!(got, Some(Recovery::Took { least_s, most_s }));
    }

    #[track_caller]
    fn check(during: &str, after: &str, want: Outcome, reasons: &[&str]) -> Option<Recovery> {
        check_track(&run("0.1x9", during, after), want, reasons)
    }

    #[test]
    fn what_was_seen_between_two_points_was_no_recovery() {
        check_seen([&[], &[]], Outcome::Pass, 0.0, 0.0);
        check_seen([&[2], &[]], Outcome::Pass, 10.0, 15.0);
        // Of the first point of a phase it may have been before the point.
        check_seen([&[0], &[]], Outcome::Pass, 0.0, 5.0);
        check_seen([&[], &[0]], Outcome::Fail, 45.0, 55.0);
        check_seen([&[1, 7], &[]], Outcome::Fail, 35.0, 40.0);
    }

    #[track_caller]
    fn check_track(track: &Track, want: Outcome, reasons: &[&str]) -> Option<Recovery> {
        let allowed = Duration::from_secs(30);
        let terms = Terms { level: Level::Below(finite(0.2)), allowed, gaps: allowance(0.1, 2) };
        let injected_at = Some(Time::from_millis(50_000));
        let got = judge("c", &Unit::Seconds, track, injected_at, &terms);
        assert_eq!(got.outcome, want, "{got:?}");
        assert_eq!(got.gaps.iter().map(Gap::code).collect::<Vec<_>>(), reasons);
        if let Some(margin) = got.margin {
            match want {
                Outcome::Pass => assert!(margin.lower >= 0.0, "{got:?}"),
                Outcome::Fail => assert!(margin.upper <= 0.0, "{got:?}"),
                Outcome::Inconclusive => {}
            }
        }
        got.recovery
    }

    #[track_caller]
    fn took(got: Option<Recovery>, least_s: f64, most_s: f64) {
        assert_eq!(got, Some(Recovery::Took { least_s, most_s }));
    }

    #[test]
    fn never_outside_took_no_time() {
        took(check("0.1x9", "0.1x9", Outcome::Pass, &[]), 0.0, 0.0);
    }

    #[test]
    fn back_in_time_passes() {
        took(check("0.3x3 0.1x5", "0.1x9", Outcome::Pass, &[]), 15.0, 20.0);
    }

    #[test]
    fn back_just_in_time_passes() {
        took(check("0.3x5 0.1x3", "0.1x9", Outcome::Pass, &[]), 25.0, 30.0);
    }

    #[test]
    fn still_outside_when_the_time_is_over_fails() {
        took(check("0.3x6 0.1x2", "0.1x9", Outcome::Fail, &[]), 30.0, 35.0);
    }

    #[test]
    fn a_relapse_counts_from_the_injection_again() {
        took(check("0.3 0.1x8", "0.3 0.1x8", Outcome::Fail, &[]), 50.0, 55.0);
        took(check("0.3 0.1x2 0.3 0.1x4", "0.1x9", Outcome::Pass, &[]), 20.0, 25.0);
    }

    #[test]
    fn a_gap_where_the_time_is_over_cannot_be_told() {
        let got =
            check("0.3x5 _x2 0.1x3", "0.1x19", Outcome::Inconclusive, &["recovery_straddles"]);
        took(got, 25.0, 40.0);
        took(check("0.3x3 _x2 0.1x3", "0.1x19", Outcome::Pass, &[]), 15.0, 30.0);
    }

    #[test]
    fn not_recovered_at_the_end_is_censored() {
        let got = check("0.3x9", "0.3x9", Outcome::Fail, &[]);
        assert_eq!(got, Some(Recovery::Censored { watched_s: 95.0 }));
        let reasons = ["not_watched_long_enough"];
        let got = check("0.3x2", "0.3x1", Outcome::Inconclusive, &reasons);
        assert_eq!(got, Some(Recovery::Censored { watched_s: 20.0 }));
        // At the end of the time allowed, and outside: 30 s were not enough.
        check("0.3x3", "0.3x2", Outcome::Fail, &[]);
        check("0.3x3", "0.3x1", Outcome::Inconclusive, &reasons);
    }

    #[test]
    fn a_blackout_after_the_injection_is_never_a_recovery() {
        let reasons = ["too_many_gaps", "too_many_gaps", "recovery_straddles"];
        check("0.3x2 _x7", "_x10", Outcome::Inconclusive, &reasons);
        check("_x10", "0.1x9", Outcome::Inconclusive, &["too_many_gaps"]);
        check("_x10", "_x10", Outcome::Inconclusive, &["no_data"]);
        // Outside when the time was over, whatever is missing.
        check("_x10", "0.3x1 0.1x7", Outcome::Fail, &[]);
    }

    #[test]
    fn without_an_end_only_a_fail_is_certain() {
        check("0.3x2 0.1x6", "", Outcome::Inconclusive, &["phase_not_reached"]);
        check("0.3x6 0.1x2", "", Outcome::Fail, &[]);
        check("", "", Outcome::Inconclusive, &["phase_not_reached"]);
    }

    #[test]
    fn a_value_that_may_be_outside_is_not_a_recovery() {
        let histogram = |during, after| bucketed(run("0.1x9", during, after), &[0.1, 0.25, 0.5]);
        let slow = histogram("0.3x2 0.1 0.22x5 0.1", "0.1x9");
        took(check_track(&slow, Outcome::Inconclusive, &["bound_inside_bucket"]), 10.0, 50.0);
        let quick = histogram("0.3x2 0.1 0.22 0.1x5", "0.1x9");
        took(check_track(&quick, Outcome::Pass, &[]), 10.0, 25.0);
    }

    #[test]
    fn nothing_injected_has_nothing_to_recover_from() {
        let terms = Terms {
            level: Level::Below(finite(0.2)),
            allowed: Duration::from_secs(30),
            gaps: allowance(0.1, 2),
        };
        let got = judge("c", &Unit::Seconds, &run("1", "1", "1"), None, &terms);
        assert_eq!((got.outcome, got.gaps), (Outcome::Inconclusive, vec![Gap::NothingInjected]));
    }
}
