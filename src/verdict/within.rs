//! `within … of`: the mean over a phase differs from that of another by no more than a tolerance.
//!
//! A statement about what would happen again: it carries a sampling interval, and is judged by
//! inclusion of that interval in the tolerance, never by "no significant difference".

use std::time::Duration;

use super::{CheckVerdict, Gap, Interval, Measured, Outcome, place::Place, tally::Tally};
use crate::{
    analysis::{
        PhaseTrack, Track,
        stats::{Contrast, Refusal, Side, contrast, welch::Which},
    },
    hypothesis::model::{GapAllowance, Tolerance},
    margin,
    window::Phase,
};

/// The terms of an objective `Within`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Terms {
    /// The tolerance.
    pub(super) tolerance: Tolerance,
    /// The phase that is compared with.
    pub(super) of: Phase,
    /// How much may be missing in each of them.
    pub(super) gaps: GapAllowance,
}

/// Judges whether the mean over `phase` is that of the other phase, within the tolerance; `over`
/// is the length of the window behind a point.
pub(super) fn judge(
    check_id: &str,
    over: Duration,
    track: &Track,
    phase: Phase,
    terms: &Terms,
) -> CheckVerdict {
    let mut verdict = CheckVerdict::open(check_id, phase);
    let mut sides = Vec::new();
    for side in [phase, terms.of] {
        let Some(part) = track.phase(side) else {
            return verdict.untold(Gap::PhaseNotReached(side));
        };
        let places: Vec<Place> = part.grid.iter().map(|(_, point)| Place::of_any(*point)).collect();
        let tally = Tally::of(&places);
        if side == phase {
            (verdict.grid, verdict.n) = (tally.grid, tally.numbers());
            verdict.median = part.summary.map(|summary| summary.median);
        }
        if let Some(gap) = tally.nothing_to_judge(side) {
            return verdict.untold(gap);
        }
        if !tally.missing_allowed(terms.gaps) {
            verdict.gaps.push(tally.too_many_missing(side));
        }
        sides.push(part);
    }
    let [ours, theirs] = [numbers(sides[0]), numbers(sides[1])];
    let side = |part: &PhaseTrack, values| Side {
        values,
        independent_at_most: independent_at_most(part, over),
    };
    match contrast(side(sides[0], &ours), side(sides[1], &theirs)) {
        Ok(contrast) => {
            let [ours, theirs] = [sides[0], sides[1]].map(Slack::of);
            told(verdict, contrast.widened(ours.down + theirs.up, ours.up + theirs.down), terms)
        }
        Err(refusal) => verdict.untold(refused(refusal, phase, terms.of)),
    }
}

/// The values on the grid; a gap is NaN.
fn numbers(part: &PhaseTrack) -> Vec<f64> {
    part.grid.iter().map(|(_, point)| point.map_or(f64::NAN, |point| point.value)).collect()
}

/// How much lower and how much higher the mean of a phase can be than that of the values, by what
/// was not counted in its points. A bucket is no part of that: it is the same in both phases.
struct Slack {
    down: f64,
    up: f64,
}

impl Slack {
    fn of(part: &PhaseTrack) -> Self {
        let short = || part.numbers().filter(|point| point.uncounted > 0.0);
        let numbers = part.n() as f64;
        Self {
            down: short().map(|point| point.value - point.lower).sum::<f64>() / numbers,
            up: short().map(|point| point.upper - point.value).sum::<f64>() / numbers,
        }
    }
}

/// The verdict that an interval carries.
fn told(mut verdict: CheckVerdict, contrast: Contrast, terms: &Terms) -> CheckVerdict {
    let Contrast { mean_b, difference, lower, upper, n_eff_a, .. } = contrast;
    verdict.observed = Some(Measured { value: difference, lower, upper });
    verdict.interval = Interval::Sampling;
    verdict.n_eff = Some(n_eff_a);
    let tolerance = in_unit(terms.tolerance, mean_b);
    if tolerance.is_nan() || tolerance <= 0.0 {
        return verdict.untold(Gap::ZeroBaseline(terms.of));
    }
    let room = |difference| margin::within(difference, tolerance);
    let farthest = lower.abs().max(upper.abs());
    let nearest = if lower <= 0.0 && upper >= 0.0 { 0.0 } else { lower.abs().min(upper.abs()) };
    verdict.margin =
        Some(Measured { value: room(difference), lower: room(farthest), upper: room(nearest) });
    if !verdict.gaps.is_empty() {
        return verdict;
    }
    if -tolerance <= lower && upper <= tolerance {
        verdict.outcome = Outcome::Pass;
        verdict
    } else if lower > tolerance || upper < -tolerance {
        verdict.outcome = Outcome::Fail;
        verdict
    } else {
        verdict.untold(Gap::IntervalStraddles)
    }
}

/// The tolerance in the indicator's unit.
pub(super) fn in_unit(tolerance: Tolerance, other_mean: f64) -> f64 {
    match tolerance {
        Tolerance::Relative(part) => part * other_mean.abs(),
        Tolerance::Absolute(size) => size,
    }
}

/// How many windows fit side by side between the first number and the last: points whose windows
/// overlap share their data, and cannot be worth more than that. No limit for instantaneous
/// values.
fn independent_at_most(part: &PhaseTrack, over: Duration) -> f64 {
    let (first, last) = (part.numbers().next(), part.numbers().last());
    match first.zip(last) {
        Some((first, last)) if !over.is_zero() => {
            1.0 + last.time.since(first.time).as_secs_f64() / over.as_secs_f64()
        }
        Some(_) | None => f64::INFINITY,
    }
}

/// Why two means are not compared, with the phase that it is about.
fn refused(refusal: Refusal, phase: Phase, of: Phase) -> Gap {
    let named = |side| match side {
        Which::A => phase,
        Which::B => of,
    };
    match refusal {
        Refusal::TooFew { side, n, n_eff } => {
            Gap::TooFewIndependent { phase: named(side), n, n_eff }
        }
        Refusal::Wanders { side, .. } => Gap::Wanders(named(side)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::example::{allowance, run};

    fn terms(tolerance: Tolerance) -> Terms {
        Terms { tolerance, of: Phase::Before, gaps: allowance(0.05, 3) }
    }

    /// A mean of 100 before, and a difference known to lie from `lower` to `upper`.
    #[track_caller]
    fn check((lower, upper): (f64, f64), tolerance: Tolerance, want: Outcome, reasons: &[&str]) {
        let difference = f64::midpoint(lower, upper);
        let contrast = Contrast {
            mean_a: 100.0 + difference,
            mean_b: 100.0,
            difference,
            lower,
            upper,
            n_a: 20,
            n_b: 20,
            n_eff_a: 9.0,
            n_eff_b: 9.0,
            phi_a: 0.4,
            phi_b: 0.4,
        };
        let got = told(CheckVerdict::open("c", Phase::After), contrast, &terms(tolerance));
        assert_eq!(got.outcome, want);
        assert_eq!(got.gaps.iter().map(Gap::code).collect::<Vec<_>>(), reasons);
        let margin = got.margin.unwrap();
        assert!(margin.lower <= margin.value && margin.value <= margin.upper, "{margin:?}");
        match want {
            Outcome::Pass => assert!(margin.lower >= -1e-9),
            Outcome::Fail => assert!(margin.upper <= 1e-9),
            Outcome::Inconclusive => assert!(margin.lower < 0.0 && margin.upper >= 0.0),
        }
    }

    #[test]
    fn an_interval_inside_the_tolerance_passes() {
        check((-3.0, 8.0), Tolerance::Relative(0.1), Outcome::Pass, &[]);
        check((2.0, 8.0), Tolerance::Absolute(9.0), Outcome::Pass, &[]);
    }

    #[test]
    fn an_interval_that_ends_at_the_tolerance_passes() {
        check((-10.0, 10.0), Tolerance::Relative(0.1), Outcome::Pass, &[]);
        check((-9.0, 9.0), Tolerance::Absolute(9.0), Outcome::Pass, &[]);
    }

    #[test]
    fn an_interval_wholly_beyond_the_tolerance_fails_on_either_side() {
        check((11.0, 20.0), Tolerance::Relative(0.1), Outcome::Fail, &[]);
        check((-20.0, -11.0), Tolerance::Relative(0.1), Outcome::Fail, &[]);
    }

    #[test]
    fn an_interval_across_the_tolerance_cannot_be_told() {
        let reasons = ["interval_straddles"];
        check((5.0, 15.0), Tolerance::Relative(0.1), Outcome::Inconclusive, &reasons);
        check((10.0, 15.0), Tolerance::Relative(0.1), Outcome::Inconclusive, &reasons);
        check((-15.0, 5.0), Tolerance::Relative(0.1), Outcome::Inconclusive, &reasons);
        check((-50.0, 50.0), Tolerance::Absolute(9.0), Outcome::Inconclusive, &reasons);
    }

    #[track_caller]
    fn check_run(
        (before, after): (&str, &str),
        over: u64,
        tolerance: Tolerance,
        want: Outcome,
        reasons: &[&str],
    ) -> CheckVerdict {
        let track = run(before, "0", after);
        let over = Duration::from_secs(over);
        let got = judge("c", over, &track, Phase::After, &terms(tolerance));
        assert_eq!(got.outcome, want, "{got:?}");
        assert_eq!(got.gaps.iter().map(Gap::code).collect::<Vec<_>>(), reasons);
        got
    }

    const NOISE: &str = "99 101 101 99 99 99 101 99 101 101 101 99 101 99 99 101 99 101 101 99";

    #[test]
    fn the_same_noise_is_within_a_tenth_and_not_within_a_thousandth() {
        let relative = Tolerance::Relative;
        let got = check_run((NOISE, NOISE), 0, relative(0.1), Outcome::Pass, &[]);
        assert!(got.n_eff.unwrap() >= 4.0 && got.interval == Interval::Sampling);
        let reasons = ["interval_straddles"];
        check_run((NOISE, NOISE), 0, relative(0.001), Outcome::Inconclusive, &reasons);
    }

    #[test]
    fn what_was_not_counted_widens_the_interval() {
        let judged = |uncounted| {
            let mut track = run(NOISE, "0", NOISE);
            for (_, point) in &mut track.phases[2].grid {
                let point = point.as_mut().unwrap();
                (point.upper, point.uncounted) = (point.value + 30.0, uncounted);
            }
            judge("c", Duration::ZERO, &track, Phase::After, &terms(Tolerance::Relative(0.1)))
        };
        let got = judged(7.0);
        assert_eq!(got.gaps, [Gap::IntervalStraddles]);
        assert!(got.observed.unwrap().upper > 30.0, "{got:?}");
        // The bounds of a bucket alone are the same in both phases.
        assert_eq!(judged(0.0).outcome, Outcome::Pass);
    }

    #[test]
    fn twice_as_much_is_beyond_a_tenth() {
        let twice = NOISE.replace("99", "198").replace("101", "202");
        check_run((NOISE, &twice), 0, Tolerance::Relative(0.1), Outcome::Fail, &[]);
    }

    #[test]
    fn a_phase_that_drifts_all_the_way_has_no_mean_to_compare() {
        let tolerance = Tolerance::Relative(0.1);
        let (want, reasons) = (Outcome::Inconclusive, ["wanders"]);
        let got = check_run((NOISE, "100+1x59"), 0, tolerance, want, &reasons);
        assert_eq!(got.gaps, [Gap::Wanders(Phase::After)]);
        let got = check_run(("100+1x59", NOISE), 0, tolerance, want, &reasons);
        assert_eq!(got.gaps, [Gap::Wanders(Phase::Before)]);
    }

    #[test]
    fn points_that_share_their_data_are_too_few() {
        // 20 points 5 s apart, each over 60 s: not two windows side by side.
        let reasons = ["too_few_independent"];
        let tolerance = Tolerance::Relative(0.1);
        let got = check_run((NOISE, NOISE), 60, tolerance, Outcome::Inconclusive, &reasons);
        assert_eq!(got.margin, None);
    }

    #[test]
    fn no_share_of_zero_is_a_tolerance() {
        let reasons = ["zero_baseline"];
        check_run(("0x19", "0x19"), 0, Tolerance::Relative(0.1), Outcome::Inconclusive, &reasons);
    }

    #[test]
    fn gaps_in_either_phase_are_reasons() {
        let tolerance = Tolerance::Relative(0.1);
        let gappy = format!("{NOISE} _x4");
        let reasons = ["too_many_gaps"];
        check_run((&gappy, NOISE), 0, tolerance, Outcome::Inconclusive, &reasons);
        check_run((NOISE, &gappy), 0, tolerance, Outcome::Inconclusive, &reasons);
        check_run(("NaNx19", NOISE), 0, tolerance, Outcome::Inconclusive, &["no_traffic"]);
        check_run((NOISE, "_x19"), 0, tolerance, Outcome::Inconclusive, &["no_data"]);
        check_run((NOISE, ""), 0, tolerance, Outcome::Inconclusive, &["phase_not_reached"]);
    }
}
