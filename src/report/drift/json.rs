//! The report on a history for programs: exact numbers, stable codes, a schema.
//!
//! The structs are the format; a change that a reader would notice raises [`VERSION`]. A number
//! that does not exist is null, never NaN.

use schemars::JsonSchema;
use serde::Serialize;

use super::DriftSubject;
use crate::drift::{
    Alert, CONFIDENCE, Change, Estimate, Forecast, Least, NoCrossing, Outlier, Regime, Sensitivity,
    Trend, TrendAnswer,
};

/// The version of the format.
const VERSION: u32 = 1;

/// The JSON Schema of what is written.
pub(crate) fn schema() -> serde_json::Value {
    schemars::schema_for!(Document).to_value()
}

pub(super) fn render(document: &Document) -> String {
    let text = serde_json::to_string_pretty(document);
    super::super::json::ascii_controls(&text.expect("numbers and texts are always JSON")) + "\n"
}

/// What a history says: what `homeostat drift --format json` prints. Rows are counted from 0.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Document {
    /// The version of this shape. Fields may be added without a new one.
    format_version: u32,
    /// What the numbers are called: the name of the file, `stdin` for `-`.
    name: String,
    /// Whether there is a change for the worse that matters; the program then ends with 12.
    drifting: bool,
    /// `steady`, `stepped`, `drifting`, `mixed` (steps and slopes) or `cannot_tell`.
    family: &'static str,
    /// The row of the first run of each new regime.
    change_points: Vec<usize>,
    /// Each change.
    changes: Vec<ChangePart>,
    /// The stretches of runs with one level or one slope.
    regimes: Vec<RegimePart>,
    /// How much an error carries over to the next run, from 0 to 1, corrected for its bias.
    phi: Option<f64>,
    /// The standard deviation of the errors.
    sd: Option<f64>,
    /// The slope of the last regime; null when it has too few runs.
    slope: Option<SlopePart>,
    /// When the boundary is reached; null without a boundary or a slope.
    forecast: Option<ForecastPart>,
    /// The probability that the next run is beyond the boundary; null without one.
    breaks_next: Option<f64>,
    /// Runs far from their neighbours.
    outliers: Vec<OutlierPart>,
    /// What is for the worse, and matters.
    alerts: Vec<AlertPart>,
    /// Why less is said than one could wish, and what is to be known of it.
    reasons: Vec<ReasonPart>,
    /// How many rows there are.
    rows: usize,
    /// How many of them have a number.
    runs: usize,
    /// What the next run is held to.
    boundary: Option<f64>,
    /// Where the values belong: `below` or `above` the boundary; `either` when nobody said.
    direction: &'static str,
    /// How the history was looked at.
    settings: SettingsPart,
}

/// A number with its 95 % interval.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
struct EstimatePart {
    /// The estimate.
    value: Option<f64>,
    /// The lower end.
    lower: Option<f64>,
    /// The upper end.
    upper: Option<f64>,
}

/// A place at which the mean changes.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct ChangePart {
    /// The row of the first run of the new regime.
    row: usize,
    /// Its run index.
    index: i64,
    /// When it was.
    time: Option<String>,
    /// The first row in which the change may have been, with about 95 % confidence.
    first_row: usize,
    /// The last one.
    last_row: usize,
    /// By how much the level jumps; null when only the slope changes.
    jump: Option<EstimatePart>,
    /// The jump in standard deviations of the errors; null when nothing else varies.
    jump_in_sd: Option<f64>,
    /// By how much the slope changes, a run; null when it does not.
    bend: Option<EstimatePart>,
    /// Whether there are too few runs to be sure.
    provisional: bool,
}

/// A stretch of runs with one level or one slope.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct RegimePart {
    /// The row of its first run.
    first_row: usize,
    /// The row of its last run.
    last_row: usize,
    /// The run index of its first run.
    first_index: i64,
    /// The run index of its last run.
    last_index: i64,
    /// How many runs it has, without outliers.
    runs: usize,
    /// The fitted mean at its first run.
    start: EstimatePart,
    /// The fitted mean at its last run.
    end: EstimatePart,
    /// The slope a run; 0 of a level.
    slope: f64,
}

/// The slope of the last regime, a run.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct SlopePart {
    /// By least squares that know the memory.
    value: Option<f64>,
    /// The lower end of its 95 % interval.
    lower: Option<f64>,
    /// The upper end.
    upper: Option<f64>,
    /// The median of the slopes between all pairs of runs.
    theil_sen: Option<f64>,
    /// The probability of a slope as steep as this, either way, without any.
    p_value: Option<f64>,
    /// Degrees of freedom.
    degrees_of_freedom: f64,
    /// The memory in this regime.
    phi: f64,
    /// How many runs it is of.
    runs: usize,
    /// `rises`, `falls`, `flat` or `cannot_tell` (the two slopes have different signs).
    answer: &'static str,
}

/// When the mean reaches the boundary, counted from the last run.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct ForecastPart {
    /// `between`, `not_before` or `none_established`.
    answer: &'static str,
    /// The confidence of the set.
    confidence: f64,
    /// The earliest, in runs.
    from_runs: Option<f64>,
    /// The latest, in runs; null when there is none.
    to_runs: Option<f64>,
    /// The earliest, in days; null without times.
    from_days: Option<f64>,
    /// The latest, in days.
    to_days: Option<f64>,
    /// Why none is established: `away`, `any_time` or `beyond`.
    why: Option<&'static str>,
}

/// A run far from its neighbours.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
struct OutlierPart {
    /// Its row.
    row: usize,
    /// Its value.
    value: f64,
    /// What was expected there.
    expected: f64,
    /// Whether it is for the worse.
    worse: bool,
}

/// What is for the worse, and matters.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
struct AlertPart {
    /// `step`, `drift` or `outliers`.
    kind: &'static str,
    /// The row of the first run of it.
    row: Option<usize>,
    /// By how much the mean is worse now than before it.
    by: Option<f64>,
}

/// Why something is not said, or what is to be known.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct ReasonPart {
    /// A code, which never changes its meaning.
    code: &'static str,
    /// The same in words.
    text: String,
}

/// How the history was looked at.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
struct SettingsPart {
    /// Whether changes are believed sooner.
    sensitive: bool,
    /// The least change that matters, as a share of the margin; null when it is a number.
    least_share: Option<f64>,
    /// The same as a number; null when it is a share.
    least: Option<f64>,
}

impl Document {
    pub(super) fn new(subject: &DriftSubject<'_>) -> Self {
        let DriftSubject { history, finding, settings, notes, name } = *subject;
        let reasons = finding.reasons.iter().map(|reason| (reason.code(), reason.to_string()));
        let notes = notes.iter().map(|note| (note.code(), note.to_string()));
        let (least_share, least) = match settings.least {
            Least::Share(share) => (Some(share), None),
            Least::Absolute(least) => (None, Some(least)),
        };
        let days = finding.days_a_run;
        Self {
            format_version: VERSION,
            name: name.to_owned(),
            drifting: finding.is_drifting(),
            family: finding.family.name(),
            change_points: finding.changes.iter().map(|change| change.row).collect(),
            changes: finding.changes.iter().map(change).collect(),
            regimes: finding.regimes.iter().map(regime).collect(),
            phi: finding.phi.and_then(finite),
            sd: finding.sd.and_then(finite),
            slope: finding.trend.as_ref().map(slope),
            forecast: finding.forecast.map(|known| forecast(known, days)),
            breaks_next: finding.breaks_next.and_then(finite),
            outliers: finding.outliers.iter().map(outlier).collect(),
            alerts: finding.alerts.iter().map(alert).collect(),
            reasons: reasons.chain(notes).map(|(code, text)| ReasonPart { code, text }).collect(),
            rows: history.rows(),
            runs: history.runs().len(),
            boundary: history.boundary(),
            direction: history.direction().name(),
            settings: SettingsPart {
                sensitive: settings.sensitivity == Sensitivity::Sensitive,
                least_share,
                least,
            },
        }
    }
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

fn estimate(of: Estimate) -> EstimatePart {
    EstimatePart { value: finite(of.value), lower: finite(of.lower), upper: finite(of.upper) }
}

fn change(of: &Change) -> ChangePart {
    ChangePart {
        row: of.row,
        index: of.index,
        time: of.time.map(|time| time.to_string()),
        first_row: of.rows.0,
        last_row: of.rows.1,
        jump: of.jump.map(estimate),
        jump_in_sd: of.in_sd.and_then(finite),
        bend: of.bend.map(estimate),
        provisional: of.provisional,
    }
}

fn regime(of: &Regime) -> RegimePart {
    RegimePart {
        first_row: of.from,
        last_row: of.to,
        first_index: of.indices.0,
        last_index: of.indices.1,
        runs: of.runs,
        start: estimate(of.start),
        end: estimate(of.end),
        slope: of.slope,
    }
}

fn slope(of: &Trend) -> SlopePart {
    SlopePart {
        value: finite(of.slope.value),
        lower: finite(of.slope.lower),
        upper: finite(of.slope.upper),
        theil_sen: finite(of.theil_sen),
        p_value: finite(of.p_value),
        degrees_of_freedom: of.freedom,
        phi: of.phi,
        runs: of.runs,
        answer: match of.answer {
            TrendAnswer::Rises => "rises",
            TrendAnswer::Falls => "falls",
            TrendAnswer::Flat => "flat",
            TrendAnswer::CannotTell => "cannot_tell",
        },
    }
}

fn forecast(of: Forecast, days_a_run: Option<f64>) -> ForecastPart {
    let (answer, from, to, why) = match of {
        Forecast::Between { from, to } => ("between", Some(from), Some(to), None),
        Forecast::NotBefore { from } => ("not_before", Some(from), None, None),
        Forecast::NotEstablished(why) => {
            let why = match why {
                NoCrossing::Away => "away",
                NoCrossing::AnyTime => "any_time",
                NoCrossing::Beyond => "beyond",
            };
            ("none_established", None, None, Some(why))
        }
    };
    let days = |runs: Option<f64>| runs.zip(days_a_run).and_then(|(n, days)| finite(n * days));
    ForecastPart {
        answer,
        confidence: CONFIDENCE,
        from_runs: from.and_then(finite),
        to_runs: to.and_then(finite),
        from_days: days(from),
        to_days: days(to),
        why,
    }
}

fn outlier(of: &Outlier) -> OutlierPart {
    OutlierPart { row: of.row, value: of.value, expected: of.expected, worse: of.worse }
}

fn alert(of: &Alert) -> AlertPart {
    match *of {
        Alert::Step { row, by } => AlertPart { kind: "step", row: Some(row), by: Some(by) },
        Alert::Drift { from, by, .. } => AlertPart { kind: "drift", row: Some(from), by: Some(by) },
        Alert::Outliers => AlertPart { kind: "outliers", row: None, by: None },
    }
}
