//! What a stretch of the grid holds, counted.

use super::{Gap, place::Place};
use crate::{hypothesis::model::GapAllowance, window::Phase};

/// What a stretch of the grid holds, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Points of the grid.
    pub(super) grid: usize,
    /// Points in breach.
    pub(super) outside: usize,
    /// Points whose bucket the bound lies in.
    pub(super) straddling: usize,
    /// Points that were asked for and have no number.
    pub(super) no_number: usize,
    /// Points at which nothing was seen.
    pub(super) nothing: usize,
    /// The longest run of points that are neither inside nor outside.
    pub(super) longest_gap: usize,
    /// The longest run of points without a number.
    pub(super) longest_missing: usize,
}

impl Tally {
    pub(super) fn of(places: &[Place]) -> Self {
        let count = |place| places.iter().filter(|other| **other == place).count();
        Self {
            grid: places.len(),
            outside: count(Place::Outside),
            straddling: count(Place::Straddles),
            no_number: count(Place::NoNumber),
            nothing: count(Place::Nothing),
            longest_gap: longest_run(places, Place::is_gap),
            longest_missing: longest_run(places, Place::is_missing),
        }
    }

    /// Points without a number.
    pub(super) fn missing(&self) -> usize {
        self.no_number + self.nothing
    }

    /// Points that count as neither inside nor outside.
    pub(super) fn gaps(&self) -> usize {
        self.missing() + self.straddling
    }

    /// Points with a number.
    pub(super) fn numbers(&self) -> usize {
        self.grid - self.missing()
    }

    /// Whether all gaps are within their allowance.
    pub(super) fn gaps_allowed(&self, allowance: GapAllowance) -> bool {
        self.gaps() <= allowance.share.floor_of(self.grid)
            && self.longest_gap <= allowance.longest_steps
    }

    /// Whether the points without a number are within the allowance by themselves.
    pub(super) fn missing_allowed(&self, allowance: GapAllowance) -> bool {
        self.missing() <= allowance.share.floor_of(self.grid)
            && self.longest_missing <= allowance.longest_steps
    }

    /// Why there is nothing at all to judge; none when there is at least one number.
    ///
    /// Where some points have no number and at others nothing was seen, the more frequent of the
    /// two names the reason.
    pub(super) fn nothing_to_judge(&self, phase: Phase) -> Option<Gap> {
        if self.grid == 0 {
            Some(Gap::EmptyGrid(phase))
        } else if self.numbers() > 0 {
            None
        } else if self.no_number >= self.nothing {
            Some(Gap::NoTraffic(phase))
        } else {
            Some(Gap::NoData(phase))
        }
    }

    /// "Too many points have no number", with the numbers.
    pub(super) fn too_many_missing(&self, phase: Phase) -> Gap {
        Gap::TooManyGaps {
            phase,
            gaps: self.missing(),
            grid: self.grid,
            longest: self.longest_missing,
        }
    }
}

/// The length of the longest run of places that are `such`.
pub(super) fn longest_run(places: &[Place], such: impl Fn(Place) -> bool) -> usize {
    places.split(|place| !such(*place)).map(<[Place]>::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::example::{allowance, places};

    #[track_caller]
    fn check(text: &str, share: f64, longest: usize, want: bool) {
        assert_eq!(Tally::of(&places(text)).gaps_allowed(allowance(share, longest)), want);
    }

    #[test]
    fn gaps_are_counted_by_their_kind() {
        let tally = Tally::of(&places("i~_no__i"));
        assert_eq!((tally.grid, tally.outside, tally.straddling), (8, 1, 1));
        assert_eq!((tally.no_number, tally.nothing, tally.gaps()), (1, 3, 5));
        assert_eq!((tally.longest_gap, tally.longest_missing), (3, 2));
    }

    #[test]
    fn gaps_at_their_allowance_are_allowed() {
        check("i19 _", 0.05, 3, true);
        check("i19 ~", 0.05, 3, true);
        check("i18 _2", 0.05, 3, false);
        check("i18 _", 0.05, 3, false);
        check("i___i", 1.0, 3, true);
        check("i__n_", 1.0, 3, false);
    }

    #[test]
    fn nothing_to_judge_has_its_reason() {
        let why = |text: &str| Tally::of(&places(text)).nothing_to_judge(Phase::During);
        assert_eq!(why(""), Some(Gap::EmptyGrid(Phase::During)));
        assert_eq!(why("nnn"), Some(Gap::NoTraffic(Phase::During)));
        assert_eq!(why("___"), Some(Gap::NoData(Phase::During)));
        assert_eq!(why("__n"), Some(Gap::NoData(Phase::During)));
        assert_eq!(why("__~"), None);
    }
}
