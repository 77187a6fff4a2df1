//! What one row of each stored table says. `docs/format.md` is the public description.

use crate::{
    sample::Labels,
    time::Time,
    window::{Phase, Window},
};

/// What is known of one pod, by its uid: a row of `pods.parquet`.
#[derive(Clone, Debug, PartialEq)]
pub struct PodRow {
    /// Unique for ever; names are not.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// Kind of its controller (`ReplicaSet`), when it has one.
    pub owner_kind: Option<String>,
    /// Name of its controller.
    pub owner_name: Option<String>,
    /// Uid of its controller.
    pub owner_uid: Option<String>,
    /// Where it was scheduled.
    pub node: Option<String>,
    /// `metadata.creationTimestamp`; 1 s resolution.
    pub created_at: Time,
    /// Condition `PodScheduled`.
    pub scheduled_at: Option<Time>,
    /// Spans during which its condition `Ready` was true; the last one is open while it is
    /// ready. Each `from` and `to` is the better of the condition's time and our clock.
    pub ready: Vec<ReadySpan>,
    /// When its deletion was asked for: when we saw it live, else (found in a list)
    /// `deletionTimestamp − deletionGracePeriodSeconds`.
    pub deletion_asked_at: Option<Time>,
    /// When it was gone from the API, by our clock.
    pub gone_at: Option<Time>,
    /// Sum of its containers' restart counts when last seen.
    pub restarts: i64,
    /// When containers of it ended while the pod stayed: `finishedAt`, else when seen.
    pub restarted_at: Vec<Time>,
    /// Reason of the condition `DisruptionTarget`, when set: an eviction, not a plain delete.
    pub disruption: Option<String>,
    /// When the watch first showed it.
    pub first_seen_at: Time,
    /// When it finished by itself, before anybody asked for its end. Recordings of before this was
    /// written down say that no pod did.
    pub finished: Option<Finished>,
}

/// The end of a pod whose containers have all ended and will not be started again: its phase is
/// `Succeeded` or `Failed`. The object may stay for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    /// When its last container ended, else when we learned of it.
    pub at: Time,
    /// Whether it failed: an error, or the node put it out.
    pub failed: bool,
}

impl PodRow {
    /// Whether it was ready at a time.
    pub fn ready_at(&self, time: Time) -> bool {
        self.ready.iter().any(|span| span.from <= time && span.to.is_none_or(|to| time < to))
    }

    /// When it was lost: its deletion asked for, or gone without, or failed. One that succeeded is
    /// no loss, nor is it one when it is cleaned away.
    pub fn lost_at(&self) -> Option<Time> {
        match self.finished {
            Some(finished) => finished.failed.then_some(finished.at),
            None => [self.deletion_asked_at, self.gone_at].into_iter().flatten().min(),
        }
    }

    /// When it was no longer one of those that serve: lost, or finished.
    pub fn over_at(&self) -> Option<Time> {
        self.finished.map(|finished| finished.at).or_else(|| self.lost_at())
    }
}

/// A span of readiness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadySpan {
    /// When it became ready.
    pub from: Time,
    /// When it was no longer ready; none while it is.
    pub to: Option<Time>,
}

/// One observed change of a Kubernetes event: a row of `events.parquet`.
///
/// A repeated event arrives as the same uid with a higher count; each rise is a row, so that the
/// sum of `added` is the number of times it happened.
#[derive(Clone, Debug, PartialEq)]
pub struct EventRow {
    /// Its uid.
    pub uid: String,
    /// When: the best time the object carries (`series.lastObservedTime`, `eventTime`,
    /// `lastTimestamp`, `firstTimestamp`, `creationTimestamp`).
    pub at: Time,
    /// `Normal` or `Warning`.
    pub severity: String,
    /// `Killing`, `BackOff`, …
    pub reason: String,
    /// Namespace of the event.
    pub namespace: String,
    /// Kind of the object it is about.
    pub object_kind: String,
    /// Name of the object it is about.
    pub object_name: String,
    /// Uid of the object it is about.
    pub object_uid: String,
    /// Who says it: `kubelet`, `replicaset-controller`.
    pub component: String,
    /// What it says.
    pub message: String,
    /// The count that the object carried; 1 when it carries none.
    pub count: i64,
    /// How many occurrences this row adds to what was seen before.
    pub added: i64,
}

/// One step of the injector: a row of `fault.parquet`.
///
/// What the injector says of itself. It is kept, and it is never evidence.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultRow {
    /// When, by our clock.
    pub at: Time,
    /// What was done: `delete_pod`, `evict_pod`, `command_started`, `command_ended`,
    /// `background_ended`, `undone`.
    pub action: FaultAction,
    /// To what: a pod, a program.
    pub object: String,
    /// Its uid, where it has one.
    pub uid: Option<String>,
    /// Whether it was accepted.
    pub ok: bool,
    /// What the other side answered; for a command its exit status and output.
    pub detail: String,
}

impl FaultRow {
    /// How the detail of a step ends that was asked for and not answered.
    pub const UNANSWERED: &'static str = "it may have been killed";

    /// Whether it was done, or may have been: it was accepted, or nobody answered.
    pub fn may_have_been_done(&self) -> bool {
        self.ok || self.detail.ends_with(Self::UNANSWERED)
    }
}

/// What an injector does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultAction {
    /// A pod's deletion was asked for.
    DeletePod,
    /// A pod's eviction was asked for.
    EvictPod,
    /// A program was started.
    CommandStarted,
    /// A program ended, by itself or by us.
    CommandEnded,
    /// What a program had left running was ended.
    BackgroundEnded,
    /// Something that the fault had changed was taken back.
    Undone,
}

impl FaultAction {
    /// All actions.
    pub const ALL: [Self; 6] = [
        Self::DeletePod,
        Self::EvictPod,
        Self::CommandStarted,
        Self::CommandEnded,
        Self::BackgroundEnded,
        Self::Undone,
    ];

    /// The word for it on disk.
    pub fn name(self) -> &'static str {
        match self {
            Self::DeletePod => "delete_pod",
            Self::EvictPod => "evict_pod",
            Self::CommandStarted => "command_started",
            Self::CommandEnded => "command_ended",
            Self::BackgroundEnded => "background_ended",
            Self::Undone => "undone",
        }
    }
}

/// One raw sample: a row of `raw.parquet`. The stale marker is a null value on disk.
#[derive(Clone, Debug, PartialEq)]
pub struct RawRow {
    /// The series, target labels included.
    pub labels: Labels,
    /// When the scrape began, by our clock.
    pub time: Time,
    /// The value as exposed.
    pub value: f64,
}

/// One value that a server answered: a row of `answers.parquet`.
#[derive(Clone, Debug, PartialEq)]
pub struct AnswerRow {
    /// The indicator that was asked about, or [`Answers::NEWEST_SCRAPE`].
    ///
    /// [`Answers::NEWEST_SCRAPE`]: super::Answers::NEWEST_SCRAPE
    pub indicator: String,
    /// The labels of the answer's series.
    pub labels: Labels,
    /// For which time.
    pub time: Time,
    /// The value; NaN as it came.
    pub value: f64,
}

/// One point of an indicator: a row of `samples.parquet`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SampleRow {
    /// The indicator's name.
    pub indicator: String,
    /// When.
    pub time: Time,
    /// The value; NaN when there was no number.
    pub value: f64,
    /// The least it can have been.
    pub lower: f64,
    /// The most it can have been.
    pub upper: f64,
    /// The phase it was counted in; none between phases.
    pub phase: Option<Phase>,
}

/// A stretch of time in which a watch saw nothing, because it was not connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blind {
    /// Which watch.
    pub watch: Watched,
    /// From when to when.
    pub window: Window,
}

/// What is watched in a cluster. Each has a watch of its own, and a permission of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// Pods.
    Pods,
    /// Events.
    Events,
}

impl Watched {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Pods, Self::Events];

    /// The resource, as Kubernetes calls it.
    pub fn resource(self) -> &'static str {
        match self {
            Self::Pods => "pods",
            Self::Events => "events",
        }
    }
}

impl Blind {
    /// The blindness that is written down as one of `resource`. Of a resource that is not known,
    /// nothing was seen of either.
    pub fn of(resource: &str, window: Window) -> impl Iterator<Item = Self> {
        let known = Watched::ALL.into_iter().any(|watch| watch.resource() == resource);
        let meant = move |watch: &Watched| !known || watch.resource() == resource;
        let meant: Vec<Watched> = Watched::ALL.into_iter().filter(meant).collect();
        meant.into_iter().map(move |watch| Self { watch, window })
    }
}

/// One check of one run: a row of `checks.parquet`, version 1 (design, section 5).
///
/// Null where not computed or where it does not apply. Column order and names are the format.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckRow {
    /// Version of this table's format.
    pub format_version: i64,
    /// Version of the analysis that made the row.
    pub analysis_version: i64,
    /// The series key is (`hypothesis_name`, `check_id`).
    pub hypothesis_name: String,
    /// The run.
    pub run_id: String,
    /// When the run started.
    pub started_at: Time,
    /// See `hypothesis_name`.
    pub check_id: String,
    /// The indicator's name.
    pub indicator: String,
    /// `before`, `during`, `after`.
    pub phase: Phase,
    /// `below`, `above`, `between`, `within`, `recovers`, `total_at_most`.
    pub objective_kind: String,
    /// The indicator's unit.
    pub unit: String,
    /// Which way is worse: `up`, `down`, `both`.
    pub direction: String,
    /// The lower bound, in the unit.
    pub bound_lo: Option<f64>,
    /// The upper bound, in the unit; for `recovers` seconds, for `within` the tolerance.
    pub bound_hi: Option<f64>,
    /// What 1 of margin is worth, in the unit.
    pub scale: Option<f64>,
    /// The share of the phase that must hold.
    pub hold: Option<f64>,
    /// The number that was held against the bound.
    pub observed: Option<f64>,
    /// The least it can have been.
    pub observed_lo: Option<f64>,
    /// The most it can have been.
    pub observed_hi: Option<f64>,
    /// `none`, `bucket` or `sampling`.
    pub interval_kind: String,
    /// The phase's median.
    pub median: Option<f64>,
    /// The margin (see `margin`).
    pub margin: Option<f64>,
    /// The least it can have been.
    pub margin_lo: Option<f64>,
    /// The most it can have been.
    pub margin_hi: Option<f64>,
    /// Share of the phase's points in breach.
    pub breach_share: Option<f64>,
    /// Longest stretch in breach, seconds.
    pub longest_breach_s: Option<f64>,
    /// Area beyond the bound: unit × seconds.
    pub area: Option<f64>,
    /// When the worst point was.
    pub worst_at: Option<Time>,
    /// `pass`, `fail`, `inconclusive`.
    pub verdict: String,
    /// Stable codes of the reasons.
    pub reasons: Vec<String>,
    /// Points with a number in the phase.
    pub n: Option<i64>,
    /// The effective number of independent points.
    pub n_eff: Option<f64>,
    /// Points with a number over points of the grid.
    pub coverage: Option<f64>,
    /// Time to recover, seconds; for a censored one the time that was watched.
    pub recovery_s: Option<f64>,
    /// Whether it had not recovered when the watching ended.
    pub recovery_censored: Option<bool>,
    /// `kill_pods`, `command`, `none`, …
    pub fault_kind: String,
    /// How many were meant to be hit.
    pub asked: Option<i64>,
    /// How many were hit.
    pub hit: Option<i64>,
    /// Out of how many.
    pub population: Option<i64>,
    /// `confirmed`, `smaller`, `larger`, `absent`, `unknown`; null for a placebo run.
    pub evidence: Option<String>,
    /// `held`, `not_seen`, `unknown`; null when no mechanism is claimed.
    pub mechanism: Option<String>,
    /// Of the hypothesis' text as written.
    pub text_fingerprint: String,
    /// Of what makes runs comparable.
    pub comparable_fingerprint: String,
    /// The length of the phase, seconds.
    pub phase_s: Option<f64>,
    /// Environment tags, as one JSON object.
    pub environment: String,
}
