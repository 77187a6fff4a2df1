//! The checked hypothesis. Every field is meant; nothing is optional that has a default.
//!
//! Made only by `check`, from the raw mirror of the file; later stages read it and never
//! see the text's own shape.

mod objective;
mod sources;

use std::{collections::BTreeMap, time::Duration};

pub(crate) use self::{
    objective::{Check, GapAllowance, Guard, Level, Objective, Tolerance},
    sources::{
        KubernetesSource, Login, MetricsSource, PodTargets, PrometheusSource, ScrapeSource, Sources,
    },
};
use super::{
    fingerprint,
    selector::{LabelSelector, SeriesSelector},
};
use crate::number::{Share, Unit};

/// A claim about a system under a fault, and everything needed to try and judge it.
#[derive(Clone, Debug, PartialEq)]
pub struct Hypothesis {
    /// A DNS label: it becomes a path.
    pub name: String,
    /// The claim, in people's words.
    pub claim: String,
    /// What should absorb the fault.
    pub because: Vec<Mechanism>,
    /// Free labels: service, team.
    pub labels: BTreeMap<String, String>,
    /// How often it is meant to run, so that a skipped night can be seen.
    pub cadence: Option<Duration>,
    /// How long each phase lasts.
    pub phases: PhasePlan,
    /// Where numbers and objects come from.
    pub sources: Sources,
    /// What disturbs the system.
    pub fault: Fault,
    /// What must be seen for the fault to count as having happened. Defaults are filled in.
    pub evidence: Vec<Evidence>,
    /// The numbers that are watched; names are unique.
    pub indicators: Vec<Indicator>,
    /// What must hold; ids are unique.
    pub checks: Vec<Check>,
    /// When to stop early.
    pub guard: Vec<Guard>,
    /// Of the text as written, before anything was substituted: SHA-256, hexadecimal.
    pub text_fingerprint: String,
    /// Of what makes two runs comparable (fault, indicators, phases) and not of any bound.
    pub comparable_fingerprint: String,
}

impl Hypothesis {
    /// The indicator of an id handed out by this hypothesis.
    pub fn indicator(&self, id: IndicatorId) -> &Indicator {
        &self.indicators[id.0]
    }

    /// The pods that it is about: those of the fault, of the evidence and of the mechanism, in this
    /// order.
    pub(crate) fn pods(&self) -> impl Iterator<Item = &LabelSelector> {
        let of_fault = match &self.fault {
            Fault::KillPods(kill) => Some(&kill.selector),
            Fault::None
            | Fault::Command(_)
            | Fault::Manifest(_)
            | Fault::Toxiproxy(_)
            | Fault::Observe(_) => None,
        };
        let of_evidence = self.evidence.iter().filter_map(|evidence| match evidence {
            Evidence::PodsLost { selector, .. } => Some(selector),
            Evidence::TargetsLost { .. } | Evidence::Indicator { .. } => None,
        });
        let of_mechanism = self.because.iter().filter_map(|mechanism| match mechanism {
            Mechanism::Replaced { selector, .. } => Some(selector),
            Mechanism::Indicator { .. } | Mechanism::Opaque { .. } => None,
        });
        of_fault.into_iter().chain(of_evidence).chain(of_mechanism)
    }

    /// Makes `argv` the program of a `command` fault, if that is the fault. Runs of another program
    /// are runs of another fault, and no longer comparable.
    pub fn set_program(&mut self, argv: &[String]) {
        if let Fault::Command(command) = &mut self.fault {
            command.argv = argv.to_vec();
            self.comparable_fingerprint =
                fingerprint::of_experiment(&self.fault, &self.indicators, &self.phases);
        }
    }
}

/// The place of an indicator in [`Hypothesis::indicators`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndicatorId(pub usize);

/// The planned lengths of the phases.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PhasePlan {
    /// The steady state that is watched first.
    pub before: Duration,
    /// The least length of *during*.
    pub during: Duration,
    /// The most that *during* may last while replacements are awaited; default twice `during`.
    pub during_at_most: Duration,
    /// What is watched after it.
    pub after: Duration,
    /// The distance of the grid's points.
    pub step: Duration,
}

/// What disturbs the system.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Nothing: a placebo run.
    None,
    /// Pods are deleted through the Kubernetes API.
    KillPods(KillPods),
    /// A program is run.
    Command(CommandFault),
    /// An object of an injector is applied and deleted.
    Manifest(Opaque),
    /// Toxics are added to a proxy.
    Toxiproxy(Opaque),
    /// Someone else injects; we only look.
    Observe(Opaque),
}

impl Fault {
    /// The word for it in files and in `checks.parquet`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::KillPods(_) => "kill_pods",
            Self::Command(_) => "command",
            Self::Manifest(_) => "manifest",
            Self::Toxiproxy(_) => "toxiproxy",
            Self::Observe(_) => "observe",
        }
    }
}

/// A part of the format that is understood but that this version cannot carry out; `lint` and
/// `run` say so. Kept as canonical JSON for the fingerprint.
#[derive(Clone, Debug, PartialEq)]
pub struct Opaque(pub String);

/// Deletes some of the pods that match, chosen at random among the ready ones.
#[derive(Clone, Debug, PartialEq)]
pub struct KillPods {
    /// Which pods.
    pub selector: LabelSelector,
    /// How many: a share is rounded down, so never more than asked.
    pub amount: Amount,
    /// The grace period; the pod's own when absent.
    pub grace: Option<Duration>,
    /// What the API server is asked for.
    pub means: KillMeans,
    /// Whether pods may be meant that nothing would put back.
    pub unowned: Unowned,
}

/// How pods are made to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KillMeans {
    /// They are deleted, which asks no budget.
    Delete,
    /// They are evicted: the server refuses what a PodDisruptionBudget does not allow.
    Evict,
}

/// What is done when a pod that matches has no controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unowned {
    /// Nothing is injected: the pod would be gone for good.
    Refuse,
    /// It may be killed like any other.
    Take,
}

/// A share of a population, or a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// A part of those that match at the start of the fault.
    Share(Share),
    /// The same, but never more than `max`.
    ShareAtMost {
        /// The part.
        share: Share,
        /// The cap.
        max: usize,
    },
    /// So many.
    Count(usize),
}

impl Amount {
    /// How many of `population` are meant: a share is rounded down.
    pub fn of(self, population: usize) -> usize {
        match self {
            Self::Share(share) => share.floor_of(population),
            Self::ShareAtMost { share, max } => share.floor_of(population).min(max),
            Self::Count(count) => count,
        }
    }
}

/// Any program: given here, or after `--` on the command line.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandFault {
    /// Program and arguments; no shell. Empty when it is expected on the command line.
    pub argv: Vec<String>,
    /// When it is ended; `during_at_most` of the phases when not given.
    pub timeout: Duration,
    /// What takes back what it did, run once when the fault is over, however it ended.
    pub undo: Option<Vec<String>>,
}

/// What must be seen, by someone other than the injector, for the fault to count.
#[derive(Clone, Debug, PartialEq)]
pub enum Evidence {
    /// Pods were lost, counted by uid.
    PodsLost {
        /// Which pods.
        selector: LabelSelector,
        /// The least number of distinct pods.
        at_least: Amount,
    },
    /// Scrape targets went down or vanished.
    TargetsLost {
        /// Which targets, by the labels of their `up`.
        selector: SeriesSelector,
        /// The least number of distinct targets.
        at_least: Amount,
    },
    /// An indicator showed it: it reached a level at some point of *during*.
    Indicator {
        /// Which.
        indicator: IndicatorId,
        /// The level that it must have reached.
        level: Level,
        /// Since when it may be there.
        since: Since,
    },
}

/// Since when an indicator may be at the level that it has to reach in *during*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// The fault: at no point of *before*, or it says nothing of the fault.
    Fault,
    /// *before*: it is meant to be there all along.
    Before,
}

/// The "because" of the claim.
#[derive(Clone, Debug, PartialEq)]
pub enum Mechanism {
    /// Every lost pod was replaced by one that became ready, within a time from its loss.
    Replaced {
        /// Which pods.
        selector: LabelSelector,
        /// Time from the loss of a pod to the readiness of its own replacement.
        within: Duration,
    },
    /// An indicator reached a level at some point of *during*.
    Indicator {
        /// Which.
        indicator: IndicatorId,
        /// The level that shows the mechanism at work.
        level: Level,
        /// Since when it may be there.
        since: Since,
    },
    /// A mechanism that this version cannot see (`hpa_scaled`, `rescheduled`).
    Opaque {
        /// Its word in the file.
        kind: String,
        /// Its parameters.
        raw: Opaque,
    },
}

/// One number over time, and how to get it.
#[derive(Clone, Debug, PartialEq)]
pub struct Indicator {
    /// Its name in the file.
    pub name: String,
    /// What the number counts.
    pub unit: Unit,
    /// How to get it.
    pub kind: IndicatorKind,
    /// How much has to be counted in a phase for the number to say anything of it.
    pub traffic: MinTraffic,
    /// What a ratio means whose part names a label that no series has.
    pub absent: Absent,
    /// A gauge that is above 0 while its numbers are measured: where it is not, or is not there,
    /// they say nothing.
    pub alive: Option<SeriesSelector>,
}

/// What a ratio means whose part names a label that no series of its metric has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// Perhaps the label is called otherwise: it cannot be told.
    Unknown,
    /// Nothing of its kind was counted yet: 0.
    Zero,
}

/// The least that the counters behind a ratio or a quantile must count in a phase.
///
/// Who cannot reach the place of the measurement is in no ratio and no quantile there: only the
/// requests that still get through are judged, and few of them say little.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MinTraffic {
    /// Any traffic will do.
    Any,
    /// Both must hold.
    AtLeast {
        /// Of the traffic per second of *before*, in the later phases.
        share: Share,
        /// Requests (or whatever the counters count) in each phase.
        requests: usize,
    },
}

impl Indicator {
    /// The length of the window behind one point; zero for an instantaneous value.
    pub fn over(&self) -> Duration {
        match &self.kind {
            IndicatorKind::Quantile { over, .. }
            | IndicatorKind::Ratio { over, .. }
            | IndicatorKind::Rate { over, .. } => *over,
            IndicatorKind::Gauge { .. }
            | IndicatorKind::PodsReady { .. }
            | IndicatorKind::EventCount { .. }
            | IndicatorKind::PromQl(_) => Duration::ZERO,
        }
    }
}

/// How an indicator is made.
#[derive(Clone, Debug, PartialEq)]
pub enum IndicatorKind {
    /// `histogram_quantile(q, sum by (le) (rate(selector_bucket[over])))`.
    Quantile {
        /// The quantile, 0 to 1.
        quantile: Share,
        /// The histogram, without `_bucket`.
        histogram: SeriesSelector,
        /// The window of the rate.
        over: Duration,
    },
    /// `sum(rate(part[over])) / sum(rate(whole[over]))`; a part of the same metric that has no
    /// series yet counts as 0, nothing over nothing has no number.
    Ratio {
        /// The counter above the line.
        part: SeriesSelector,
        /// The counter below it.
        whole: SeriesSelector,
        /// The window of both rates.
        over: Duration,
    },
    /// `sum(rate(counter[over]))`.
    Rate {
        /// The counter.
        counter: SeriesSelector,
        /// The window of the rate.
        over: Duration,
    },
    /// `sum|min|max|avg(gauge)`.
    Gauge {
        /// The gauge.
        gauge: SeriesSelector,
        /// How several series become one number.
        aggregate: Aggregate,
    },
    /// How many matching pods are ready.
    PodsReady {
        /// Which pods.
        selector: LabelSelector,
    },
    /// How many matching Kubernetes events happened in the step before the point.
    EventCount {
        /// Which events.
        filter: EventFilter,
    },
    /// An expression for a Prometheus-compatible server.
    PromQl(String),
}

/// How several series become one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// Their sum.
    Sum,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// Their mean.
    Avg,
}

/// Which Kubernetes events count; what is not given matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// The reason: `BackOff`, `Killing`.
    pub reason: Option<String>,
    /// The kind of the object it is about: `Pod`.
    pub kind: Option<String>,
    /// `Normal` or `Warning`.
    pub severity: Option<String>,
}
