//! The gap rule: how long an indicator held, when not every point of the phase is known.

use super::{
    place::Place,
    tally::{Tally, longest_run},
};
use crate::{hypothesis::model::GapAllowance, number::Share};

/// What must hold over the points of a phase.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct HoldRule {
    /// The share of the points that must be inside; none when only the stretch is limited.
    pub(super) share: Option<Share>,
    /// The most points that a stretch in breach may have, if limited.
    pub(super) longest: Option<usize>,
    /// How much may be missing.
    pub(super) gaps: GapAllowance,
}

/// Whether it held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// It was seen to hold.
    Yes,
    /// It was seen not to hold, whatever the gaps hide.
    No,
    /// It cannot be told. Never empty.
    Untold(Vec<Why>),
}

/// Why it cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// More points have no number than is allowed.
    Missing,
    /// The bound lies inside the bucket of too many points.
    Straddling,
    /// So few are missing that it is allowed, and yet they could decide.
    CouldBeEither,
}

impl HoldRule {
    /// Judges the points of a phase. The grid has N points, of which `g` are gaps and `b` are in
    /// breach; a point whose bucket straddles the bound is a gap.
    ///
    /// Fail when b/N > 1 − h: proven, whatever the gaps hide. Otherwise, when the gaps are within
    /// their allowance, pass when b/(N − g) ≤ 1 − h. Everything else cannot be told.
    ///
    /// The allowance forgives points that are *missing*. A point that straddles was seen, next to
    /// the bound: a pass must hold even if every such point was in breach, or else the same value
    /// would pass with the bound somewhere inside its bucket and fail with it at the bucket's
    /// lower edge. (This implies the condition on b/(N − g).)
    ///
    /// A stretch in breach is a run of points outside. Gaps in it or next to it could make it
    /// longer; gaps elsewhere are the allowance's.
    ///
    /// `at_once` is where each point was at its own time: what was seen outside between it and the
    /// next is a breach, and no longer than that. It begins and goes on with no other one.
    pub(super) fn judge(&self, places: &[Place], at_once: &[Place]) -> Held {
        let tally = Tally::of(places);
        let Stretch { proven, possible } = Stretch::at_once(places, at_once);
        let too_often = self.share.is_some_and(|hold| tally.outside > may_breach(hold, tally.grid));
        if too_often || self.longest.is_some_and(|longest| proven > longest) {
            return Held::No;
        }
        let mut why = Vec::new();
        if tally.numbers() == 0 || !tally.missing_allowed(self.gaps) {
            why.push(Why::Missing);
        }
        let may_hide = |hold, breaches, points| breaches > may_breach(hold, points);
        let hidden_share =
            self.share.is_some_and(|hold| may_hide(hold, tally.outside, tally.grid - tally.gaps()));
        let straddling_share = self
            .share
            .is_some_and(|hold| may_hide(hold, tally.outside + tally.straddling, tally.numbers()));
        let hidden_stretch = self.longest.is_some_and(|longest| possible > longest);
        if tally.straddling > 0
            && (!tally.gaps_allowed(self.gaps) || straddling_share || hidden_stretch)
        {
            why.push(Why::Straddling);
        }
        if why.is_empty() && (hidden_share || hidden_stretch) {
            why.push(Why::CouldBeEither);
        }
        if why.is_empty() { Held::Yes } else { Held::Untold(why) }
    }
}

/// How many of `points` may be in breach when the share `hold` must be inside.
///
/// A product that misses a whole number by rounding error only counts as that number, so 99 % of
/// 100 points leaves exactly one.
pub(super) fn may_breach(hold: Share, points: usize) -> usize {
    Share::new(1.0 - hold.get()).map_or(0, |rest| rest.floor_of(points))
}

/// The longest stretch in breach, in points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    /// Of points that are outside for certain.
    pub(super) proven: usize,
    /// Of points that may be: those that are not inside, in a run with at least one that is
    /// outside or straddles.
    pub(super) possible: usize,
}

impl Stretch {
    /// The longest stretch of points that were outside at their own time; at least one point where
    /// any was seen outside.
    pub(super) fn at_once(places: &[Place], at_once: &[Place]) -> Self {
        let Self { proven, possible } = Self::longest(at_once);
        let seen = usize::from(places.contains(&Place::Outside));
        Self { proven: proven.max(seen), possible: possible.max(seen) }
    }

    fn longest(places: &[Place]) -> Self {
        let runs = places.split(|place| *place == Place::Inside);
        let seen = runs.filter(|run| run.iter().any(|place| !place.is_missing()));
        Self {
            proven: longest_run(places, |place| place == Place::Outside),
            possible: seen.map(<[Place]>::len).max().unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::verdict::example::{allowance, places};

    /// Places as text, see [`places`]: `i`nside, `o`utside, `~` straddles, `n`o number, `_` nothing.
    #[track_caller]
    fn check(hold: f64, longest: Option<usize>, text: &str, want: Held) {
        let rule = HoldRule {
            share: (hold > 0.0).then(|| Share::new(hold).unwrap()),
            longest,
            gaps: allowance(0.05, 3),
        };
        assert_eq!(rule.judge(&places(text), &places(text)), want, "{text}");
    }

    fn untold(why: Why) -> Held {
        Held::Untold(vec![why])
    }

    #[test]
    fn all_points_inside_hold() {
        check(1.0, None, "i20", Held::Yes);
        check(1.0, None, "i", Held::Yes);
    }

    #[test]
    fn one_point_outside_breaks_the_whole_phase() {
        check(1.0, None, "i99 o", Held::No);
    }

    #[test]
    fn a_proven_breach_fails_whatever_the_gaps_hide() {
        check(1.0, None, "o _99", Held::No);
        check(0.9, None, "o11 _89", Held::No);
    }

    #[test]
    fn breaches_at_the_share_allowed_hold() {
        check(0.99, None, "i99 o", Held::Yes);
        check(0.99, None, "i98 o2", Held::No);
        check(0.9, None, "i9 o", Held::Yes);
        check(0.7, None, "i7 o3", Held::Yes);
        check(0.7, None, "i6 o4", Held::No);
    }

    #[test]
    fn gaps_at_their_allowance_hold_and_one_more_cannot_tell() {
        check(1.0, None, "i19 _", Held::Yes);
        check(1.0, None, "i18 _2", untold(Why::Missing));
        check(1.0, None, "i97 _3", Held::Yes);
        check(1.0, None, "i96 _4", untold(Why::Missing));
        check(1.0, None, "i95 n i _ i n i _", Held::Yes);
    }

    #[test]
    fn what_is_missing_could_decide_within_the_allowance_too() {
        // 1 of 100 may be in breach; of the 99 that are known, none may.
        check(0.99, None, "i98 o _", untold(Why::CouldBeEither));
        check(0.99, None, "i99 _", Held::Yes);
    }

    #[test]
    fn nothing_never_holds() {
        check(1.0, None, "_9", untold(Why::Missing));
        check(0.0, Some(100), "n9", untold(Why::Missing));
        let blind = HoldRule { share: None, longest: Some(9), gaps: allowance(1.0, 99) };
        assert_eq!(blind.judge(&places("_9"), &places("_9")), untold(Why::Missing));
    }

    #[test]
    fn a_point_that_straddles_is_never_forgiven_as_missing() {
        check(1.0, None, "i99 ~", untold(Why::Straddling));
        check(0.99, None, "i99 ~", Held::Yes);
        check(0.99, None, "i98 ~2", untold(Why::Straddling));
        check(0.5, None, "i90 ~10", untold(Why::Straddling));
        check(1.0, None, "i90 ~5 _5", Held::Untold(vec![Why::Missing, Why::Straddling]));
    }

    #[test]
    fn a_stretch_at_its_limit_holds_and_one_more_point_fails() {
        check(0.0, Some(2), "i o2 i o2 i", Held::Yes);
        check(0.0, Some(2), "i o3 i", Held::No);
        check(0.99, Some(2), "i98 o2", Held::No);
    }

    #[test]
    fn a_gap_next_to_a_stretch_could_make_it_longer() {
        check(0.0, Some(2), "i96 o2 _ i", untold(Why::CouldBeEither));
        check(0.0, Some(2), "i96 o _ i2", Held::Yes);
        check(0.0, Some(2), "i95 o _ o i2", untold(Why::CouldBeEither));
        check(0.0, Some(2), "i96 o2 ~ i", untold(Why::Straddling));
    }

    #[test]
    fn a_gap_among_points_inside_is_the_allowances() {
        check(0.0, Some(2), "i96 _3 i", Held::Yes);
    }

    fn place() -> impl Strategy<Value = Place> {
        prop_oneof![
            16 => Just(Place::Inside),
            2 => Just(Place::Outside),
            1 => Just(Place::Straddles),
            1 => Just(Place::NoNumber),
            1 => Just(Place::Nothing),
        ]
    }

    prop_compose! {
        fn rule()(
            hold in prop_oneof![Just(1.0), Just(0.99), Just(0.9), 0.0..=1.0],
            longest in proptest::option::of(0..6_usize),
            share in prop_oneof![Just(0.05), 0.0..=1.0],
            longest_steps in 0..6_usize,
        ) -> HoldRule {
            HoldRule {
                share: Some(Share::new(hold).unwrap()), longest, gaps: allowance(share, longest_steps),
            }
        }
    }

    fn phase() -> impl Strategy<Value = Vec<Place>> {
        prop_oneof![
            proptest::collection::vec(place(), 1..60),
            (proptest::collection::vec(place(), 1..5), 20..60_usize).prop_map(|(mut some, n)| {
                some.resize(some.len() + n, Place::Inside);
                some
            }),
        ]
    }

    proptest! {
        #[test]
        fn a_tighter_hold_never_makes_a_pass_nor_unmakes_a_fail(
            rule in rule(), tighter in 0.0..=1.0, places in phase(),
        ) {
            let loose = rule.share.unwrap();
            let tight = Share::new(loose.get() + (1.0 - loose.get()) * tighter).unwrap();
            let tight = HoldRule { share: Some(tight), ..rule }.judge(&places, &places);
            match rule.judge(&places, &places) {
                Held::Yes => {}
                Held::No => prop_assert_eq!(tight, Held::No),
                Held::Untold(_) => prop_assert_ne!(tight, Held::Yes),
            }
        }

        #[test]
        fn a_fail_stays_a_fail_however_the_gaps_are_filled(
            rule in rule(), places in phase(), filling in phase(),
        ) {
            prop_assume!(rule.judge(&places, &places) == Held::No);
            let fill = filling.iter().cycle();
            let filled: Vec<Place> = places.iter().zip(fill)
                .map(|(place, fill)| if place.is_gap() { *fill } else { *place })
                .collect();
            prop_assert_eq!(rule.judge(&filled, &filled), Held::No);
        }

        #[test]
        fn a_pass_stays_a_pass_when_a_gap_turns_out_to_be_inside(
            rule in rule(), places in phase(), which in any::<prop::sample::Index>(),
        ) {
            prop_assume!(rule.judge(&places, &places) == Held::Yes);
            let mut filled = places.clone();
            filled[which.index(places.len())] = Place::Inside;
            prop_assert_eq!(rule.judge(&filled, &filled), Held::Yes);
        }

        #[test]
        fn a_better_histogram_never_overturns_a_verdict(
            rule in rule(), places in phase(), out in proptest::collection::vec(any::<bool>(), 64),
        ) {
            let sharp: Vec<Place> = places.iter().zip(out.iter().cycle())
                .map(|(place, out)| match (place, out) {
                    (Place::Straddles, true) => Place::Outside,
                    (Place::Straddles, false) => Place::Inside,
                    (other, _) => *other,
                })
                .collect();
            match rule.judge(&places, &places) {
                Held::Yes => prop_assert_eq!(rule.judge(&sharp, &sharp), Held::Yes),
                Held::No => prop_assert_eq!(rule.judge(&sharp, &sharp), Held::No),
                Held::Untold(_) => {}
            }
        }

        #[test]
        fn a_pass_has_its_numbers(rule in rule(), places in phase()) {
            prop_assume!(rule.judge(&places, &places) == Held::Yes);
            let tally = Tally::of(&places);
            prop_assert!(tally.numbers() > 0);
            prop_assert!(tally.gaps() <= rule.gaps.share.floor_of(tally.grid));
            prop_assert!(tally.longest_gap <= rule.gaps.longest_steps);
            prop_assert!(tally.outside <= may_breach(rule.share.unwrap(), tally.grid - tally.gaps()));
        }

        #[test]
        fn a_blackout_never_passes(rule in rule(), places in phase(), at in any::<prop::sample::Index>()) {
            let mut dark = places.clone();
            let at = at.index(places.len());
            dark.splice(at..at, vec![Place::Nothing; rule.gaps.longest_steps + 1]);
            prop_assert_ne!(rule.judge(&dark, &dark), Held::Yes);
        }

        #[test]
        fn order_does_not_matter_when_no_stretch_is_limited(
            rule in rule(), places in phase(), seed in any::<prop::sample::Index>(),
        ) {
            let gaps = GapAllowance { longest_steps: places.len(), ..rule.gaps };
            let rule = HoldRule { longest: None, gaps, ..rule };
            let mut turned = places.clone();
            turned.rotate_left(seed.index(places.len()));
            turned.reverse();
            prop_assert_eq!(rule.judge(&turned, &turned), rule.judge(&places, &places));
        }
    }
}
