//! What a report says, in words: every number becomes text here, once, and nowhere else.
//!
//! A function of its arguments. It takes verdicts as they are and makes none.

mod answer;
mod check;
mod fault;
mod figure;
mod lane;
mod provenance;
mod reach;
mod timeline;
mod trust;

pub(crate) use answer::{Answer, Tone};
pub(crate) use check::{CheckView, Gauge, Reason};
pub(crate) use fault::{FaultView, Finding};
pub(crate) use figure::{BoundLine, Dot, Figure, Scene, Side, Spread};
pub(crate) use lane::{Lane, LaneSpan, LaneState};
pub(crate) use provenance::Fact;
pub(crate) use timeline::Timeline;
pub(crate) use trust::Trust;

use super::{
    Subject,
    json::Document,
    text::{plain, plain_lines, sentence, unstarred},
};
use crate::{
    analysis::MechanismState,
    hypothesis::model::Fault,
    time::Time,
    verdict::{Ground, Outcome},
};

/// What a report says. Made once; every format is laid out from it.
#[derive(Clone, Debug)]
pub struct View {
    /// The hypothesis' name.
    pub(crate) name: String,
    /// What it claims.
    pub(crate) claim: String,
    /// The run.
    pub(crate) run_id: String,
    /// When it started: for the formats that want a time of their own.
    pub(crate) started_at: Time,
    /// How long the run was, seconds.
    pub(crate) length_s: f64,
    /// The verdict.
    pub(crate) outcome: Outcome,
    /// The verdict in a sentence.
    pub(crate) headline: String,
    /// Its grounds, the deciding one first.
    pub(crate) grounds: Vec<Reason>,
    /// The five questions that the first screen answers.
    pub(crate) answers: Vec<Answer>,
    /// The least margin as a gauge.
    pub(crate) gauge: Option<Gauge>,
    /// What went right.
    pub(crate) right: Vec<String>,
    /// Each check.
    pub(crate) checks: Vec<CheckView>,
    /// Each absolute objective, held against *before*.
    pub(crate) steady: Vec<CheckView>,
    /// What was disturbed, and what was seen of it.
    pub(crate) fault: FaultView,
    /// What happened, in order.
    pub(crate) timeline: Timeline,
    /// The axis of time that all plots share.
    pub(crate) scene: Scene,
    /// Each indicator over time.
    pub(crate) figures: Vec<Figure>,
    /// Each pod over time.
    pub(crate) lanes: Vec<Lane>,
    /// Pods that have no lane, because there are too many.
    pub(crate) lanes_left_out: usize,
    /// The quality of the data.
    pub(crate) trust: Trust,
    /// What run this was, and of what.
    pub(crate) provenance: Vec<Fact>,
    /// The hypothesis as written.
    pub(crate) hypothesis_text: String,
    /// The exact numbers.
    pub(crate) document: Document,
}

impl View {
    /// Says in words what a run came to.
    pub fn new(subject: &Subject<'_>) -> Self {
        let Subject { manifest, hypothesis, observed, analysis, verdicts } = *subject;
        let scene = Scene::new(subject);
        let checks = check::views(subject, &verdicts.checks, &scene);
        let steady = check::views(subject, &verdicts.steady, &scene);
        let trust = Trust::new(subject, &checks);
        let fault = FaultView::new(subject, &scene);
        let (lanes, lanes_left_out) = lane::lanes(observed, analysis.blast.as_ref(), &scene);
        let headline = headline(subject);
        Self {
            document: Document::new(subject, &headline, &trust.caveats),
            name: plain(&manifest.hypothesis_name),
            claim: plain(&hypothesis.claim),
            run_id: plain(&manifest.run_id),
            started_at: manifest.started_at,
            length_s: scene.end - scene.start,
            outcome: verdicts.outcome,
            headline,
            grounds: verdicts.grounds.iter().map(ground).collect(),
            answers: answer::answers(subject, &checks, &fault, &trust),
            gauge: check::tightest(&checks).and_then(|check| check.gauge),
            right: answer::went_right(subject, &checks, &fault),
            checks,
            steady,
            timeline: Timeline::new(subject, &scene),
            figures: figure::figures(subject, &scene),
            scene,
            lanes,
            lanes_left_out,
            fault,
            trust,
            provenance: provenance::facts(subject),
            hypothesis_text: plain_lines(&manifest.hypothesis_text),
        }
    }

    /// The verdict's word: never told by colour alone.
    pub(crate) fn word(&self) -> &'static str {
        word(self.outcome)
    }

    /// A sign for the verdict that differs by shape.
    pub(crate) fn sign(&self) -> &'static str {
        Tone::of(self.outcome).sign()
    }
}

/// The word for an outcome in the formats that people read.
pub(crate) fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "PASS",
        Outcome::Fail => "FAIL",
        Outcome::Inconclusive => "INCONCLUSIVE",
    }
}

fn ground(ground: &Ground) -> Reason {
    Reason { code: ground.code(), text: unstarred(&ground.to_string()) }
}

/// The verdict in a sentence. A pass says at once what kind of pass it is.
fn headline(subject: &Subject<'_>) -> String {
    let verdicts = subject.verdicts;
    let placebo = is_placebo(subject);
    let said = match verdicts.outcome {
        Outcome::Pass if placebo => "Nothing was disturbed, and the checks held",
        Outcome::Pass => match verdicts.mechanism {
            Some(MechanismState::NotSeen) => "Held, but not for the reason claimed",
            Some(MechanismState::Unknown) => {
                "Held; whether for the reason claimed could not be told"
            }
            Some(MechanismState::Held) => "Held, and for the reason claimed",
            None => "The hypothesis held",
        },
        Outcome::Fail if placebo => "Nothing was disturbed, and still the checks did not hold",
        Outcome::Fail => "The hypothesis did not hold",
        // What could not be told, and why: the deciding ground says both.
        Outcome::Inconclusive => {
            let why = verdicts.grounds.first().map(|why| unstarred(&why.to_string()));
            return sentence(&why.unwrap_or_else(|| "it could not be told".to_owned()));
        }
    };
    if placebo { format!("Placebo run. {said}") } else { said.to_owned() }
}

/// Whether nothing was meant to be disturbed.
fn is_placebo(subject: &Subject<'_>) -> bool {
    matches!(subject.hypothesis.fault, Fault::None)
}
