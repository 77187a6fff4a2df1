//! From what was seen to what it says, without judging: indicators on their grids, the blast
//! radius, the evidence, the mechanism. Pure: a function of the hypothesis and the observation.

mod answered;
mod birth;
mod blast;
pub(crate) mod buckets;
mod cadence;
mod confirm;
mod counter;
mod doubt;
mod gauge;
mod histogram;
pub(crate) mod indicator;
mod left;
mod losses;
mod mechanism;
#[cfg(test)]
pub(crate) mod notation;
mod pods_lost;
mod rate;
mod reached;
#[cfg(test)]
pub(crate) mod scene;
pub(crate) mod semantics;
mod size;
pub(crate) mod stats;
mod summary;
mod sums;
mod targets_lost;
mod track;
mod traffic;
mod unseen;
mod words;

use std::time::Duration;

use crate::{
    frame::{FaultAction, Observed},
    hypothesis::{
        Hypothesis,
        model::{Indicator, IndicatorId},
    },
    sample::Point,
    time::Time,
    window::Phase,
};
pub(crate) use cadence::{due_after, has_until, interval, patience};
pub(crate) use doubt::Doubt;
use indicator::Plan;
pub use size::check_size;

/// The version of the rules by which a recording is analysed and judged. The same version gives
/// the same bytes from the same recording.
pub(crate) const ANALYSIS_VERSION: u32 = 5;

/// What an observation says; a run that is still going on is an observation too, of the phases
/// that it reached.
pub fn analyse(hypothesis: &Hypothesis, observed: &Observed) -> Analysis {
    let tracks = track::tracks(hypothesis, observed);
    Analysis {
        blast: blast::blast_radius(hypothesis, observed),
        evidence: confirm::evidence(hypothesis, observed, &tracks),
        mechanisms: mechanism::mechanisms(hypothesis, observed, &tracks),
        injected_at: observed.injected_at,
        not_undone: observed.fault.iter().any(|row| row.action == FaultAction::Undone && !row.ok),
        tracks,
    }
}

/// The value of one indicator at one time, for the live bar and the guard. None when nothing was
/// seen, NaN when there was no number.
///
/// Its bounds leave out what was lost with processes that ended: how much that may be is a
/// question of the verdict, and no sign of harm that would have to end the run.
pub(crate) fn newest(
    hypothesis: &Hypothesis,
    indicator: &Indicator,
    observed: &Observed,
    at: Time,
) -> Option<Point> {
    // What a check could not be judged by is nothing that a guard could trip at.
    let doubtful = || doubt::doubts(indicator, observed).iter().any(|doubt| doubt.code().is_some());
    if !track::is_alive(indicator, observed, at) || doubtful() {
        return None;
    }
    let interval = interval(&hypothesis.sources, indicator, observed);
    let plan = Plan::of(indicator, observed, interval, hypothesis.phases.step);
    let plan = plan.without_lost();
    // A server evaluates at the times of the grid only.
    let at = if plan.is_evaluated() { plan.seen_until(at)? } else { at };
    plan.at(at, hypothesis.phases.step)
}

/// Up to when, at most `at`, an indicator's own series, pods or events were seen, for the guard:
/// a value can be carried on long after the last sample. None when they never were.
pub(crate) fn seen_until(
    hypothesis: &Hypothesis,
    indicator: &Indicator,
    observed: &Observed,
    at: Time,
) -> Option<Time> {
    Plan::of(indicator, observed, None, hypothesis.phases.step).seen_until(at)
}

/// What a recording says.
#[derive(Clone, Debug, PartialEq)]
pub struct Analysis {
    /// One for each indicator of the hypothesis, in its order.
    pub tracks: Vec<Track>,
    /// What was seen of the pods that the fault, or else the evidence, or else the mechanism
    /// names; none when no pods are named, or when pods were not watched.
    pub blast: Option<BlastRadius>,
    /// One for each item of `evidence`, in its order.
    pub evidence: Vec<EvidenceFinding>,
    /// One for each item of `because`, in its order.
    pub mechanisms: Vec<MechanismFinding>,
    /// When each recovery is counted from.
    pub injected_at: Option<Time>,
    /// Whether something that the fault did could not be taken back.
    pub not_undone: bool,
}

impl Analysis {
    /// The track of an indicator.
    pub fn track(&self, id: IndicatorId) -> &Track {
        &self.tracks[id.0]
    }
}

/// An indicator over the whole run.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    /// Every point that was computed, by time, whatever its phase; grid times at which nothing
    /// was seen have none.
    pub points: Vec<Point>,
    /// The part of each phase that the run reached, in order of the phases.
    pub phases: Vec<PhaseTrack>,
    /// What counter increments Prometheus' semantics cannot see here; none for indicators that
    /// are not made of counters.
    pub unseen: Option<Unseen>,
    /// What makes it doubtful although it has numbers.
    pub doubts: Vec<Doubt>,
}

impl Track {
    /// The part in one phase, when the run reached it.
    pub fn phase(&self, phase: Phase) -> Option<&PhaseTrack> {
        self.phases.iter().find(|track| track.phase == phase)
    }
}

/// An indicator in one phase: its grid, with the gaps in it.
#[derive(Clone, Debug, PartialEq)]
pub struct PhaseTrack {
    /// Which phase.
    pub phase: Phase,
    /// The times of the phase's grid, and what is there: a point with a number, a point whose
    /// value is NaN ("asked, no number"), or none ("nothing was seen").
    pub grid: Vec<(Time, Option<Point>)>,
    /// The distance of the grid's points.
    pub step: Duration,
    /// The numbers of the phase in figures; none when there is no number.
    pub summary: Option<Summary>,
    /// What was counted in the phase; none for indicators that are neither ratio nor quantile.
    pub traffic: Option<Traffic>,
}

/// What the counters behind a ratio or a quantile counted in a phase.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Traffic {
    /// How many requests, or whatever they count; those that no sample shows are not among them.
    pub requests: f64,
    /// The length of the phase, seconds.
    pub seconds: f64,
}

impl Traffic {
    /// Requests per second; 0 of a phase without length.
    pub fn per_second(self) -> f64 {
        if self.seconds > 0.0 { self.requests / self.seconds } else { 0.0 }
    }
}

impl PhaseTrack {
    /// The numbers of the phase, in order of time.
    pub fn numbers(&self) -> impl Iterator<Item = Point> {
        self.grid.iter().filter_map(|(_, point)| *point).filter(|point| !point.value.is_nan())
    }

    /// How many grid points have a number.
    pub fn n(&self) -> usize {
        self.numbers().count()
    }
}

/// A phase in figures. Quantiles are of the numbers, linear between ranks (Hyndman and Fan's
/// type 7).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// The least.
    pub min: f64,
    /// The first quartile.
    pub q1: f64,
    /// The median.
    pub median: f64,
    /// The third quartile.
    pub q3: f64,
    /// The greatest.
    pub max: f64,
    /// The mean.
    pub mean: f64,
}

/// Counter increments that the samples cannot show, bounded from above.
///
/// A pod that dies takes what it counted after its last scrape with it: at most its last rate ×
/// the time from the last scrape to its death. A new series starts with a first value that no
/// rate counts, unless it is known when it was 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Unseen {
    /// Series that ended during the run.
    pub ended: usize,
    /// Bound of the increments lost with them.
    pub lost: f64,
    /// Series that began during the run, nobody knows when.
    pub began: usize,
    /// Their first values, added up.
    pub first_values: f64,
    /// All increments that were seen, to compare with.
    pub seen: f64,
}

/// What was seen of the pods that a fault is about.
#[derive(Clone, Debug, PartialEq)]
pub struct BlastRadius {
    /// How many pods matched and were alive when the fault began.
    pub population: usize,
    /// How many of them were ready then.
    pub ready_at_start: usize,
    /// How many the fault was to hit, by its own rounding.
    pub asked: Option<usize>,
    /// The pods that were really lost during the fault, by time of loss.
    pub hit: Vec<Hit>,
    /// The most pods that were down at once: population ready at the start less the fewest ready.
    pub most_down: usize,
    /// Pod-seconds lost: the area between ready at the start and ready, over during and after.
    pub pod_seconds_lost: f64,
    /// Pods outside the selector that were lost during the fault, by name.
    pub collateral: Vec<String>,
    /// Ready pods over time, a step function: (time, ready, matching pods alive).
    pub ready: Vec<(Time, usize, usize)>,
}

/// A pod that was lost, and what replaced it.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Its uid.
    pub uid: String,
    /// Its name.
    pub name: String,
    /// When it was lost.
    pub at: Time,
    /// The pod that came in its place: same owner, in order of creation.
    pub replaced_by: Option<String>,
    /// When that one was ready.
    pub replacement_ready_at: Option<Time>,
}

/// How much of an asked fault was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EvidenceState {
    /// As much as was asked for.
    Confirmed,
    /// More than was asked for.
    Larger,
    /// Less than was asked for.
    Smaller,
    /// It could have been seen, and was not.
    Absent,
    /// It could not have been seen.
    Unknown,
}

impl EvidenceState {
    /// The word for it on disk and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Larger => "larger",
            Self::Smaller => "smaller",
            Self::Absent => "absent",
            Self::Unknown => "unknown",
        }
    }
}

/// What one item of evidence came to.
#[derive(Clone, Debug, PartialEq)]
pub struct EvidenceFinding {
    /// What was asked for, in words: `pods lost of app=api, at least 3`.
    pub asked: String,
    /// What came of it.
    pub state: EvidenceState,
    /// What was seen, in words, or why nothing could be.
    pub seen: String,
}

/// Whether a mechanism was seen at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MechanismState {
    /// It was.
    Held,
    /// It could not have been seen.
    Unknown,
    /// It could have been seen, and was not.
    NotSeen,
}

impl MechanismState {
    /// The word for it on disk and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Unknown => "unknown",
            Self::NotSeen => "not_seen",
        }
    }
}

/// What one item of `because` came to.
#[derive(Clone, Debug, PartialEq)]
pub struct MechanismFinding {
    /// What was claimed, in words: `app=api replaced within 30 s`.
    pub claimed: String,
    /// What came of it.
    pub state: MechanismState,
    /// What was seen, in words.
    pub seen: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analysis::{
            notation::{at, secs, set},
            scene::{api, hypothesis, pod, watched},
        },
        frame::AnswerRow,
        hypothesis::{
            model::{Absent, Amount, Evidence, IndicatorKind, Level, Mechanism, Since},
            selector::SeriesSelector,
        },
        number::Finite,
    };

    /// One of two pods is killed; the proxy's error ratio shows it.
    fn scene() -> (Hypothesis, Observed) {
        let part = SeriesSelector::parse("r{code=\"500\"}").unwrap();
        let whole = SeriesSelector::parse("r").unwrap();
        let mut hypothesis = hypothesis(vec![
            IndicatorKind::Ratio { part, whole, over: secs(20) },
            IndicatorKind::PodsReady { selector: api() },
        ]);
        let level = Level::Above(Finite::new(0.1).unwrap());
        hypothesis.evidence = vec![
            Evidence::PodsLost { selector: api(), at_least: Amount::Count(1) },
            Evidence::Indicator { indicator: IndicatorId(0), level, since: Since::Fault },
        ];
        hypothesis.because = vec![Mechanism::Replaced { selector: api(), within: secs(30) }];
        let mut observed = watched(vec![
            pod("a").ready(0).deleted(61),
            pod("b").ready(0),
            pod("n").created(61).ready(70),
        ]);
        observed.raw =
            set(5, &[("r{code=\"200\"}", "0+50x30"), ("r{code=\"500\"}", "0x12 30 60x17")]);
        (hypothesis, observed)
    }

    #[test]
    fn a_whole_run_says_what_happened() {
        let (hypothesis, observed) = scene();
        let analysis = analyse(&hypothesis, &observed);
        let states: Vec<&str> = analysis.evidence.iter().map(|found| found.state.name()).collect();
        assert_eq!(states, ["confirmed", "confirmed"]);
        assert_eq!(analysis.evidence[0].seen, "1 of 2 pods lost, at 00:01:01 UTC");
        assert_eq!(analysis.evidence[1].asked, "i0 at least 0.1");
        assert_eq!(analysis.mechanisms[0].state, MechanismState::Held);
        assert_eq!(analysis.mechanisms[0].claimed, "app=api replaced within 30 s");
        let blast = analysis.blast.as_ref().unwrap();
        assert_eq!((blast.population, blast.hit.len(), blast.most_down), (2, 1, 1));
        let ready = analysis.track(IndicatorId(1));
        assert_eq!(
            ready.phase(Phase::During).unwrap().summary.unwrap().min.to_bits(),
            1_f64.to_bits()
        );
    }

    #[test]
    fn a_run_that_goes_on_says_what_it_can() {
        let (hypothesis, mut observed) = scene();
        observed.phases.during = None;
        observed.phases.after = None;
        observed.injected_at = None;
        let analysis = analyse(&hypothesis, &observed);
        assert!(analysis.evidence.iter().all(|found| found.state == EvidenceState::Unknown));
        assert_eq!(analysis.mechanisms[0].state, MechanismState::Unknown);
        assert_eq!(analysis.track(IndicatorId(0)).phases.len(), 1);
        assert!(analysis.blast.unwrap().hit.is_empty());
    }

    #[test]
    fn the_newest_value_is_that_of_the_grid() {
        let (hypothesis, observed) = scene();
        let analysis = analyse(&hypothesis, &observed);
        for (indicator, track) in hypothesis.indicators.iter().zip(&analysis.tracks) {
            for point in &track.points {
                let newest = newest(&hypothesis, indicator, &observed, point.time).unwrap();
                assert_eq!(newest.value.to_bits(), point.value.to_bits());
            }
        }
        assert_eq!(newest(&hypothesis, &hypothesis.indicators[0], &observed, at(-10)), None);
    }

    #[test]
    fn the_newest_value_of_an_expression_is_its_last_answer() {
        let hypothesis = hypothesis(vec![IndicatorKind::PromQl("q".to_owned())]);
        let answer = |seconds, value| AnswerRow {
            indicator: "i0".to_owned(),
            labels: crate::sample::Labels::default(),
            time: at(seconds),
            value,
        };
        let answers = [answer(5, 7.0), answer(10, 8.0)].into_iter().collect();
        let observed = Observed { answers, ..Observed::default() };
        let newest =
            |seconds| newest(&hypothesis, &hypothesis.indicators[0], &observed, at(seconds));
        assert_eq!(newest(13), Some(Point::exact(at(10), 8.0)));
        assert_eq!(newest(9), Some(Point::exact(at(5), 7.0)));
        assert_eq!(newest(4), None);
    }

    #[test]
    fn a_number_that_counts_nothing_by_mistake_is_none_for_the_guard() {
        let (mut hypothesis, observed) = scene();
        let ask = |hypothesis: &Hypothesis| {
            newest(hypothesis, &hypothesis.indicators[0], &observed, at(100))
        };
        assert!(ask(&hypothesis).is_some());
        let IndicatorKind::Ratio { part, .. } = &mut hypothesis.indicators[0].kind else {
            panic!("a ratio");
        };
        *part = SeriesSelector::parse("r{status=\"500\"}").unwrap();
        assert_eq!(ask(&hypothesis), None);
        hypothesis.indicators[0].absent = Absent::Zero;
        assert!(ask(&hypothesis).is_some());
    }
}
