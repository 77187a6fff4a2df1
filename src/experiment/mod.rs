//! The conductor of a run: before → fault → after, recorded as it happens.
//!
//! It owns the order of things and nothing else: what is seen comes from `collect`, what is
//! done goes through `fault`, what is kept goes to `record`, and whether *before* was steady is
//! asked of `verdict`. It never judges; the recording is judged when it is closed.

mod admission;
mod during;
mod guard;
mod keep;
mod killing;
mod past;
mod stop;
mod stretch;
mod undo;
mod watch;

pub(crate) use past::{PastWindows, verify};
pub(crate) use stop::{Stop, Urgency};
pub(crate) use undo::{UNDO_TIME, UndoSetup, take_back};

use std::{collections::BTreeMap, time::Duration};

use camino::Utf8PathBuf;
use tokio::time::error::Elapsed;

use crate::{
    analysis::semantics::LOOKBACK,
    causes::with_causes,
    clock::Clock,
    collect::error::CollectError,
    fault::FaultError,
    frame::Ledger,
    hypothesis::Hypothesis,
    record::{FORMAT_VERSION, FaultNote, Manifest, RecordError, Status, Writer},
    redact::Secrets,
    store::LockError,
    time::Time,
    verdict::{self, Outcome},
    window::Phase,
};
use stretch::Until;
use watch::Watch;

/// Everything a run is given from outside.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// What is tried.
    pub hypothesis: Hypothesis,
    /// Its text as written, without secrets: see [`crate::hypothesis::recordable`].
    pub text: String,
    /// The program after `--`, if any.
    pub command_line: Vec<String>,
    /// Where recordings are kept.
    pub store: Utf8PathBuf,
    /// The run's id.
    pub run_id: String,
    /// The clock of the run.
    pub clock: Clock,
    /// The seed of every choice.
    pub seed: u64,
    /// Environment tags.
    pub environment: BTreeMap<String, String>,
    /// What must not be kept, and not be said.
    pub secrets: Secrets,
    /// The pod this process runs in, if any: it is never a victim.
    pub own_pod: Option<String>,
    /// Our own program: it also supervises the program of a fault.
    pub program: Utf8PathBuf,
}

/// What a run tells while it goes.
pub(crate) trait Progress {
    /// Something happened that people want to know.
    fn note(&mut self, at: Time, line: &str);
    /// A phase began and is planned to last so long.
    fn phase(&mut self, phase: Phase, length: Duration);
    /// About a second went by: what is left of the phase, and each indicator's newest value.
    fn tick(&mut self, left: Duration, values: &[(String, String)]);
}

/// Why a run could not be carried out. What was recorded until then is kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExperimentError {
    /// A source could not be watched.
    #[error("a source could not be watched")]
    Collect(#[from] CollectError),
    /// The fault could not be injected.
    #[error("the fault could not be injected")]
    Fault(#[from] FaultError),
    /// The run may not begin now.
    #[error("the run was not begun")]
    Refused(#[from] LockError),
    /// The recording could not be written.
    #[error("the recording could not be written")]
    Record(#[from] RecordError),
    /// A source did not answer in time.
    #[error("no full list of pods and events from the cluster within {waited:?}")]
    NotConnected {
        /// How long it was waited for.
        waited: Duration,
        /// The timer's word for it.
        #[source]
        source: Elapsed,
    },
    /// The past can only be asked of a server.
    #[error("the past can only be asked of a server, and `sources` names no `prometheus`")]
    NoServer,
    /// The fault needs a cluster, and none is given.
    #[error("`kill_pods` needs `sources.kubernetes`")]
    NoCluster,
}

/// Carries a run out and returns where it was recorded.
///
/// `stop` ends the fault and closes the recording early, as interrupted. It is heard from the
/// start on, also while the sources are waited for.
pub(crate) async fn run(
    setup: &Setup,
    progress: &mut dyn Progress,
    stop: Stop,
) -> Result<Utf8PathBuf, ExperimentError> {
    // Refused here, before anything is looked at: what another run is at, what a run before left
    // behind, and a store that cannot be written to.
    let _lock = admission::admit(setup).await?;
    let writer = Writer::create(&setup.store, manifest(setup), setup.secrets.clone())?;
    let mut watch = Watch::new(setup, writer, stop);
    let recorded = format!("recorded in {}", watch.dir());
    let error = match phases(setup, &mut watch, progress).await {
        Ok(status) => {
            let closed = watch.close(status, progress).await;
            progress.note(setup.clock.now(), &recorded);
            return closed;
        }
        Err(error) => error,
    };
    // What was seen so far is worth keeping even when the fault could not be injected.
    watch.note_in_ledger(format!("the run ended early: {}", with_causes(&error)));
    if let Err(second) = watch.close(Status::Interrupted, progress).await {
        // A disk that is full is full here too; what was saved before stands.
        let note = format!("the recording was not closed: {}", with_causes(&second));
        progress.note(setup.clock.now(), &note);
    }
    progress.note(setup.clock.now(), &recorded);
    Err(error)
}

/// The three phases; returns how far the run came.
async fn phases(
    setup: &Setup,
    watch: &mut Watch<'_>,
    progress: &mut dyn Progress,
) -> Result<Status, ExperimentError> {
    let plan = setup.hypothesis.phases;
    if watch.connect().await?.interrupted() {
        return Ok(Status::Interrupted);
    }
    watch.begin(Phase::Before, "clock", 0, plan.before, progress);
    if watch.until(Until::Elapsed(plan.before), progress).await?.interrupted() {
        return Ok(Status::Interrupted);
    }
    let at = setup.clock.now();
    if watch.until_seen(at, progress).await?.interrupted() {
        return Ok(Status::Interrupted);
    }
    if let Some(why) = unsteady(setup, watch, at) {
        progress.note(
            setup.clock.now(),
            &format!("before is not steady, so nothing is injected: {why}"),
        );
        return Ok(Status::NotInjected);
    }
    // A disk that has filled meanwhile is noticed before anything is disturbed, not after.
    watch.end_phase();
    watch.save()?;
    let ended = during::run(setup, watch, progress).await?;
    match ended {
        Status::Interrupted | Status::NotInjected => return Ok(ended),
        Status::GuardTripped => progress.note(
            setup.clock.now(),
            "nothing more is injected; *after* is watched for the recovery",
        ),
        Status::Complete | Status::Incomplete => {}
    }
    watch.begin(Phase::After, watch.during_ended_by(), 0, plan.after, progress);
    if watch.until(Until::Elapsed(plan.after), progress).await?.interrupted() {
        return Ok(Status::Interrupted);
    }
    watch.end_phase();
    Ok(ended)
}

/// Why *before*, up to a time, is not steady; none when it is. The same function judges the recording later.
fn unsteady(setup: &Setup, watch: &mut Watch<'_>, at: Time) -> Option<String> {
    let analysis = crate::analysis::analyse(&setup.hypothesis, watch.observed_until(at));
    let broken: Vec<String> = verdict::steady(&setup.hypothesis, &analysis)
        .into_iter()
        .filter(|check| check.outcome != Outcome::Pass)
        .map(|check| match check.gaps.first() {
            Some(gap) => format!("{}: {gap}", check.check_id),
            None => format!("{} is broken already", check.check_id),
        })
        .collect();
    (!broken.is_empty()).then(|| broken.join("; "))
}

fn manifest(setup: &Setup) -> Manifest {
    let hypothesis = &setup.hypothesis;
    Manifest {
        format_version: FORMAT_VERSION,
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        run_id: setup.run_id.clone(),
        hypothesis_name: hypothesis.name.clone(),
        hypothesis_text: setup.text.clone(),
        command_line: setup.command_line.clone(),
        text_fingerprint: hypothesis.text_fingerprint.clone(),
        comparable_fingerprint: hypothesis.comparable_fingerprint.clone(),
        started_at: setup.clock.now(),
        ended_at: None,
        status: Status::Incomplete,
        phases: Vec::new(),
        injected_at: None,
        sources: Vec::new(),
        environment: setup.environment.clone(),
        fault: FaultNote { kind: hypothesis.fault.kind().to_owned(), ..FaultNote::default() },
        ledger: Ledger::default(),
    }
}

/// The longest time that a point of any indicator looks back, lookback of gauges included.
fn longest_look_back(hypothesis: &Hypothesis) -> Duration {
    hypothesis.indicators.iter().map(|i| i.over()).max().unwrap_or_default().max(LOOKBACK)
}
