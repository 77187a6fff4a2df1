//! The lines of `checks.parquet`: one for each check of a run (design, section 5).

use super::{CheckVerdict, Measured, Recovery, Verdicts, stays, within};
use crate::{
    analysis::Analysis,
    frame::CheckRow,
    hypothesis::{
        Hypothesis,
        model::{Check, Level, Objective, Tolerance},
    },
    number::Share,
    time::Time,
    window::Phases,
};

/// What a row says of its run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunIdentity {
    /// The run.
    pub run_id: String,
    /// When it started.
    pub started_at: Time,
    /// Its phases, as far as it came.
    pub phases: Phases,
    /// Environment tags, as one JSON object.
    pub environment: String,
    /// The version of the rules that judged it.
    pub analysis_version: u32,
    /// The version of the table's format.
    pub format_version: u32,
}

/// One row for each check, in their order.
pub fn check_rows(
    run: &RunIdentity,
    hypothesis: &Hypothesis,
    analysis: &Analysis,
    verdicts: &Verdicts,
) -> Vec<CheckRow> {
    let pairs = hypothesis.checks.iter().zip(&verdicts.checks);
    pairs.map(|(check, verdict)| row(run, hypothesis, analysis, verdicts, check, verdict)).collect()
}

fn row(
    run: &RunIdentity,
    hypothesis: &Hypothesis,
    analysis: &Analysis,
    verdicts: &Verdicts,
    check: &Check,
    verdict: &CheckVerdict,
) -> CheckRow {
    let indicator = hypothesis.indicator(check.indicator);
    let bounds = Bounds::of(check, analysis);
    let blast = analysis.blast.as_ref();
    let (recovery_s, recovery_censored) = match verdict.recovery {
        None => (None, None),
        Some(Recovery::Took { most_s, .. }) => (Some(most_s), Some(false)),
        Some(Recovery::Censored { watched_s }) => (Some(watched_s), Some(true)),
    };
    // Of a censored recovery only one side is known; the number itself is not.
    let known = |part: fn(Measured) -> f64, of: Option<Measured>| {
        of.filter(|_| recovery_censored != Some(true)).map(part)
    };
    CheckRow {
        format_version: i64::from(run.format_version),
        analysis_version: i64::from(run.analysis_version),
        hypothesis_name: hypothesis.name.clone(),
        run_id: run.run_id.clone(),
        started_at: run.started_at,
        check_id: check.id.clone(),
        indicator: indicator.name.clone(),
        phase: check.phase(),
        objective_kind: check.objective.kind().to_owned(),
        unit: indicator.unit.text().to_owned(),
        direction: bounds.direction.to_owned(),
        bound_lo: bounds.low,
        bound_hi: bounds.high,
        scale: bounds.scale,
        hold: bounds.hold,
        observed: known(|number| number.value, verdict.observed),
        observed_lo: verdict.observed.map(|number| number.lower),
        observed_hi: known(|number| number.upper, verdict.observed),
        interval_kind: verdict.interval.name().to_owned(),
        median: verdict.median,
        margin: known(|number| number.value, verdict.margin),
        margin_lo: known(|number| number.lower, verdict.margin),
        margin_hi: verdict.margin.map(|number| number.upper),
        breach_share: verdict.breach_share,
        longest_breach_s: verdict.longest_breach_s,
        area: verdict.area,
        worst_at: verdict.worst.map(|(time, _)| time),
        verdict: verdict.outcome.name().to_owned(),
        reasons: reasons(verdict),
        n: (verdict.grid > 0).then(|| count(verdict.n)),
        n_eff: verdict.n_eff,
        coverage: verdict.coverage(),
        recovery_s,
        recovery_censored,
        fault_kind: hypothesis.fault.kind().to_owned(),
        asked: blast.and_then(|blast| blast.asked).map(count),
        hit: blast.map(|blast| count(blast.hit.len())),
        population: blast.map(|blast| count(blast.population)),
        evidence: verdicts.evidence.map(|state| state.name().to_owned()),
        mechanism: verdicts.mechanism.map(|state| state.name().to_owned()),
        text_fingerprint: hypothesis.text_fingerprint.clone(),
        comparable_fingerprint: hypothesis.comparable_fingerprint.clone(),
        phase_s: run.phases.window(check.phase()).map(|window| window.length().as_secs_f64()),
        environment: run.environment.clone(),
    }
}

/// Each reason once, in their order.
fn reasons(verdict: &CheckVerdict) -> Vec<String> {
    let mut codes: Vec<String> = Vec::new();
    for gap in &verdict.gaps {
        if !codes.iter().any(|code| code == gap.code()) {
            codes.push(gap.code().to_owned());
        }
    }
    codes
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// The objective in the columns of the table.
struct Bounds {
    /// Which way is worse.
    direction: &'static str,
    /// The lower bound, in the unit.
    low: Option<f64>,
    /// The upper bound, in the unit; for `recovers` seconds, for `within` the tolerance as it is
    /// written, a share or in the unit.
    high: Option<f64>,
    /// What 1 of margin is worth: in the unit, for `recovers` in seconds.
    scale: Option<f64>,
    /// The share that must hold; none when only the longest breach is limited.
    hold: Option<f64>,
}

impl Bounds {
    fn of(check: &Check, analysis: &Analysis) -> Self {
        match &check.objective {
            Objective::Stays { level, hold, longest_breach, scale, .. } => {
                let hold = stays::limiting_share(*hold, *longest_breach).map(Share::get);
                match level {
                    Level::Below(bound) => Self {
                        direction: "up",
                        low: None,
                        high: Some(bound.get()),
                        scale: Some(*scale),
                        hold,
                    },
                    Level::Above(bound) => Self {
                        direction: "down",
                        low: Some(bound.get()),
                        high: None,
                        scale: Some(*scale),
                        hold,
                    },
                    Level::Between(low, high) => Self {
                        direction: "both",
                        low: Some(low.get()),
                        high: Some(high.get()),
                        scale: Some((high.get() - low.get()) / 2.0),
                        hold,
                    },
                }
            }
            Objective::Within { tolerance, of, .. } => {
                let other = analysis.track(check.indicator).phase(*of);
                let mean = other.and_then(|part| part.summary).map(|summary| summary.mean);
                Self {
                    direction: "both",
                    low: None,
                    high: Some(match tolerance {
                        Tolerance::Relative(size) | Tolerance::Absolute(size) => *size,
                    }),
                    scale: mean.map(|mean| within::in_unit(*tolerance, mean)),
                    hold: None,
                }
            }
            Objective::Recovers { within, .. } => Self {
                direction: "up",
                low: None,
                high: Some(within.as_secs_f64()),
                scale: Some(within.as_secs_f64()),
                hold: None,
            },
            Objective::TotalAtMost { limit, .. } => Self {
                direction: "up",
                low: None,
                high: Some(limit.get()),
                scale: Some(limit.get().max(1.0)),
                hold: None,
            },
        }
    }
}
