//! The lines of `checks.parquet`: one for each check of a run (design, section 5).

use super::{CheckVerdict, Measured, Recovery, Terms, Verdicts};
use crate::{
    analysis::Analysis,
    frame::CheckRow,
    hypothesis::{
        Hypothesis,
        model::{Check, Objective, Tolerance},
    },
    time::Time,
    window::Phases,
};

/// What a row says of its run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RunIdentity {
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
pub(crate) fn check_rows(
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
    let terms = verdict.terms.as_ref();
    let (bound_lo, bound_hi) = terms.map(Terms::bounds).unwrap_or_default();
    // A tolerance stands here as it is written, a share or in the unit.
    let bound_hi = match &check.objective {
        Objective::Within { tolerance, .. } => Some(match tolerance {
            Tolerance::Relative(size) | Tolerance::Absolute(size) => *size,
        }),
        Objective::Stays { .. } | Objective::Recovers { .. } | Objective::TotalAtMost { .. } => {
            bound_hi
        }
    };
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
        direction: terms.map(Terms::direction).unwrap_or_default().to_owned(),
        bound_lo,
        bound_hi,
        scale: terms.and_then(Terms::scale),
        hold: terms.and_then(Terms::hold),
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
