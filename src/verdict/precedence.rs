//! From what each check came to, to the verdict on the run (design, section 6).

use super::{CheckVerdict, Ground, Outcome};
use crate::analysis::{EvidenceState, MechanismState};

/// How far a run came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStatus {
    /// All phases were watched to their end.
    Complete,
    /// *Before* was not steady, so nothing was injected.
    NotInjected,
    /// Stopped by a signal.
    Interrupted,
    /// Stopped by the guard.
    GuardTripped,
    /// The run was killed, or is still running.
    Incomplete,
}

impl RunStatus {
    /// Why a run that came only so far cannot pass; none when it came to its end.
    fn ground(self) -> Option<Ground> {
        match self {
            Self::Complete => None,
            Self::NotInjected => Some(Ground::NotInjected),
            Self::Interrupted => Some(Ground::Interrupted),
            Self::GuardTripped => Some(Ground::GuardTripped),
            Self::Incomplete => Some(Ground::Incomplete),
        }
    }
}

/// All that the verdict on a run depends on.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// How far it came.
    pub(super) status: RunStatus,
    /// The steady-state objectives that *before* was not seen to meet.
    pub(super) not_steady: Vec<String>,
    /// All evidence together; none when none is needed.
    pub(super) evidence: Option<EvidenceState>,
    /// Whether nothing was disturbed on purpose.
    pub(super) placebo: bool,
    /// All mechanisms together; none when none is claimed.
    pub(super) mechanism: Option<MechanismState>,
    /// Whether something that the fault did could not be taken back.
    pub(super) not_undone: bool,
    /// How many checks there are of what the fault can have done.
    pub(super) checks: usize,
    /// Those that fail.
    pub(super) failed: Vec<String>,
    /// Those that cannot be told.
    pub(super) untold: Vec<String>,
}

impl Facts {
    /// The ids of the checks with such an outcome.
    pub(super) fn ids(checks: &[CheckVerdict], such: impl Fn(Outcome) -> bool) -> Vec<String> {
        let found = checks.iter().filter(|check| such(check.outcome));
        found.map(|check| check.check_id.clone()).collect()
    }

    /// The verdict, and its grounds: the deciding one first, then all others that a reader should
    /// know.
    pub(super) fn decide(&self) -> (Outcome, Vec<Ground>) {
        let (outcome, deciding) = self.rule();
        let mut grounds = vec![deciding];
        for ground in self.noted(outcome) {
            if !grounds.contains(&ground) {
                grounds.push(ground);
            }
        }
        (outcome, grounds)
    }

    /// The precedence: the first rule that applies decides.
    fn rule(&self) -> (Outcome, Ground) {
        use Outcome::{Fail, Inconclusive, Pass};

        // Nothing that follows can be laid at the fault's door.
        if self.status == RunStatus::NotInjected {
            return (Inconclusive, Ground::NotInjected);
        }
        if !self.not_steady.is_empty() {
            return (Inconclusive, Ground::NotSteady(self.not_steady.clone()));
        }
        let failed = (!self.failed.is_empty()).then(|| Ground::Failed(self.failed.clone()));
        match self.evidence {
            None | Some(EvidenceState::Confirmed) => {}
            Some(state @ (EvidenceState::Absent | EvidenceState::Unknown)) => {
                return (Inconclusive, Ground::Evidence(state));
            }
            // Less than was claimed already broke it, or says nothing about all of it.
            Some(state @ EvidenceState::Smaller) => {
                return match failed {
                    Some(failed) => (Fail, failed),
                    None => (Inconclusive, Ground::Evidence(state)),
                };
            }
            // More than was claimed broke it: that is not the claim.
            Some(state @ EvidenceState::Larger) => {
                if failed.is_some() {
                    return (Inconclusive, Ground::Evidence(state));
                }
            }
        }
        // A fail was proven on what was seen; a pass would need the rest.
        if let Some(failed) = failed {
            return (Fail, failed);
        }
        if let Some(stopped) = self.status.ground() {
            return (Inconclusive, stopped);
        }
        if self.not_undone {
            return (Inconclusive, Ground::NotUndone);
        }
        if !self.untold.is_empty() {
            return (Inconclusive, Ground::Untold(self.untold.clone()));
        }
        if self.checks == 0 {
            return (Inconclusive, Ground::NothingChecked);
        }
        (Pass, Ground::AllHold)
    }

    /// Everything that is worth a note beside the deciding ground. The mechanism never changes an
    /// outcome; that it was not seen makes a pass a near miss.
    fn noted(&self, outcome: Outcome) -> Vec<Ground> {
        let mut noted = Vec::new();
        noted.extend(self.status.ground());
        let named = |ids: &[String], ground: fn(Vec<String>) -> Ground| {
            (!ids.is_empty()).then(|| ground(ids.to_vec()))
        };
        noted.extend(named(&self.not_steady, Ground::NotSteady));
        noted.extend(
            self.evidence.filter(|state| *state != EvidenceState::Confirmed).map(Ground::Evidence),
        );
        noted.extend(named(&self.failed, Ground::Failed));
        noted.extend(self.not_undone.then_some(Ground::NotUndone));
        noted.extend(named(&self.untold, Ground::Untold));
        if self.placebo {
            noted.push(Ground::Placebo);
        }
        if outcome == Outcome::Pass {
            noted.extend(match self.mechanism {
                None | Some(MechanismState::Held) => None,
                Some(MechanismState::Unknown) => Some(Ground::MechanismUnknown),
                Some(MechanismState::NotSeen) => Some(Ground::MechanismNotSeen),
            });
        }
        noted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUSES: [RunStatus; 5] = [
        RunStatus::Complete,
        RunStatus::NotInjected,
        RunStatus::Interrupted,
        RunStatus::GuardTripped,
        RunStatus::Incomplete,
    ];

    const EVIDENCE: [Option<EvidenceState>; 6] = [
        None,
        Some(EvidenceState::Confirmed),
        Some(EvidenceState::Larger),
        Some(EvidenceState::Smaller),
        Some(EvidenceState::Absent),
        Some(EvidenceState::Unknown),
    ];

    /// Failed and untold checks of three: all pass, one untold, one fails, one of each.
    const CHECKS: [(usize, usize); 4] = [(0, 0), (0, 1), (1, 0), (1, 1)];

    fn facts(
        status: RunStatus,
        steady: bool,
        evidence: Option<EvidenceState>,
        (failed, untold): (usize, usize),
    ) -> Facts {
        let ids = |n: usize, word: &str| (0..n).map(|i| format!("{word}{i}")).collect();
        Facts {
            status,
            not_steady: ids(usize::from(!steady), "before"),
            evidence,
            placebo: evidence.is_none(),
            mechanism: Some(MechanismState::Held),
            not_undone: false,
            checks: 3,
            failed: ids(failed, "failed"),
            untold: ids(untold, "untold"),
        }
    }

    /// Walks one status: a row for each evidence, a column for each of [`CHECKS`].
    #[track_caller]
    fn check(status: RunStatus, steady: bool, table: [(&str, &str); 6]) {
        for (evidence, (name, row)) in EVIDENCE.into_iter().zip(table) {
            assert_eq!(evidence.map_or("placebo", EvidenceState::name), name);
            let got: String = CHECKS
                .into_iter()
                .map(|checks| {
                    let (outcome, grounds) = facts(status, steady, evidence, checks).decide();
                    assert!(!grounds.is_empty());
                    match outcome {
                        Outcome::Pass => 'P',
                        Outcome::Fail => 'F',
                        Outcome::Inconclusive => '?',
                    }
                })
                .collect();
            assert_eq!(got, row, "{status:?}, steady: {steady}, evidence: {name}");
        }
    }

    #[test]
    fn a_complete_run_is_judged_by_evidence_and_checks() {
        // all pass · one untold · one fails · one of each
        check(
            RunStatus::Complete,
            true,
            [
                ("placebo", "P?FF"),
                ("confirmed", "P?FF"),
                ("larger", "P???"),
                ("smaller", "??FF"),
                ("absent", "????"),
                ("unknown", "????"),
            ],
        );
    }

    #[test]
    fn a_run_that_was_stopped_fails_on_proof_and_never_passes() {
        for status in [RunStatus::Interrupted, RunStatus::GuardTripped, RunStatus::Incomplete] {
            check(
                status,
                true,
                [
                    ("placebo", "??FF"),
                    ("confirmed", "??FF"),
                    ("larger", "????"),
                    ("smaller", "??FF"),
                    ("absent", "????"),
                    ("unknown", "????"),
                ],
            );
        }
    }

    const NEVER_TOLD: [(&str, &str); 6] = [
        ("placebo", "????"),
        ("confirmed", "????"),
        ("larger", "????"),
        ("smaller", "????"),
        ("absent", "????"),
        ("unknown", "????"),
    ];

    #[test]
    fn without_an_injection_nothing_is_told() {
        check(RunStatus::NotInjected, true, NEVER_TOLD);
    }

    #[test]
    fn without_a_steady_before_nothing_is_told() {
        for status in STATUSES {
            check(status, false, NEVER_TOLD);
        }
    }

    #[test]
    fn no_checks_cannot_pass() {
        let facts = Facts {
            checks: 0,
            ..facts(RunStatus::Complete, true, Some(EvidenceState::Confirmed), (0, 0))
        };
        assert_eq!(facts.decide(), (Outcome::Inconclusive, vec![Ground::NothingChecked]));
    }

    #[track_caller]
    fn check_grounds(facts: &Facts, want: &[&str]) {
        let (_, grounds) = facts.decide();
        assert_eq!(grounds.iter().map(Ground::code).collect::<Vec<_>>(), want);
    }

    #[test]
    fn the_deciding_ground_comes_first_and_the_others_are_noted() {
        let confirmed = Some(EvidenceState::Confirmed);
        check_grounds(&facts(RunStatus::Complete, true, confirmed, (0, 0)), &["all_hold"]);
        check_grounds(&facts(RunStatus::Complete, true, None, (0, 0)), &["all_hold", "placebo"]);
        check_grounds(
            &facts(RunStatus::Complete, true, Some(EvidenceState::Larger), (0, 0)),
            &["all_hold", "evidence_larger"],
        );
        check_grounds(
            &facts(RunStatus::Complete, true, Some(EvidenceState::Smaller), (1, 1)),
            &["failed", "evidence_smaller", "untold"],
        );
        check_grounds(
            &facts(RunStatus::GuardTripped, true, confirmed, (1, 0)),
            &["failed", "guard_tripped"],
        );
        check_grounds(
            &facts(RunStatus::Interrupted, false, Some(EvidenceState::Absent), (1, 0)),
            &["not_steady", "interrupted", "evidence_absent", "failed"],
        );
        check_grounds(
            &facts(RunStatus::NotInjected, false, Some(EvidenceState::Absent), (0, 3)),
            &["not_injected", "not_steady", "evidence_absent", "untold"],
        );
    }

    #[test]
    fn a_fault_that_was_not_taken_back_never_passes() {
        let confirmed = Some(EvidenceState::Confirmed);
        let facts = |checks| Facts {
            not_undone: true,
            ..facts(RunStatus::Complete, true, confirmed, checks)
        };
        check_grounds(&facts((0, 0)), &["not_undone"]);
        assert_eq!(facts((0, 0)).decide().0, Outcome::Inconclusive);
        check_grounds(&facts((1, 0)), &["failed", "not_undone"]);
        assert_eq!(facts((1, 0)).decide().0, Outcome::Fail);
    }

    #[test]
    fn the_mechanism_never_changes_an_outcome_but_makes_a_pass_a_near_miss() {
        let near_miss = |mechanism, checks| {
            let evidence = Some(EvidenceState::Confirmed);
            let facts = facts(RunStatus::Complete, true, evidence, checks);
            Facts { mechanism: Some(mechanism), ..facts }
        };
        let (not_seen, unknown) = (MechanismState::NotSeen, MechanismState::Unknown);
        check_grounds(&near_miss(not_seen, (0, 0)), &["all_hold", "mechanism_not_seen"]);
        check_grounds(&near_miss(unknown, (0, 0)), &["all_hold", "mechanism_unknown"]);
        check_grounds(&near_miss(not_seen, (1, 0)), &["failed"]);
        assert_eq!(near_miss(not_seen, (0, 0)).decide().0, Outcome::Pass);
    }
}
