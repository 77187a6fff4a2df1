//! `below`, `above`, `between`: an indicator stays at a level for a share of a phase.

use std::time::Duration;

use super::{
    CheckVerdict, Gap, Measured, Outcome,
    hold::{Held, HoldRule, Why, may_breach},
    level::{self, Seen},
    shape::Shape,
    tally::Tally,
};
use crate::{
    analysis::Track,
    hypothesis::model::{GapAllowance, Level},
    number::{Share, Unit},
    sample::Point,
    window::Phase,
};

/// The terms of an objective `Stays`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Terms {
    /// The level.
    pub(super) level: Level,
    /// The share of the points that must be inside.
    pub(super) hold: Share,
    /// The longest stretch that may be outside, if limited.
    pub(super) longest_breach: Option<Duration>,
    /// How much may be missing.
    pub(super) gaps: GapAllowance,
    /// The length of 1 of margin.
    pub(super) scale: f64,
}

impl Terms {
    fn rule(&self, step: Duration) -> HoldRule {
        HoldRule {
            share: limiting_share(self.hold, self.longest_breach),
            longest: self.longest_breach.map(|limit| whole_steps(limit, step)),
            gaps: self.gaps,
        }
    }
}

/// The share that limits, if one does. `longest_breach` with all of the phase to hold would allow
/// nothing of what it names, so it then stands alone: breaches are allowed, and none of them may
/// be longer than that.
pub(super) fn limiting_share(hold: Share, longest_breach: Option<Duration>) -> Option<Share> {
    (longest_breach.is_none() || hold < Share::ALL).then_some(hold)
}

/// Judges whether the indicator stays at the level in a phase.
pub(super) fn judge(
    check_id: &str,
    unit: &Unit,
    track: &Track,
    phase: Phase,
    terms: &Terms,
) -> CheckVerdict {
    let mut verdict = CheckVerdict::open(check_id, phase);
    let Some(part) = track.phase(phase) else {
        return verdict.untold(Gap::PhaseNotReached(phase));
    };
    let Seen { grid, places, at_once, places_at_once } = Seen::of(terms.level, part.grid.iter());
    let numbers = level::numbers(grid.iter().map(|(_, point)| *point));
    let tally = Tally::of(&places);
    (verdict.grid, verdict.n) = (tally.grid, tally.numbers());
    if let Some(gap) = tally.nothing_to_judge(phase) {
        return verdict.untold(gap);
    }

    let rule = terms.rule(part.step);
    verdict.observed = decisive(&numbers, &level::numbers(at_once), terms.level, rule)
        .map(|Point { value, lower, upper, .. }| Measured { value, lower, upper });
    verdict.margin =
        verdict.observed.map(|number| level::margin_of(terms.level, terms.scale, number));
    verdict.interval = level::interval_of(&numbers);
    verdict.median = part.summary.map(|summary| summary.median);
    Shape::of(terms.level, &grid, &places, &places_at_once, part.step).note(&mut verdict);

    match rule.judge(&places, &places_at_once) {
        Held::Yes => verdict.outcome = Outcome::Pass,
        Held::No => verdict.outcome = Outcome::Fail,
        Held::Untold(why) => {
            verdict.gaps = why
                .into_iter()
                .flat_map(|why| match why {
                    Why::Missing => vec![tally.too_many_missing(phase)],
                    Why::Straddling => level::straddling(terms.level, unit, &numbers),
                    Why::CouldBeEither => vec![Gap::CouldBeEither {
                        breaches: tally.outside,
                        gaps: tally.missing(),
                        grid: tally.grid,
                    }],
                })
                .collect();
        }
    }
    verdict
}

/// The number that the verdict turns on: the worse of the two below. It is inside whenever the
/// check passes and beyond whenever it fails, so the sign of the margin agrees with the verdict.
///
/// A stretch is made of points as they were at their own time, unless none at all may be outside.
fn decisive(numbers: &[Point], at_once: &[Point], level: Level, rule: HoldRule) -> Option<Point> {
    let by_share = rule.share.and_then(|hold| held_quantile(numbers, level, hold));
    let by_stretch = rule.longest.and_then(|longest| {
        sustained(if longest == 0 { numbers } else { at_once }, level, longest)
    });
    by_share.into_iter().chain(by_stretch).min_by(|a, b| level::worse(level, a, b))
}

/// The quantile `hold` of the numbers towards the bad side: the worst one that is left when as
/// many as may be in breach are set aside. With all to hold, the worst.
fn held_quantile(numbers: &[Point], level: Level, hold: Share) -> Option<Point> {
    let mut by_badness = numbers.to_vec();
    by_badness.sort_by(|a, b| level::worse(level, a, b));
    let set_aside = may_breach(hold, numbers.len()).min(numbers.len().checked_sub(1)?);
    Some(by_badness[set_aside])
}

/// The worst level that was kept up for longer than a stretch may last: over all windows of one
/// point more than `longest`, the worst of their best points. Gaps do not interrupt a stretch.
/// None when the phase is not longer than that, so that nothing in it could be too long.
fn sustained(numbers: &[Point], level: Level, longest: usize) -> Option<Point> {
    let best_of =
        |window: &[Point]| window.iter().copied().max_by(|a, b| level::worse(level, a, b));
    numbers
        .windows(longest.saturating_add(1))
        .filter_map(best_of)
        .min_by(|a, b| level::worse(level, a, b))
}

/// How many points of `step` fit into a length of time: at the bound fits.
fn whole_steps(length: Duration, step: Duration) -> usize {
    let steps = length.as_nanos() / step.as_nanos().max(1);
    usize::try_from(steps).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        number::Finite,
        time::Time,
        verdict::{
            Interval,
            example::{self, allowance, bucketed, finite, track},
        },
    };

    fn below(bound: f64) -> Terms {
        Terms {
            level: Level::Below(Finite::new(bound).unwrap()),
            hold: Share::ALL,
            longest_breach: None,
            gaps: allowance(0.05, 3),
            scale: bound,
        }
    }

    fn judged(track: &Track, terms: &Terms) -> CheckVerdict {
        judge("p99.during.below", &Unit::Seconds, track, Phase::During, terms)
    }

    /// Exact values in *during*, step 5 s, in Prometheus' notation.
    #[track_caller]
    fn check(series: &str, terms: Terms, want: Outcome, reasons: &[&str]) -> CheckVerdict {
        let got = judged(&track(Phase::During, series), &terms);
        assert_eq!(got.outcome, want, "{series}: {got:?}");
        assert_eq!(got.gaps.iter().map(Gap::code).collect::<Vec<_>>(), reasons, "{series}");
        got
    }

    /// Values of a histogram with bounds 0.1, 0.2, 0.25 and 0.5.
    #[track_caller]
    fn check_buckets(series: &str, bound: f64, want: Outcome, reasons: &[&str]) -> CheckVerdict {
        let track = bucketed(track(Phase::During, series), &[0.1, 0.2, 0.25, 0.5]);
        let got = judged(&track, &below(bound));
        assert_eq!(got.outcome, want, "{series}: {got:?}");
        assert_eq!(got.gaps.iter().map(Gap::code).collect::<Vec<_>>(), reasons, "{series}");
        got
    }

    #[test]
    fn below_the_bound_passes() {
        let got = check("0.1x19", below(0.2), Outcome::Pass, &[]);
        assert_eq!(got.margin.unwrap().value.to_bits(), 0.5_f64.to_bits());
        assert_eq!((got.grid, got.n, got.breach_share), (20, 20, Some(0.0)));
        assert_eq!(got.interval, Interval::None);
    }

    #[test]
    fn at_the_bound_passes() {
        let got = check("0.1x18 0.2", below(0.2), Outcome::Pass, &[]);
        assert_eq!(got.margin.unwrap().value.to_bits(), 0.0_f64.to_bits());
    }

    #[test]
    fn beyond_the_bound_fails_with_its_shape() {
        let got = check("0.1x6 0.3 0.5 0.4 0.1x9", below(0.2), Outcome::Fail, &[]);
        let near = |got: Option<f64>, want: f64| assert!((got.unwrap() - want).abs() < 1e-9);
        near(got.breach_share, 0.15);
        near(got.longest_breach_s, 15.0);
        near(got.area, (0.1 + 0.3 + 0.2) * 5.0);
        assert_eq!(got.worst, Some((Time::from_millis(40_000), 0.5)));
        near(got.margin.map(|m| m.value), -1.5);
    }

    #[test]
    fn above_and_between_are_judged_on_their_own_side() {
        let above = Terms { level: Level::Above(finite(2.0)), ..below(2.0) };
        check("2x19", above, Outcome::Pass, &[]);
        let got = check("3x18 1", above, Outcome::Fail, &[]);
        assert_eq!(got.worst.unwrap().1.to_bits(), 1.0_f64.to_bits());
        let between = Terms { level: Level::Between(finite(1.0), finite(3.0)), ..below(1.0) };
        check("1 3 2x17", between, Outcome::Pass, &[]);
        check("0 2x18", between, Outcome::Fail, &[]);
        check("4 2x18", between, Outcome::Fail, &[]);
    }

    #[test]
    fn nothing_seen_is_never_a_pass() {
        check("_x19", below(0.2), Outcome::Inconclusive, &["no_data"]);
        check("NaNx19", below(0.2), Outcome::Inconclusive, &["no_traffic"]);
        check("", below(0.2), Outcome::Inconclusive, &["empty_grid"]);
        let got = judge("x", &Unit::None, &example::run("", "", ""), Phase::After, &below(0.2));
        assert_eq!(got.gaps, [Gap::PhaseNotReached(Phase::After)]);
    }

    #[test]
    fn gaps_at_their_allowance_pass_and_one_more_cannot_tell() {
        check("0.1x18 _", below(0.2), Outcome::Pass, &[]);
        let got = check("0.1x17 NaN _", below(0.2), Outcome::Inconclusive, &["too_many_gaps"]);
        let want = Gap::TooManyGaps { phase: Phase::During, gaps: 2, grid: 20, longest: 2 };
        assert_eq!(got.gaps, [want]);
    }

    #[test]
    fn what_is_missing_could_decide() {
        let terms = Terms { hold: Share::new(0.95).unwrap(), ..below(0.2) };
        check("0.1x17 0.3 _", terms, Outcome::Inconclusive, &["could_be_either"]);
    }

    #[test]
    fn a_pass_can_be_broken() {
        // The worst value, 0.22, lies in the bucket (0.2, 0.25].
        let series = "0.05x97 0.22";
        check_buckets(series, 0.2, Outcome::Fail, &[]);
        check_buckets(series, 0.25, Outcome::Pass, &[]);
        let got = check_buckets(series, 0.23, Outcome::Inconclusive, &["bound_inside_bucket"]);
        insta::assert_snapshot!(
            got.gaps[0],
            @"230 ms lies inside the bucket 200 ms to 250 ms at 1 point: add a bucket at the bound"
        );
        let margin = got.margin.unwrap();
        assert!(margin.lower < 0.0 && margin.upper > 0.0);
        assert_eq!(got.interval, Interval::Bucket);
    }

    #[test]
    fn the_bound_inside_the_bucket_of_every_point_cannot_be_told() {
        check_buckets("0.22x19", 0.23, Outcome::Inconclusive, &["bound_inside_bucket"]);
        let reasons = ["too_many_gaps", "bound_inside_bucket"];
        check_buckets("0.22x9 _x9", 0.23, Outcome::Inconclusive, &reasons);
    }

    #[test]
    fn a_hold_sets_the_worst_points_aside() {
        let terms = Terms { hold: Share::new(0.9).unwrap(), ..below(0.2) };
        let got = check("0.1x16 0.15 0.9 0.8", terms, Outcome::Pass, &[]);
        assert_eq!(got.observed.unwrap().value.to_bits(), 0.15_f64.to_bits());
        assert_eq!(got.worst.unwrap().1.to_bits(), 0.9_f64.to_bits());
        let got = check("0.1x15 0.3 0.15 0.9 0.8", terms, Outcome::Fail, &[]);
        assert_eq!(got.observed.unwrap().value.to_bits(), 0.3_f64.to_bits());
    }

    #[test]
    fn a_breach_at_its_longest_passes_and_one_step_more_fails() {
        let seconds = |s| Terms { longest_breach: Some(Duration::from_secs(s)), ..below(0.2) };
        let got = check("0.1x9 0.3x1 0.1x7", seconds(10), Outcome::Pass, &[]);
        assert_eq!(got.observed.unwrap().value.to_bits(), 0.1_f64.to_bits());
        let got = check("0.1x9 0.3 0.25 0.4 0.1x6", seconds(10), Outcome::Fail, &[]);
        assert_eq!(got.observed.unwrap().value.to_bits(), 0.25_f64.to_bits());
        check("0.1x9 0.3 0.25 0.4 0.1x6", seconds(15), Outcome::Pass, &[]);
        check("0.1x9 0.3 0.25 0.4 0.1x6", seconds(14), Outcome::Fail, &[]);
    }

    #[test]
    fn a_gap_beside_a_breach_could_make_it_too_long() {
        let terms = Terms { longest_breach: Some(Duration::from_secs(10)), ..below(0.2) };
        check("0.1x16 0.3 _ 0.3", terms, Outcome::Inconclusive, &["could_be_either"]);
        check("0.1x16 0.3 _ 0.1", terms, Outcome::Pass, &[]);
    }

    #[test]
    fn a_share_and_a_longest_breach_both_limit() {
        let hold = Share::new(0.9).unwrap();
        let terms = Terms { hold, longest_breach: Some(Duration::from_secs(5)), ..below(0.2) };
        check("0.3 0.1 0.3 0.1x16", terms, Outcome::Pass, &[]);
        check("0.3 0.3 0.1x17", terms, Outcome::Fail, &[]);
        check("0.3 0.1 0.3 0.1 0.3 0.1x14", terms, Outcome::Fail, &[]);
    }

    proptest! {
        #[test]
        fn the_sign_of_the_margin_agrees_with_the_verdict(
            values in proptest::collection::vec(
                prop_oneof![6 => 0.0..0.2, 1 => 0.2..0.6, 1 => Just(f64::NAN)], 1..60),
            bound in prop_oneof![Just(0.1), Just(0.2), Just(0.3)],
            hold in prop_oneof![Just(1.0), 0.0..=1.0],
            longest in proptest::option::of(0..40_u64),
            buckets in any::<bool>(),
        ) {
            let exact = track(Phase::During, &values.iter().map(|v| format!("{v} ")).collect::<String>());
            let track = if buckets { bucketed(exact, &[0.1, 0.2, 0.25, 0.5, 1.0]) } else { exact };
            let terms = Terms {
                hold: Share::new(hold).unwrap(),
                longest_breach: longest.map(Duration::from_secs),
                ..below(bound)
            };
            let got = judged(&track, &terms);
            match got.outcome {
                Outcome::Pass => prop_assert!(got.margin.is_none_or(|m| m.lower >= 0.0), "{got:?}"),
                Outcome::Fail => prop_assert!(got.margin.unwrap().value <= 0.0, "{got:?}"),
                Outcome::Inconclusive => prop_assert!(!got.gaps.is_empty()),
            }
        }
    }
}
