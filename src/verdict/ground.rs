//! Why a run has the verdict that it has. Codes are interface; the text is for people.

use std::fmt;

use crate::analysis::EvidenceState;

/// Why a run has the verdict that it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ground {
    /// All checks hold.
    AllHold,
    /// Some checks fail: their ids.
    Failed(Vec<String>),
    /// Some checks cannot be told: their ids.
    Untold(Vec<String>),
    /// The hypothesis has no check, so nothing was claimed.
    NothingChecked,
    /// *Before* was not steady: the ids of the checks that show it.
    NotSteady(Vec<String>),
    /// The evidence is not what was asked for.
    Evidence(EvidenceState),
    /// The fault was not injected, because *before* was not steady.
    NotInjected,
    /// The run was stopped by a signal.
    Interrupted,
    /// The run was stopped by its guard.
    GuardTripped,
    /// The recording is incomplete: the run was killed.
    Incomplete,
    /// What the fault did could not be taken back.
    NotUndone,
    /// The hypothesis held, but the mechanism that it names was not seen: a near miss.
    MechanismNotSeen,
    /// It cannot be told whether the mechanism was at work.
    MechanismUnknown,
    /// Nothing was disturbed: a placebo run.
    Placebo,
}

impl Ground {
    /// A stable code, for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Self::AllHold => "all_hold",
            Self::Failed(_) => "failed",
            Self::Untold(_) => "untold",
            Self::NothingChecked => "nothing_checked",
            Self::NotSteady(_) => "not_steady",
            Self::Evidence(state) => match state {
                EvidenceState::Confirmed => "evidence_confirmed",
                EvidenceState::Larger => "evidence_larger",
                EvidenceState::Smaller => "evidence_smaller",
                EvidenceState::Absent => "evidence_absent",
                EvidenceState::Unknown => "evidence_unknown",
            },
            Self::NotInjected => "not_injected",
            Self::Interrupted => "interrupted",
            Self::GuardTripped => "guard_tripped",
            Self::Incomplete => "incomplete",
            Self::NotUndone => "not_undone",
            Self::MechanismNotSeen => "mechanism_not_seen",
            Self::MechanismUnknown => "mechanism_unknown",
            Self::Placebo => "placebo",
        }
    }
}

impl fmt::Display for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AllHold => f.write_str("every check held"),
            Self::Failed(ids) => write!(f, "did not hold: {}", Names(ids)),
            Self::Untold(ids) => write!(f, "could not be told: {}", Names(ids)),
            Self::NothingChecked => f.write_str("the hypothesis has no check of *during* or *after*, so nothing was tried"),
            Self::NotSteady(ids) => write!(
                f,
                "*before* was not seen to be steady ({}), so what followed cannot be told from what was there already",
                Names(ids)
            ),
            Self::Evidence(state) => f.write_str(match state {
                EvidenceState::Confirmed => "the fault was seen, as large as asked for",
                EvidenceState::Larger => {
                    "the fault was larger than asked for: a pass says more than was claimed, a fail says nothing about the claim"
                }
                EvidenceState::Smaller => {
                    "the fault was smaller than asked for: a pass would not be one of the fault claimed"
                }
                EvidenceState::Absent => {
                    "the fault was looked for and not seen: there was nothing to withstand"
                }
                EvidenceState::Unknown => {
                    "it cannot be told whether the fault happened: nobody but the injector could have seen it"
                }
            }),
            Self::NotInjected => {
                f.write_str("nothing was injected, because *before* was not seen to be steady")
            }
            Self::Interrupted => f.write_str("the run was interrupted before its end"),
            Self::GuardTripped => f.write_str("the guard stopped the run"),
            Self::Incomplete => {
                f.write_str("the recording has no end: the run was killed, and what it saw last is kept")
            }
            Self::NotUndone => f.write_str(
                "what the fault did could not be taken back, so *after* was not without it: `homeostat undo` tries again",
            ),
            Self::MechanismNotSeen => f.write_str(
                "it held, but the mechanism that the claim names was not seen at work: a near miss",
            ),
            Self::MechanismUnknown => f.write_str(
                "it held, but whether for the reason claimed cannot be told: the mechanism could not be seen",
            ),
            Self::Placebo => f.write_str("nothing was disturbed: a placebo run"),
        }
    }
}

/// Ids of checks as one text: `a`, `b` and 3 more.
struct Names<'a>(&'a [String]);

impl Names<'_> {
    /// How many are named; the rest is counted.
    const NAMED: usize = 3;
}

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, id) in self.0.iter().take(Self::NAMED).enumerate() {
            write!(f, "{}`{id}`", if place == 0 { "" } else { ", " })?;
        }
        match self.0.len().saturating_sub(Self::NAMED) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_checks_are_named_and_counted() {
        let ids = |n: usize| (0..n).map(|i| format!("c{i}")).collect();
        insta::assert_snapshot!(Ground::Failed(ids(1)), @"did not hold: `c0`");
        insta::assert_snapshot!(
            Ground::Untold(ids(5)),
            @"could not be told: `c0`, `c1`, `c2` and 2 more"
        );
    }
}
