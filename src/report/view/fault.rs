//! What was disturbed, what was seen of it, and how each pod came back.

use super::{
    super::{
        Subject,
        text::{count, list, plain, seconds_text},
    },
    answer::Tone,
    figure::Scene,
};
use crate::{
    analysis::{BlastRadius, EvidenceState, Hit, MechanismState},
    number::digits,
};

/// What was disturbed, and what was seen of it.
#[derive(Clone, Debug)]
pub(crate) struct FaultView {
    /// What was asked: `kill_pods: 30 % of 10 ready pods is 3`.
    pub(crate) asked: String,
    /// What was hit, in one line: `3 of 10 pods lost, 3 asked`. Empty when no pods are named.
    pub(crate) extent: String,
    /// The measures of the blast radius.
    pub(crate) impact: Vec<String>,
    /// Each item of evidence.
    pub(crate) evidence: Vec<Finding>,
    /// Each mechanism.
    pub(crate) mechanisms: Vec<Finding>,
    /// Each pod that was lost.
    pub(crate) recovered: Vec<Recovered>,
}

/// What one item of evidence, or one mechanism, came to.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    /// What was asked for, or claimed.
    pub(crate) asked: String,
    /// The word for what came of it.
    pub(crate) state: &'static str,
    /// Whether that is good news.
    pub(crate) tone: Tone,
    /// What was seen.
    pub(crate) seen: String,
}

/// How one lost pod came back.
#[derive(Clone, Debug)]
pub(crate) struct Recovered {
    /// The pod.
    pub(crate) pod: String,
    /// When it was lost.
    pub(crate) lost: String,
    /// What came in its place.
    pub(crate) by: String,
    /// When that one was ready.
    pub(crate) ready: String,
    /// From the loss to readiness.
    pub(crate) took: String,
    /// The same, as a number; none when it never came back.
    pub(crate) took_s: Option<f64>,
}

impl FaultView {
    pub(super) fn new(subject: &Subject<'_>, scene: &Scene) -> Self {
        let note = &subject.manifest.fault;
        let blast = subject.analysis.blast.as_ref();
        let kind = subject.hypothesis.fault.kind();
        let evidence = subject.analysis.evidence.iter().map(|item| Finding {
            asked: plain(&item.asked),
            state: item.state.name(),
            tone: match item.state {
                EvidenceState::Confirmed => Tone::Good,
                EvidenceState::Larger | EvidenceState::Unknown => Tone::Unsure,
                EvidenceState::Smaller | EvidenceState::Absent => Tone::Bad,
            },
            seen: plain(&item.seen),
        });
        let mechanisms = subject.analysis.mechanisms.iter().map(|item| Finding {
            asked: plain(&item.claimed),
            state: match item.state {
                MechanismState::Held => "held",
                MechanismState::Unknown => "unknown",
                MechanismState::NotSeen => "not seen",
            },
            tone: match item.state {
                MechanismState::Held => Tone::Good,
                MechanismState::Unknown => Tone::Unsure,
                MechanismState::NotSeen => Tone::Bad,
            },
            seen: plain(&item.seen),
        });
        let hits = blast.map(|blast| blast.hit.as_slice()).unwrap_or_default();
        Self {
            asked: match note.asked.as_str() {
                "" => kind.to_owned(),
                asked => format!("{kind}: {}", plain(asked)),
            },
            extent: blast.map(extent).unwrap_or_default(),
            impact: blast.map(impact).unwrap_or_default(),
            evidence: evidence.collect(),
            mechanisms: mechanisms.collect(),
            recovered: hits.iter().map(|hit| recovered(hit, scene)).collect(),
        }
    }

    /// The extent after a separator, and a full stop, for the end of a sentence.
    pub(super) fn extent_after(&self, separator: &str) -> String {
        if self.extent.is_empty() { ".".to_owned() } else { format!("{separator}{}.", self.extent) }
    }
}

fn extent(blast: &BlastRadius) -> String {
    let asked = blast.asked.map(|asked| format!(", {asked} asked")).unwrap_or_default();
    format!("{} of {} lost{asked}", blast.hit.len(), count(blast.population, "pod"))
}

fn impact(blast: &BlastRadius) -> Vec<String> {
    let outside: Vec<String> = blast.collateral.iter().map(|name| plain(name)).collect();
    vec![
        format!("at most {} down at once, of {} ready", blast.most_down, blast.ready_at_start),
        format!("{} pod-seconds of readiness lost", digits(blast.pod_seconds_lost)),
        match outside.as_slice() {
            [] => "no pod outside the selector was lost".to_owned(),
            names => format!("lost outside the selector: {}", list(names, 5)),
        },
    ]
}

fn recovered(hit: &Hit, scene: &Scene) -> Recovered {
    let took_s = hit.replacement_ready_at.map(|ready| ready.seconds_from(hit.at));
    Recovered {
        pod: plain(&hit.name),
        lost: scene.clock(hit.at),
        by: hit.replaced_by.as_deref().map_or_else(|| "nothing seen".to_owned(), plain),
        ready: hit
            .replacement_ready_at
            .map_or_else(|| "not seen ready".to_owned(), |time| scene.clock(time)),
        took: took_s.map(seconds_text).unwrap_or_default(),
        took_s,
    }
}
