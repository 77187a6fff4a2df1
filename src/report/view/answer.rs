//! The first screen: the five questions that a reader comes with, answered.

use super::{
    super::{
        Subject,
        text::{count, list, percent, plain, seconds_text, together},
    },
    check::{self, CheckView},
    fault::FaultView,
    is_placebo,
    trust::Trust,
};
use crate::{
    analysis::{EvidenceState, MechanismState},
    record::Status,
    verdict::{Ground, Outcome},
};

/// An answer to one of the five questions.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The question.
    pub(crate) question: &'static str,
    /// Whether it is good news, with a sign that differs by shape.
    pub(crate) tone: Tone,
    /// The answer, in a sentence.
    pub(crate) text: String,
    /// What else belongs to it.
    pub(crate) details: Vec<String>,
}

/// Whether an answer is good news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// It is.
    Good,
    /// It is not.
    Bad,
    /// It could not be told.
    Unsure,
    /// Neither.
    Plain,
}

impl Tone {
    /// Its sign: a shape, so that it does not hang on colour.
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Bad => "✗",
            Self::Unsure => "?",
            Self::Plain => "·",
        }
    }

    /// Its word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Unsure => "unsure",
            Self::Plain => "plain",
        }
    }

    /// The tone of an outcome.
    pub(crate) fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Pass => Self::Good,
            Outcome::Fail => Self::Bad,
            Outcome::Inconclusive => Self::Unsure,
        }
    }
}

/// The five answers, in the order in which they are asked.
pub(super) fn answers(
    subject: &Subject<'_>,
    checks: &[CheckView],
    fault: &FaultView,
    trust: &Trust,
) -> Vec<Answer> {
    vec![
        did_it_hold(subject, checks),
        for_the_reason(subject, fault),
        how_much_room(checks),
        was_it_real(subject, fault),
        what_not_to_trust(trust),
    ]
}

fn did_it_hold(subject: &Subject<'_>, checks: &[CheckView]) -> Answer {
    let of = |outcome| checks.iter().filter(move |check| check.outcome == outcome);
    let tone = Tone::of(subject.verdicts.outcome);
    let held = check::held(checks, subject.verdicts.outcome);
    let text = match subject.verdicts.outcome {
        Outcome::Pass => format!("Yes: {held}."),
        Outcome::Fail => format!("No: {held}."),
        Outcome::Inconclusive if checks.is_empty() => "It could not be told.".to_owned(),
        Outcome::Inconclusive => format!("It could not be told; {held}."),
    };
    let failed = of(Outcome::Fail).map(|check| {
        if check.room.is_empty() {
            format!("{} did not hold", check.id)
        } else {
            format!("{} did not hold: {}", check.id, check.room)
        }
    });
    let untold = together(of(Outcome::Inconclusive).map(|check| {
        let why = check.reasons.first().map_or("could not be told", |why| why.text.as_str());
        (check.id.clone(), why.to_owned())
    }));
    // The grounds that no single check shows: they decide over the checks.
    let beyond = subject.verdicts.grounds.iter().filter(|ground| match ground {
        Ground::NothingChecked
        | Ground::NotSteady(_)
        | Ground::NotInjected
        | Ground::Evidence(_)
        | Ground::Interrupted
        | Ground::GuardTripped
        | Ground::Incomplete
        | Ground::NotUndone => true,
        Ground::AllHold
        | Ground::Failed(_)
        | Ground::Untold(_)
        | Ground::MechanismNotSeen
        | Ground::MechanismUnknown
        | Ground::Placebo => false,
    });
    let beyond = beyond.map(|ground| super::ground(ground).text);
    let details = beyond.chain(failed).chain(untold).collect();
    Answer { question: "Did it hold?", tone, text, details }
}

fn for_the_reason(subject: &Subject<'_>, fault: &FaultView) -> Answer {
    let held = subject.verdicts.outcome == Outcome::Pass;
    let (tone, text) = match subject.verdicts.mechanism {
        None => (Tone::Plain, "No reason is claimed (`because` is empty)."),
        Some(MechanismState::Held) => (Tone::Good, "Yes: what should absorb it was seen at work."),
        Some(MechanismState::NotSeen) if held => {
            (Tone::Bad, "No: held, but not for the reason claimed. A near miss.")
        }
        Some(MechanismState::NotSeen) => {
            (Tone::Bad, "No: what should absorb it was not seen at work.")
        }
        Some(MechanismState::Unknown) => {
            (Tone::Unsure, "It could not be told: the mechanism could not be seen.")
        }
    };
    let details = fault.mechanisms.iter().map(|m| format!("{}: {}", m.asked, m.seen)).collect();
    Answer { question: "For the reason claimed?", tone, text: text.to_owned(), details }
}

fn how_much_room(checks: &[CheckView]) -> Answer {
    let question = "How much room was left?";
    let Some((tightest, margin)) =
        check::tightest(checks).and_then(|check| Some((check, check.margin_value?)))
    else {
        let text = "It could not be told: no margin could be measured.".to_owned();
        return Answer { question, tone: Tone::Unsure, text, details: Vec::new() };
    };
    let tone = if margin < 0.0 { Tone::Bad } else { Tone::Plain };
    let mut details = vec![format!("tightest check: {}", tightest.id)];
    if !tightest.margin_interval.is_empty() {
        details
            .push(format!("margin between {}", tightest.margin_interval.replace(" to ", " and ")));
    }
    Answer { question, tone, text: format!("{}.", super::sentence(&tightest.room)), details }
}

fn was_it_real(subject: &Subject<'_>, fault: &FaultView) -> Answer {
    let question = "Was the fault real?";
    let not_injected = subject.manifest.status == Status::NotInjected;
    let said = |tone, text: &str| (tone, format!("{text}{}", fault.extent_after(": ")));
    let (tone, text) = match subject.verdicts.evidence {
        _ if is_placebo(subject) => {
            (Tone::Plain, "A placebo run: nothing was disturbed.".to_owned())
        }
        _ if not_injected => (Tone::Unsure, "Nothing was injected.".to_owned()),
        Some(EvidenceState::Confirmed) => said(Tone::Good, "Yes"),
        Some(EvidenceState::Larger) => said(Tone::Unsure, "Yes, and larger than asked"),
        Some(EvidenceState::Smaller) => said(Tone::Bad, "Only in part"),
        Some(EvidenceState::Absent) => said(Tone::Bad, "No"),
        Some(EvidenceState::Unknown) => said(Tone::Unsure, "It could not be told"),
        None => said(Tone::Unsure, "No evidence was asked for"),
    };
    let evidence = fault.evidence.iter().map(|item| format!("{}: {}", item.asked, item.seen));
    let details = fault.impact.iter().cloned().chain(evidence).collect();
    Answer { question, tone, text, details }
}

fn what_not_to_trust(trust: &Trust) -> Answer {
    let details = trust.caveats.clone();
    let (tone, text) = match details.len() {
        0 => (Tone::Good, "Nothing is known to be missing.".to_owned()),
        n => (Tone::Unsure, format!("{} to keep in mind.", count(n, "thing"))),
    };
    Answer { question: "What can I not trust?", tone, text, details }
}

/// What went right, as far as it was seen: the other half of learning from a run.
///
/// States what was observed and claims no cause.
pub(super) fn went_right(
    subject: &Subject<'_>,
    checks: &[CheckView],
    fault: &FaultView,
) -> Vec<String> {
    let mut right = Vec::new();
    for finding in &subject.analysis.mechanisms {
        if finding.state == MechanismState::Held {
            right.push(format!("{}: {}.", plain(&finding.claimed), plain(&finding.seen)));
        }
    }
    if let Some(blast) = &subject.analysis.blast
        && !blast.hit.is_empty()
    {
        let stayed = blast.ready_at_start.saturating_sub(blast.most_down);
        if stayed > 0 {
            let ready = count(blast.ready_at_start, "ready pod");
            right.push(format!("At least {stayed} of {ready} stayed ready at every moment."));
        }
        let back = fault.recovered.iter().filter_map(|pod| pod.took_s);
        if let Some(slowest) = back.clone().max_by(f64::total_cmp) {
            right.push(format!(
                "{} of {} replaced and ready again, the slowest after {}.",
                back.count(),
                count(blast.hit.len(), "lost pod"),
                seconds_text(slowest)
            ));
        }
    }
    let mut held: Vec<_> = checks.iter().filter(|check| check.outcome == Outcome::Pass).collect();
    held.sort_by(|a, b| {
        let margin = |check: &CheckView| check.margin_value.unwrap_or(f64::NEG_INFINITY);
        margin(b).total_cmp(&margin(a))
    });
    let names: Vec<String> = held
        .iter()
        .filter_map(|c| Some(format!("{} ({})", c.id, percent(c.margin_value?))))
        .collect();
    if !names.is_empty() {
        right.push(format!("Held, with this much room left: {}.", list(&names, 6)));
    }
    let steady = &subject.verdicts.steady;
    if !steady.is_empty() && steady.iter().all(|check| check.outcome == Outcome::Pass) {
        right.push("The system was steady before it was disturbed.".to_owned());
    }
    right
}
