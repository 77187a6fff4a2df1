//! What one check came to, with everything that a report says of it.

use super::{Gap, Terms};
use crate::{time::Time, window::Phase};

/// What one check came to, with everything that a report says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckVerdict {
    /// The check's id.
    pub check_id: String,
    /// The phase that was judged; a recovery is judged over *during* and *after* and stands
    /// under *after*.
    pub phase: Phase,
    /// What it was held to; none where it was only asked whether the indicator was seen.
    pub terms: Option<Terms>,
    /// What it came to.
    pub outcome: Outcome,
    /// Why it could not be told, or what weakens it; codes are stable. Empty for a plain pass or
    /// fail.
    pub gaps: Vec<Gap>,
    /// The number that was held against the bound.
    pub observed: Option<Measured>,
    /// The margin, from the same number. Of a censored recovery only `upper` is known: `value`
    /// repeats it and `lower` is −∞.
    pub margin: Option<Measured>,
    /// Where the uncertainty of both comes from.
    pub interval: Interval,
    /// The phase's median.
    pub median: Option<f64>,
    /// Share of the phase's points in breach.
    pub breach_share: Option<f64>,
    /// Longest stretch in breach, seconds.
    pub longest_breach_s: Option<f64>,
    /// Area beyond the bound: unit × seconds.
    pub area: Option<f64>,
    /// The worst point: when, and its value.
    pub worst: Option<(Time, f64)>,
    /// Points of the phase's grid.
    pub grid: usize,
    /// Points with a number.
    pub n: usize,
    /// Effective number of independent points, for statements about sampling.
    pub n_eff: Option<f64>,
    /// Time to recover, for `recovers`.
    pub recovery: Option<Recovery>,
}

impl CheckVerdict {
    /// A check of which nothing is known yet: inconclusive, without a reason so far.
    pub(super) fn open(check_id: &str, phase: Phase) -> Self {
        Self {
            check_id: check_id.to_owned(),
            phase,
            terms: None,
            outcome: Outcome::Inconclusive,
            gaps: Vec::new(),
            observed: None,
            margin: None,
            interval: Interval::None,
            median: None,
            breach_share: None,
            longest_breach_s: None,
            area: None,
            worst: None,
            grid: 0,
            n: 0,
            n_eff: None,
            recovery: None,
        }
    }

    /// The same check with a reason why it cannot be told.
    pub(super) fn untold(mut self, gap: Gap) -> Self {
        self.outcome = Outcome::Inconclusive;
        self.gaps.push(gap);
        self
    }

    /// Points with a number over points of the grid; none when there is no grid.
    pub fn coverage(&self) -> Option<f64> {
        (self.grid > 0).then(|| self.n as f64 / self.grid as f64)
    }
}

/// What a check, or a run, came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It held, and it was seen to hold.
    Pass,
    /// It was seen not to hold.
    Fail,
    /// It could not be told.
    Inconclusive,
}

impl Outcome {
    /// The word for it on disk and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Inconclusive => "inconclusive",
        }
    }

    /// The exit code that says it: interface, and never the code of an error or a panic.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Fail => 10,
            Self::Inconclusive => 11,
        }
    }
}

/// A number with what it can have been at least and at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The number.
    pub value: f64,
    /// The least.
    pub lower: f64,
    /// The most.
    pub upper: f64,
}

/// Where an interval comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interval {
    /// The number is exact.
    None,
    /// The bounds of a histogram's bucket, or the distance of the grid's points.
    Bucket,
    /// What no sample of the counters shows, and the bucket besides.
    Uncounted,
    /// A 95 % confidence interval.
    Sampling,
}

impl Interval {
    /// The word for it in `checks.parquet` and `verdict.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Bucket => "bucket",
            Self::Uncounted => "uncounted",
            Self::Sampling => "sampling",
        }
    }
}

/// How a recovery went. Counted from the first injection, seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Recovery {
    /// Back at the level, and it stayed.
    Took {
        /// It took longer than this: the last point seen outside; 0 when none was.
        least_s: f64,
        /// The most it can have been: the first point seen inside for good.
        most_s: f64,
    },
    /// Not recovered when the watching ended, after this many seconds.
    Censored {
        /// How long it was watched.
        watched_s: f64,
    },
}
