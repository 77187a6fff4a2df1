//! The steady state: each absolute objective, held against *before*, and of every other objective
//! that its indicator was seen there.
//!
//! The gate of a live run (nothing is injected into a system that is not steady) and the
//! judgement of a recording are this one function.

use super::{
    CheckVerdict, Gap, Outcome, Terms, judged_by_what_was_seen, level::default_scale, place::Place,
    stays, tally::Tally,
};
use crate::{
    analysis::{Analysis, Track},
    hypothesis::{
        Hypothesis,
        model::{GapAllowance, IndicatorId, Objective},
    },
    number::Share,
    window::Phase,
};

/// Holds each absolute objective against *before*: what `Stays` asks of any phase, and the level
/// that `Recovers` returns to, of all points. Of an indicator that is only compared or added up,
/// it asks that it was seen. Each is told once, in order of the checks; one of `Recovers` only
/// where no other check asks about that indicator and level.
///
/// The system is steady when all of them pass.
pub(crate) fn steady(hypothesis: &Hypothesis, analysis: &Analysis) -> Vec<CheckVerdict> {
    let judge = |(check_id, id, question): (&str, IndicatorId, Question)| {
        let indicator = hypothesis.indicator(id);
        let judge = |track: &Track| match question {
            Question::Level(terms) => {
                stays::judge(check_id, &indicator.unit, track, Phase::Before, &terms)
            }
            Question::Seen(gaps) => seen(check_id, track, gaps),
        };
        let track = analysis.track(id);
        let verdict = judged_by_what_was_seen(indicator, track, &[Phase::Before], None, judge);
        CheckVerdict { terms: question.terms(track), ..verdict }
    };
    questions(hypothesis).into_iter().map(judge).collect()
}

/// What is asked of an indicator in *before*.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Question {
    /// Whether it stays at a level.
    Level(stays::Terms),
    /// Whether it was seen, with no more than so much missing.
    Seen(GapAllowance),
}

impl Question {
    /// What it holds the indicator to; none when it only asks whether it was seen.
    fn terms(self, track: &Track) -> Option<Terms> {
        let Self::Level(stays::Terms { level, hold, longest_breach, gaps, scale }) = self else {
            return None;
        };
        let phase = Phase::Before;
        let objective = Objective::Stays { phase, level, hold, longest_breach, gaps, scale };
        Some(Terms::of(objective, track))
    }
}

/// The questions that make the steady state, without those that say the same.
fn questions(hypothesis: &Hypothesis) -> Vec<(&str, IndicatorId, Question)> {
    let stays_at = |level, indicator| {
        hypothesis.checks.iter().any(|check| {
            check.indicator == indicator
                && match check.objective {
                    Objective::Stays { level: other, .. } => other == level,
                    Objective::Within { .. }
                    | Objective::Recovers { .. }
                    | Objective::TotalAtMost { .. } => false,
                }
        })
    };
    let mut found: Vec<(&str, IndicatorId, Question)> = Vec::new();
    for check in &hypothesis.checks {
        let question = match &check.objective {
            Objective::Stays { level, hold, longest_breach, gaps, scale, .. } => {
                Question::Level(stays::Terms {
                    level: *level,
                    hold: *hold,
                    longest_breach: *longest_breach,
                    gaps: *gaps,
                    scale: *scale,
                })
            }
            Objective::Recovers { level, .. } if stays_at(*level, check.indicator) => continue,
            Objective::Recovers { level, gaps, .. } => Question::Level(stays::Terms {
                level: *level,
                hold: Share::ALL,
                longest_breach: None,
                gaps: *gaps,
                scale: default_scale(*level, &hypothesis.indicator(check.indicator).unit),
            }),
            Objective::Within { gaps, .. } | Objective::TotalAtMost { gaps, .. } => {
                Question::Seen(*gaps)
            }
        };
        let said = found.iter().any(|(_, id, other)| *id == check.indicator && *other == question);
        if !said {
            found.push((&check.id, check.indicator, question));
        }
    }
    found
}

/// Judges whether an indicator was seen in *before*, whatever its numbers were.
fn seen(check_id: &str, track: &Track, gaps: GapAllowance) -> CheckVerdict {
    let mut verdict = CheckVerdict::open(check_id, Phase::Before);
    let Some(part) = track.phase(Phase::Before) else {
        return verdict.untold(Gap::PhaseNotReached(Phase::Before));
    };
    let places: Vec<Place> = part.grid.iter().map(|(_, point)| Place::of_any(*point)).collect();
    let tally = Tally::of(&places);
    (verdict.grid, verdict.n) = (tally.grid, tally.numbers());
    verdict.median = part.summary.map(|summary| summary.median);
    if let Some(gap) = tally.nothing_to_judge(Phase::Before) {
        return verdict.untold(gap);
    }
    if !tally.missing_allowed(gaps) {
        return verdict.untold(tally.too_many_missing(Phase::Before));
    }
    verdict.outcome = Outcome::Pass;
    verdict
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        analysis::EvidenceState,
        hypothesis::model::{Level, Tolerance},
        number::Finite,
        verdict::{
            Outcome,
            example::{allowance, analysis, finite, hypothesis, run},
        },
    };

    fn below(phase: Phase, bound: Finite, hold: f64) -> Objective {
        Objective::Stays {
            phase,
            level: Level::Below(bound),
            hold: Share::new(hold).unwrap(),
            longest_breach: None,
            gaps: allowance(0.05, 3),
            scale: bound.get(),
        }
    }

    fn recovers(bound: Finite) -> Objective {
        let (level, within) = (Level::Below(bound), Duration::from_secs(60));
        Objective::Recovers { level, within, gaps: allowance(0.05, 3) }
    }

    #[track_caller]
    fn check(before: &str, objectives: Vec<Objective>, want: &[(&str, Outcome)]) {
        let analysis = analysis(run(before, "9", "9"), EvidenceState::Unknown);
        let got = steady(&hypothesis(objectives), &analysis);
        let got: Vec<_> = got.iter().map(|c| (c.check_id.as_str(), c.outcome)).collect();
        assert_eq!(got, want);
    }

    #[test]
    fn an_objective_of_any_phase_must_hold_before() {
        let objectives = vec![below(Phase::After, finite(1.0), 1.0)];
        check("1x19", objectives.clone(), &[("c0", Outcome::Pass)]);
        check("1x18 2", objectives.clone(), &[("c0", Outcome::Fail)]);
        check("1x17 _x2", objectives.clone(), &[("c0", Outcome::Inconclusive)]);
        check("", objectives, &[("c0", Outcome::Inconclusive)]);
    }

    #[test]
    fn the_level_of_a_recovery_must_hold_before() {
        check("1x19", vec![recovers(finite(1.0))], &[("c0", Outcome::Pass)]);
        check("1x18 2", vec![recovers(finite(1.0))], &[("c0", Outcome::Fail)]);
    }

    #[test]
    fn the_same_objective_is_told_once_and_a_stricter_one_beside_it() {
        let one = finite(1.0);
        let objectives = vec![
            recovers(one),
            below(Phase::During, one, 0.9),
            below(Phase::After, one, 0.9),
            below(Phase::After, one, 1.0),
            below(Phase::After, finite(2.0), 1.0),
        ];
        let (pass, fail) = (Outcome::Pass, Outcome::Fail);
        check("1x18 2", objectives, &[("c1", pass), ("c3", fail), ("c4", pass)]);
    }

    #[test]
    fn what_is_relative_or_counted_must_be_seen_before() {
        let gaps = allowance(0.05, 3);
        let within = Objective::Within {
            phase: Phase::After,
            tolerance: Tolerance::Relative(0.1),
            of: Phase::Before,
            gaps,
        };
        let total = Objective::TotalAtMost { phase: Phase::During, limit: finite(1.0), gaps };
        let both = || vec![within.clone(), total.clone()];
        check("1x19", both(), &[("c0", Outcome::Pass)]);
        check("9x18 _", both(), &[("c0", Outcome::Pass)]);
        check("1x17 _x1", both(), &[("c0", Outcome::Inconclusive)]);
        check("NaNx19", both(), &[("c0", Outcome::Inconclusive)]);
        check("", vec![total], &[("c0", Outcome::Inconclusive)]);
    }
}
