//! What must hold: checks, their objectives, and guards.

use std::time::Duration;

use super::IndicatorId;
use crate::{
    number::{Finite, Share},
    window::Phase,
};

/// An indicator held to an objective.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// Given, or made of indicator, phase and kind (`latency_p99.during.below`), never of the
    /// bound: a tightened bound stays the same series.
    pub id: String,
    /// Which indicator.
    pub indicator: IndicatorId,
    /// What must hold, and where.
    pub objective: Objective,
}

impl Check {
    /// The phase that the check is about; a recovery is about *after*.
    pub fn phase(&self) -> Phase {
        match &self.objective {
            Objective::Stays { phase, .. }
            | Objective::Within { phase, .. }
            | Objective::TotalAtMost { phase, .. } => *phase,
            Objective::Recovers { .. } => Phase::After,
        }
    }
}

/// A level: on which side of which bound. At the bound counts as inside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Level {
    /// At most this.
    Below(Finite),
    /// At least this.
    Above(Finite),
    /// From the first to the second, both included; the first is less.
    Between(Finite, Finite),
}

impl Level {
    /// Whether a number is inside. NaN is on neither side: ask before.
    pub fn holds(self, value: f64) -> bool {
        match self {
            Self::Below(bound) => value <= bound.get(),
            Self::Above(bound) => value >= bound.get(),
            Self::Between(low, high) => low.get() <= value && value <= high.get(),
        }
    }

    /// The word for it in files and ids.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Below(_) => "below",
            Self::Above(_) => "above",
            Self::Between(..) => "between",
        }
    }
}

/// What must hold, and where.
#[derive(Clone, Debug, PartialEq)]
pub enum Objective {
    /// The indicator stays at a level for a share of a phase.
    Stays {
        /// Where.
        phase: Phase,
        /// The level.
        level: Level,
        /// The share of the phase's points that must be inside; all of them by default.
        hold: Share,
        /// The longest stretch that may be outside, if limited.
        longest_breach: Option<Duration>,
        /// How much may be missing.
        gaps: GapAllowance,
        /// The length of 1 of margin; the size of the bound by default (for `above` on a share,
        /// what is left to 1). Greater than 0.
        scale: f64,
    },
    /// The mean over a phase differs from that of another phase by no more than a tolerance.
    Within {
        /// Where.
        phase: Phase,
        /// The tolerance, greater than 0.
        tolerance: Tolerance,
        /// Compared with.
        of: Phase,
        /// How much may be missing in each of them.
        gaps: GapAllowance,
    },
    /// The indicator is back at a level, and stays, within a time from the first injection.
    Recovers {
        /// The level.
        level: Level,
        /// The time allowed.
        within: Duration,
        /// How much may be missing.
        gaps: GapAllowance,
    },
    /// The values of a phase's points add up to no more than this.
    TotalAtMost {
        /// Where.
        phase: Phase,
        /// The number allowed.
        limit: Finite,
        /// How much may be missing.
        gaps: GapAllowance,
    },
}

impl Objective {
    /// The word for it in ids and in `checks.parquet`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Stays { level, .. } => level.kind(),
            Self::Within { .. } => "within",
            Self::Recovers { .. } => "recovers",
            Self::TotalAtMost { .. } => "total_at_most",
        }
    }

    /// How much may be missing.
    pub fn gaps(&self) -> GapAllowance {
        match self {
            Self::Stays { gaps, .. }
            | Self::Within { gaps, .. }
            | Self::Recovers { gaps, .. }
            | Self::TotalAtMost { gaps, .. } => *gaps,
        }
    }
}

/// How far two phases may differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tolerance {
    /// By this part of the other phase's mean.
    Relative(f64),
    /// By this much, in the indicator's unit.
    Absolute(f64),
}

/// How much of a phase may be missing before nothing can be said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GapAllowance {
    /// The share of the phase's points (design, section 6: 5 %).
    pub share: Share,
    /// The longest run of missing points (design, section 6: 3 steps).
    pub longest_steps: usize,
}

/// When to stop early: the fault is ended, taken back, and the run is judged for what it has.
#[derive(Clone, Debug, PartialEq)]
pub struct Guard {
    /// Which indicator.
    pub indicator: IndicatorId,
    /// The level beyond which it trips: it trips while this level holds.
    pub trips: Level,
    /// How long it must hold; being blind for that long trips too.
    pub for_: Duration,
}
