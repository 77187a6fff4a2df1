//! From the analysis to a verdict, with its grounds. Verdicts are made here and nowhere else.
//!
//! One file a kind of check (`stays`, `within`, `recovers`, `total`), one for the precedence of
//! what they come to, and below them the comparison (`place`), the counting (`tally`) and the gap
//! rule (`hold`). Pure: a function of the hypothesis and the analysis. The rules are explained to
//! their users in `docs/method.md`.

mod check;
mod gap;
mod ground;
mod hold;
mod level;
mod place;
mod precedence;
mod recovers;
mod rows;
mod shape;
mod stays;
mod steady;
mod tally;
mod terms;
mod total;
mod traffic;
mod within;

#[cfg(test)]
mod example;

pub(crate) use check::{CheckVerdict, Interval, Measured, Outcome, Recovery};
pub(crate) use gap::Gap;
pub(crate) use ground::Ground;
pub use precedence::RunStatus;
pub(crate) use rows::{RunIdentity, check_rows};
pub(crate) use steady::steady;
pub(crate) use terms::Terms;

use crate::{
    analysis::{Analysis, EvidenceState, MechanismState, Track},
    frame::Watched,
    hypothesis::{
        Hypothesis,
        model::{Check, Fault, Indicator, IndicatorKind, Level, Objective},
    },
    sample::Point,
    window::Phase,
};
use place::Place;
use precedence::Facts;

/// The verdict on a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdicts {
    /// The verdict.
    pub outcome: Outcome,
    /// Why, the deciding ground first. Never empty.
    pub grounds: Vec<Ground>,
    /// Each check of the hypothesis, in its order.
    pub checks: Vec<CheckVerdict>,
    /// Each absolute objective held against *before*: the steady state. In order of the checks.
    pub steady: Vec<CheckVerdict>,
    /// All evidence together; none for a placebo run.
    pub evidence: Option<EvidenceState>,
    /// All mechanisms together; none when none is claimed.
    pub mechanism: Option<MechanismState>,
}

impl Verdicts {
    /// The exit code of the verdict (design, section 6).
    pub fn exit_code(&self) -> u8 {
        self.outcome.exit_code()
    }
}

/// Judges a run: each check, the steady state, and all of it together.
pub fn judge_all(hypothesis: &Hypothesis, analysis: &Analysis, status: RunStatus) -> Verdicts {
    let checks: Vec<CheckVerdict> =
        hypothesis.checks.iter().map(|check| judge(hypothesis, analysis, check)).collect();
    let steady = steady(hypothesis, analysis);
    let evidence = evidence(hypothesis, analysis);
    let mechanism = analysis.mechanisms.iter().map(|finding| finding.state).max();
    let placebo = hypothesis.fault == Fault::None;
    let judged = checks.iter().filter(|check| placebo || check.phase != Phase::Before).count();
    let facts = Facts {
        status,
        not_steady: Facts::ids(&steady, |outcome| outcome != Outcome::Pass),
        evidence,
        placebo,
        mechanism,
        not_undone: analysis.not_undone,
        checks: judged,
        failed: Facts::ids(&checks, |outcome| outcome == Outcome::Fail),
        untold: Facts::ids(&checks, |outcome| outcome == Outcome::Inconclusive),
    };
    let (outcome, grounds) = facts.decide();
    Verdicts { outcome, grounds, checks, steady, evidence, mechanism }
}

fn judge(hypothesis: &Hypothesis, analysis: &Analysis, check: &Check) -> CheckVerdict {
    let track = analysis.track(check.indicator);
    let indicator = hypothesis.indicator(check.indicator);
    let id = check.id.as_str();
    let judge = |track: &Track| match &check.objective {
        Objective::Stays { phase, level, hold, longest_breach, gaps, scale } => {
            let terms = stays::Terms {
                level: *level,
                hold: *hold,
                longest_breach: *longest_breach,
                gaps: *gaps,
                scale: *scale,
            };
            stays::judge(id, &indicator.unit, track, *phase, &terms)
        }
        Objective::Within { phase, tolerance, of, gaps } => {
            let terms = within::Terms { tolerance: *tolerance, of: *of, gaps: *gaps };
            within::judge(id, indicator.over(), track, *phase, &terms)
        }
        Objective::Recovers { level, within, gaps } => {
            let terms = recovers::Terms { level: *level, allowed: *within, gaps: *gaps };
            recovers::judge(id, &indicator.unit, track, analysis.injected_at, &terms)
        }
        Objective::TotalAtMost { phase, limit, gaps } => {
            total::judge(id, &indicator.unit, track, *phase, *limit, *gaps)
        }
    };
    let level = level_of(&check.objective);
    let phases = phases(&check.objective);
    let verdict = judged_by_what_was_seen(indicator, track, &phases, level, judge);
    CheckVerdict { terms: Some(Terms::of(check.objective.clone(), track)), ..verdict }
}

/// Judges by `judge` what was seen of an indicator in some phases, with all that says that it was
/// not seen well enough for it.
///
/// - Its traffic may have been too little.
/// - Its numbers may be no measurement, neither for a pass nor for a fail: it counts nothing by a
///   mistake in the file, or its counter is several.
/// - What comes from the cluster and was not seen is no question of a metric's name, and a gauge
///   without a number none of traffic.
fn judged_by_what_was_seen(
    indicator: &Indicator,
    track: &Track,
    phases: &[Phase],
    level: Option<Level>,
    judge: impl Fn(&Track) -> CheckVerdict,
) -> CheckVerdict {
    let is_breach =
        |point: Point| level.is_some_and(|level| Place::of(level, Some(point)) == Place::Outside);
    let verdict = traffic::ask(indicator, track, phases, &is_breach, judge);
    let breached = verdict.outcome == Outcome::Fail;
    let judged = phases.iter().filter_map(|phase| track.phase(*phase)?.grid.last());
    let until = judged.map(|(time, _)| *time).max();
    let serious = track.doubts.iter().filter(|doubt| doubt.code().is_some());
    // What came later says nothing of these phases, and what was counted before was counted.
    let serious = serious.filter(|doubt| {
        doubt.since().is_none_or(|since| !breached && until.is_none_or(|until| since <= until))
    });
    let mut verdict =
        serious.fold(verdict, |verdict, doubt| verdict.untold(Gap::Doubtful(doubt.clone())));
    let is_gauge = matches!(indicator.kind, IndicatorKind::Gauge { .. });
    for gap in &mut verdict.gaps {
        match (&*gap, watched(&indicator.kind)) {
            (Gap::NoData(phase), Some(watch)) => *gap = Gap::NotWatched { phase: *phase, watch },
            (Gap::NoTraffic(phase), _) if is_gauge => *gap = Gap::NotAllRead(*phase),
            _ => {}
        }
    }
    verdict
}

/// What an indicator is made of in a cluster; none when it is made of metrics.
fn watched(kind: &IndicatorKind) -> Option<Watched> {
    match kind {
        IndicatorKind::PodsReady { .. } => Some(Watched::Pods),
        IndicatorKind::EventCount { .. } => Some(Watched::Events),
        IndicatorKind::Quantile { .. }
        | IndicatorKind::Ratio { .. }
        | IndicatorKind::Rate { .. }
        | IndicatorKind::Gauge { .. }
        | IndicatorKind::PromQl(_) => None,
    }
}

/// The level that an objective holds points to.
fn level_of(objective: &Objective) -> Option<Level> {
    match objective {
        Objective::Stays { level, .. } | Objective::Recovers { level, .. } => Some(*level),
        Objective::Within { .. } | Objective::TotalAtMost { .. } => None,
    }
}

/// The phases whose points an objective is judged by.
fn phases(objective: &Objective) -> Vec<Phase> {
    match objective {
        Objective::Stays { phase, .. } | Objective::TotalAtMost { phase, .. } => vec![*phase],
        Objective::Within { phase, of, .. } => vec![*of, *phase],
        Objective::Recovers { .. } => vec![Phase::During, Phase::After],
    }
}

/// All evidence together: as weak as its weakest item.
///
/// A fault that names no evidence cannot be confirmed, and is therefore unknown rather than
/// taken on trust. Only a placebo run needs none.
fn evidence(hypothesis: &Hypothesis, analysis: &Analysis) -> Option<EvidenceState> {
    let worst = analysis.evidence.iter().map(|finding| finding.state).max();
    match hypothesis.fault {
        Fault::None => worst,
        Fault::KillPods(_)
        | Fault::Command(_)
        | Fault::Manifest(_)
        | Fault::Toxiproxy(_)
        | Fault::Observe(_) => Some(worst.unwrap_or(EvidenceState::Unknown)),
    }
}

#[cfg(test)]
mod from_series;
#[cfg(test)]
mod tests;
