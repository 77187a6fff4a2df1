//! `total at most`: what is counted over a phase adds up to no more than a number.

use super::{CheckVerdict, Gap, Measured, Outcome, level, place::Place, tally::Tally};
use crate::{
    analysis::Track,
    hypothesis::model::{GapAllowance, Level},
    margin,
    number::Finite,
    sample::Point,
    window::Phase,
};

/// Judges whether the values of a phase's points add up to no more than `limit`.
///
/// For things that are counted, whose values are never below zero: a sum beyond the limit is
/// then proven, whatever the gaps hide.
pub(super) fn judge(
    check_id: &str,
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
    let total = numbers.iter().map(|point| point.value).sum::<f64>() + 0.0;
    let most = numbers.iter().min_by(|a, b| level::worse(Level::Below(limit), a, b));
    verdict.observed = Some(Measured::exact(total));
    verdict.margin = Some(Measured::exact(margin::total_at_most(total, limit.get())));
    verdict.median = part.summary.map(|summary| summary.median);
    verdict.worst = most.map(|point| (point.time, point.value));
    if total > limit.get() {
        verdict.outcome = Outcome::Fail;
    } else if !tally.missing_allowed(gaps) {
        return verdict.untold(tally.too_many_missing(phase));
    } else {
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
        let got = judge("c", &track, Phase::During, finite(4.0), allowance(0.05, 3));
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
    fn the_worst_point_is_the_one_with_the_most() {
        let got = judge(
            "c",
            &track(Phase::During, "0 2 1 0x16"),
            Phase::During,
            finite(9.0),
            allowance(0.05, 3),
        );
        assert_eq!(got.worst.map(|(time, _)| time.as_millis()), Some(5000));
    }
}
