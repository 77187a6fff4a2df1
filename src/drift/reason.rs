//! Why a history carries less of an answer than one could wish. Codes are interface; the text
//! names the numbers.

use std::fmt;

use super::forecast::NoCrossing;

/// Why something is not said, or what a reader must know of what is said.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// There are too few runs for something.
    StillLearning {
        /// For what.
        what: Needs,
        /// How many there are.
        runs: usize,
        /// How many it takes.
        needed: usize,
    },
    /// The values wander: a random walk explains them about as well as a level or a slope.
    Wanders {
        /// The memory.
        phi: f64,
    },
    /// The two slopes of the last regime have different signs.
    SlopesDiffer {
        /// By least squares.
        slope: f64,
        /// The median of pairs.
        theil_sen: f64,
    },
    /// All values are the same.
    Constant,
    /// The last change is too recent to be sure of.
    Provisional {
        /// How many runs its regime has.
        runs: usize,
        /// How many it takes.
        needed: usize,
    },
    /// A change is certain, and smaller than the least that matters.
    TooSmall {
        /// In which row it begins.
        row: usize,
        /// Its size.
        size: f64,
        /// The least that matters.
        least: f64,
    },
    /// Nobody said which way is worse.
    NoDirection,
    /// The direction was taken from the side of the boundary on which the history begins.
    DirectionFromBoundary {
        /// Which.
        direction: &'static str,
    },
    /// There is no boundary, so no forecast.
    NoBoundary,
    /// The boundary was moved.
    BoundaryMoved {
        /// In which row.
        row: usize,
        /// From where.
        from: f64,
        /// To where.
        to: f64,
    },
    /// No crossing of the boundary is established.
    NoCrossing(NoCrossing),
    /// Rows without a number.
    Gaps {
        /// How many.
        gaps: usize,
        /// Of how many.
        rows: usize,
    },
    /// Rows that hold NaN or ±∞: gaps, too.
    NotNumbers {
        /// How many.
        rows: usize,
    },
    /// The last rows have no number: what is said ends before them.
    EndsWithGap {
        /// How many.
        rows: usize,
    },
    /// The last run is an outlier: one odd run, or the beginning of a change.
    LastIsOutlier,
    /// Outliers for the worse become more frequent.
    OutliersRise {
        /// How many there are.
        outliers: usize,
    },
    /// The values scatter more, or less, than before.
    SpreadChanged {
        /// In which row that begins.
        row: usize,
        /// The later spread as a multiple of the earlier.
        ratio: f64,
    },
}

/// What needs a number of runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Anything at all.
    Anything,
    /// Changes that are alerted.
    Changes,
    /// The slope of the last regime, and a forecast.
    Trend,
}

impl Reason {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::StillLearning { .. } => "still_learning",
            Self::Wanders { .. } => "wanders",
            Self::SlopesDiffer { .. } => "slopes_differ",
            Self::Constant => "constant",
            Self::Provisional { .. } => "provisional",
            Self::TooSmall { .. } => "too_small",
            Self::NoDirection => "no_direction",
            Self::DirectionFromBoundary { .. } => "direction_from_boundary",
            Self::NoBoundary => "no_boundary",
            Self::BoundaryMoved { .. } => "boundary_moved",
            Self::NoCrossing(NoCrossing::Away) => "away_from_boundary",
            Self::NoCrossing(NoCrossing::AnyTime) => "no_crossing",
            Self::NoCrossing(NoCrossing::Beyond) => "beyond_boundary",
            Self::Gaps { .. } => "gaps",
            Self::NotNumbers { .. } => "not_numbers",
            Self::EndsWithGap { .. } => "ends_with_gap",
            Self::LastIsOutlier => "last_is_outlier",
            Self::OutliersRise { .. } => "outliers_rise",
            Self::SpreadChanged { .. } => "spread_changed",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = crate::number::digits;
        match self {
            Self::StillLearning { what, runs, needed } => {
                let what = match what {
                    Needs::Anything => "any answer",
                    Needs::Changes => "alerts on changes",
                    Needs::Trend => "a slope and a forecast of the last regime",
                };
                write!(f, "still learning: {runs} of {needed} runs for {what}")
            }
            Self::Wanders { phi } => write!(
                f,
                "the values wander, with a memory of {} from run to run: a random walk explains \
                 them about as well as any level or slope",
                number(*phi)
            ),
            Self::SlopesDiffer { slope, theil_sen } => write!(
                f,
                "least squares see a slope of {} a run, the median of pairs {}: a few runs decide",
                number(*slope),
                number(*theil_sen)
            ),
            Self::Constant => f.write_str("all values are the same"),
            Self::Provisional { runs, needed } => write!(
                f,
                "the last change is provisional: {runs} of {needed} runs that it takes to be sure"
            ),
            Self::TooSmall { row, size, least } => write!(
                f,
                "the change at row {row} by {} is certain, and smaller than the {} that matters",
                number(*size),
                number(*least)
            ),
            Self::NoDirection => f.write_str(
                "no direction is given: a change either way counts as one for the worse",
            ),
            Self::DirectionFromBoundary { direction } => {
                write!(f, "no direction is given: the history begins {direction} its boundary")
            }
            Self::NoBoundary => f.write_str("no boundary is given, so there is no forecast"),
            Self::BoundaryMoved { row, from, to } => {
                write!(
                    f,
                    "the boundary moved at row {row} from {} to {}",
                    number(*from),
                    number(*to)
                )
            }
            Self::NoCrossing(NoCrossing::Away) => {
                f.write_str("the slope leads away from the boundary")
            }
            Self::NoCrossing(NoCrossing::AnyTime) => f.write_str(
                "the slope is too uncertain: the boundary may be reached at any time, or never",
            ),
            Self::NoCrossing(NoCrossing::Beyond) => {
                f.write_str("the level is beyond the boundary already")
            }
            Self::Gaps { gaps, rows } => write!(f, "{gaps} of {rows} rows have no number"),
            Self::NotNumbers { rows } => write!(f, "rows with NaN or ±∞ are gaps: {rows}"),
            Self::EndsWithGap { rows } => {
                write!(f, "rows without a number at the end: {rows}; nothing is known of them")
            }
            Self::LastIsOutlier => {
                f.write_str("the last run is an outlier: one odd run, or the first of a change")
            }
            Self::OutliersRise { outliers } => {
                write!(f, "outliers become more frequent: {outliers} in all, most of them late")
            }
            Self::SpreadChanged { row, ratio } => write!(
                f,
                "from row {row} on the values scatter {} times as much as before",
                number(*ratio)
            ),
        }
    }
}
