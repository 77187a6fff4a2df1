//! `total at most`: what is counted over a phase adds up to no more than a number.

use super::{CheckVerdict, Gap, Measured, Outcome, level, place::Place, tally::Tally};
use crate::{
    analysis::Track,
    hypothesis::model::{GapAllowance, Level},
    margin,
    number::{Finite, Unit},
    sample::Point,
    window::Phase,
};

/// Judges whether the values of a phase's points add up to no more than `limit`.
///
/// For things that are counted, whose values are never below zero: a sum beyond the limit is
/// then proven, whatever the gaps hide.
pub(super) fn judge(
    check_id: &str,
    unit: &Unit,
    track: &Track,
    phase: Phase,
    limit: Finite,
    gaps: GapAllowance,
) -> CheckVerdict {
    let mut verdict = CheckVerdict::open(check_id, phase);
    let Some(part) = track.phase(phase) else {
        return verdict.untold(Gap::PhaseNotReached(phase));
    };
    let places: Vec<Place> = part.grid.iter().map(|(_, point)| Place::of_any(*point)).collect();
    let tally = Tally::of(&places);
    (verdict.grid, verdict.n) = (tally.grid, tally.numbers());
    if let Some(gap) = tally.nothing_to_judge(phase) {
        return verdict.untold(gap);
    }
    let numbers: Vec<Point> = part.numbers().collect();
    let sum = |of: fn(&Point) -> f64| numbers.iter().map(of).sum::<f64>() + 0.0;
    let total =
        Measured { value: sum(|p| p.value), lower: sum(|p| p.lower), upper: sum(|p| p.upper) };
    let room = |total| margin::total_at_most(total, limit.get());
    let most = numbers.iter().min_by(|a, b| level::worse(Level::Below(limit), a, b));
    verdict.observed = Some(total);
    verdict.margin = Some(Measured {
        value: room(total.value),
        lower: room(total.upper),
        upper: room(total.lower),
    });
    verdict.interval = level::interval_of(&numbers);
    verdict.median = part.summary.map(|summary| summary.median);
    verdict.worst = most.map(|point| (point.time, point.value));
    if total.lower > limit.get() {
        verdict.outcome = Outcome::Fail;
        return verdict;
    }
    if !tally.missing_allowed(gaps) {
        verdict.gaps.push(tally.too_many_missing(phase));
    }
    if total.upper > limit.get() {
        verdict.gaps.push(Gap::Uncounted {
            points: numbers.iter().filter(|point| point.lower < point.upper).count(),
            most: numbers.iter().map(|point| point.uncounted).fold(0.0, f64::max),
            bound: limit.get(),
            lower: total.lower,
            upper: total.upper,
            unit: unit.clone(),
        });
    }
    if verdict.gaps.is_empty() {
        verdict.outcome = Outcome::Pass;
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::example::{allowance, finite, track};

    #[track_caller]
    fn check(series: &str, want: Outcome, reasons: &[&str], margin: Option<f64>) {
        let track = track(Phase::During, series);
        let got = judge("c", &Unit::None, &track, Phase::During, finite(4.0), allowance(0.05, 3));
        assert_eq!(got.outcome, want, "{got:?}");
        assert_eq!(got.gaps.iter().map(Gap::code).collect::<Vec<_>>(), reasons);
        assert_eq!(got.margin.map(|margin| margin.value), margin);
    }

    #[test]
    fn a_total_within_the_limit_passes() {
        check("0x18 3", Outcome::Pass, &[], Some(0.25));
        check("0x18 _", Outcome::Pass, &[], Some(1.0));
    }

    #[test]
    fn a_total_at_the_limit_passes() {
        check("1x3 0x15", Outcome::Pass, &[], Some(0.0));
    }

    #[test]
    fn a_total_beyond_the_limit_fails_whatever_is_missing() {
        check("1x4 0x15", Outcome::Fail, &[], Some(-0.25));
        check("1x4 _x15", Outcome::Fail, &[], Some(-0.25));
    }

    #[test]
    fn what_is_missing_could_be_too_many() {
        check("1x3 0x14 _x2", Outcome::Inconclusive, &["too_many_gaps"], Some(0.0));
        check("_x9", Outcome::Inconclusive, &["no_data"], None);
        check("NaNx9", Outcome::Inconclusive, &["no_traffic"], None);
    }

    #[test]
    fn what_was_not_counted_could_be_too_many() {
        let mut track = track(Phase::During, "0x18 3");
        let (_, point) = &mut track.phases[0].grid[4];
        let point = point.as_mut().unwrap();
        (point.upper, point.uncounted) = (2.0, 2.0);
        let judged = |limit| {
            let (limit, gaps) = (finite(limit), allowance(0.05, 3));
            judge("c", &Unit::None, &track, Phase::During, limit, gaps)
        };
        assert_eq!(judged(5.0).outcome, Outcome::Pass);
        assert_eq!(judged(4.0).gaps.iter().map(Gap::code).collect::<Vec<_>>(), ["uncounted"]);
        assert_eq!(judged(2.0).outcome, Outcome::Fail);
    }

    #[test]
    fn the_worst_point_is_the_one_with_the_most() {
        let got = judge(
            "c",
            &Unit::None,
            &track(Phase::During, "0 2 1 0x16"),
            Phase::During,
            finite(9.0),
            allowance(0.05, 3),
        );
        assert_eq!(got.worst.map(|(time, _)| time.as_millis()), Some(5000));
    }
}
