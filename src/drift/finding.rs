//! What a history says.

use super::{fit::Estimate, forecast::Forecast, reason::Reason, spread, trend::Trend};
use crate::time::Time;

/// What a history says.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Which kind of mean explains it best.
    pub family: Family,
    /// Where the mean changes, in order.
    pub changes: Vec<Change>,
    /// The stretches between, in order.
    pub regimes: Vec<Regime>,
    /// The memory of the errors from one run to the next, corrected for its bias.
    pub phi: Option<f64>,
    /// The standard deviation of the errors.
    pub sd: Option<f64>,
    /// The slope of the last regime.
    pub trend: Option<Trend>,
    /// When the boundary is reached.
    pub forecast: Option<Forecast>,
    /// How many days pass from one run index to the next, of late.
    pub days_a_run: Option<f64>,
    /// The probability that the next run is beyond the boundary.
    pub breaks_next: Option<f64>,
    /// What the runs ahead can be, from the last run on; empty when it cannot be told.
    pub ahead: Vec<Ahead>,
    /// Runs far from their neighbours.
    pub outliers: Vec<Outlier>,
    /// What is for the worse, and matters.
    pub alerts: Vec<Alert>,
    /// Why less is said than one could wish, and what to know of it.
    pub reasons: Vec<Reason>,
}

impl Finding {
    /// Whether there is a change for the worse.
    pub fn is_drifting(&self) -> bool {
        !self.alerts.is_empty()
    }
}

/// A kind of mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// One level.
    Steady,
    /// Levels with steps between them.
    Stepped,
    /// A slope, perhaps one that changes.
    Drifting,
    /// Steps and slopes.
    Mixed,
    /// It cannot be told.
    CannotTell,
}

impl Family {
    /// The name, as in the JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Stepped => "stepped",
            Self::Drifting => "drifting",
            Self::Mixed => "mixed",
            Self::CannotTell => "cannot_tell",
        }
    }
}

/// A place at which the mean changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The row of the first run of the new regime.
    pub row: usize,
    /// Its run index.
    pub index: i64,
    /// When it was.
    pub time: Option<Time>,
    /// The first and the last row in which the change may have been, with about 95 % confidence.
    pub rows: (usize, usize),
    /// By how much the level jumps; none when only the slope changes.
    pub jump: Option<Estimate>,
    /// By how much the slope changes, a run; none when it does not.
    pub bend: Option<Estimate>,
    /// The jump in standard deviations of the errors; infinite when nothing else varies.
    pub in_sd: Option<f64>,
    /// Whether too few runs have passed since to be sure.
    pub provisional: bool,
}

/// A stretch of runs with one level or one slope.
#[derive(Clone, Debug, PartialEq)]
pub struct Regime {
    /// The row of its first run.
    pub from: usize,
    /// The row of its last run.
    pub to: usize,
    /// The run indices of the two.
    pub indices: (i64, i64),
    /// How many runs it has, without its outliers.
    pub runs: usize,
    /// The fitted mean at its first run.
    pub start: Estimate,
    /// The fitted mean at its last run.
    pub end: Estimate,
    /// The slope a run; 0 of a level.
    pub slope: f64,
}

/// What a run ahead can be, with a probability of 90 %, if nothing changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ahead {
    /// Its run index.
    pub index: f64,
    /// What is expected.
    pub center: f64,
    /// The least it can be.
    pub lower: f64,
    /// The most it can be.
    pub upper: f64,
}

/// A run far from its neighbours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outlier {
    /// Its row.
    pub row: usize,
    /// Its value.
    pub value: f64,
    /// What was expected.
    pub expected: f64,
    /// Whether it is for the worse.
    pub worse: bool,
}

/// What is for the worse, and matters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Alert {
    /// A step that was not taken back.
    Step {
        /// The row of the first run after it.
        row: usize,
        /// By how much the mean is worse now than before it.
        by: f64,
    },
    /// A slope, past or present, that was not taken back.
    Drift {
        /// The row of its first run.
        from: usize,
        /// The row of its last run.
        to: usize,
        /// By how much the mean is worse now than at its start.
        by: f64,
    },
    /// Outliers for the worse that become more frequent.
    Outliers,
}

/// A change of the spread as a reason, with the row of the place.
pub(super) fn spread_reason(residuals: &[f64], row: impl Fn(usize) -> usize) -> Option<Reason> {
    let (at, ratio) = spread::change(residuals)?;
    Some(Reason::SpreadChanged { row: row(at), ratio })
}
