//! *During*: the fault, from its first injection until it and its replacements are over.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    ExperimentError, Progress, Setup, Stop,
    guard::Sentry,
    watch::{Ended, Until, Watch},
};
use crate::{
    collect::kubernetes_client,
    fault::{self, KillPlan, RunningCommand},
    frame::{FaultAction, FaultRow, Observed},
    hypothesis::model::{CommandFault, Fault, KillPods},
    number::length,
    record::{FaultNote, Status},
    window::Phase,
};

/// How long a program has to end after SIGTERM before it is killed.
const END_GRACE: Duration = Duration::from_secs(5);

/// Injects the fault and watches *during*; returns how the run goes on.
pub(super) async fn run(
    setup: &Setup,
    watch: &mut Watch<'_>,
    progress: &mut dyn Progress,
) -> Result<Status, ExperimentError> {
    let mut sentry = Sentry::new(&setup.hypothesis);
    let ended = match &setup.hypothesis.fault {
        Fault::None => placebo(setup, watch, progress, &mut sentry).await?,
        Fault::KillPods(kill) => kill_pods(setup, kill, watch, progress, &mut sentry).await?,
        Fault::Command(command) => {
            run_command(setup, command, watch, progress, &mut sentry).await?
        }
        // `check` refuses a hypothesis with one of these before it comes here.
        Fault::Manifest(_) | Fault::Toxiproxy(_) | Fault::Observe(_) => Ended::Elapsed,
    };
    watch.end_phase();
    watch.save()?;
    Ok(match ended {
        Ended::Interrupted => Status::Interrupted,
        Ended::Guard(why) => {
            progress.note(setup.clock.now(), &why);
            watch.note_in_ledger(why);
            watch.set_during_ended_by("guard");
            Status::GuardTripped
        }
        Ended::AtMost => {
            let limit = length(setup.hypothesis.phases.during_at_most);
            let note =
                format!("*during* was closed at its limit of {limit} before the fault was over");
            progress.note(setup.clock.now(), &note);
            watch.note_in_ledger(note);
            watch.set_during_ended_by("during_at_most");
            Status::Complete
        }
        Ended::Elapsed | Ended::Done => Status::Complete,
    })
}

async fn placebo(
    setup: &Setup,
    watch: &mut Watch<'_>,
    progress: &mut dyn Progress,
    sentry: &mut Sentry,
) -> Result<Ended, ExperimentError> {
    let plan = setup.hypothesis.phases;
    inject(setup, watch, progress, "a placebo run: nothing is injected");
    let mut done = |_: &Observed| true;
    let until =
        Until::Done { least: plan.during, most: plan.during_at_most, done: &mut done, sentry };
    watch.until(until, progress).await
}

async fn kill_pods(
    setup: &Setup,
    kill: &KillPods,
    watch: &mut Watch<'_>,
    progress: &mut dyn Progress,
    sentry: &mut Sentry,
) -> Result<Ended, ExperimentError> {
    let Some(cluster) = &setup.hypothesis.sources.kubernetes else {
        return Err(ExperimentError::NoCluster);
    };
    let client = kubernetes_client(cluster).await?;
    let own = setup.own_pod.as_deref();
    let plan = fault::plan_kill(&client, &cluster.namespace, kill, setup.seed, own).await?;
    watch.keep_fault_note(note_of_kill(&plan));
    inject(setup, watch, progress, &format!("deleting pods: {}", plan.asked));
    let rows = fault::kill(&client, &cluster.namespace, &plan, kill.grace, &setup.clock).await;
    for row in rows {
        if !row.ok {
            progress.note(
                row.at,
                &format!("the deletion of {} was refused: {}", row.object, row.detail),
            );
        }
        watch.keep_fault(row);
    }
    // The pods being gone is not the end of the fault: their replacements' readiness is.
    let selector = kill.selector.clone();
    let mut done = move |observed: &Observed| {
        let lost =
            |uid: &str| observed.pods.iter().any(|pod| pod.uid == uid && pod.lost_at().is_some());
        let ready = observed.pods.iter().filter(|pod| {
            let serving =
                pod.lost_at().is_none() && pod.ready.last().is_some_and(|span| span.to.is_none());
            serving && selector.matches(&pod.labels)
        });
        plan.victims.iter().all(|victim| lost(&victim.uid)) && ready.count() >= plan.population
    };
    let phases = setup.hypothesis.phases;
    let until =
        Until::Done { least: phases.during, most: phases.during_at_most, done: &mut done, sentry };
    let ended = watch.until(until, progress).await?;
    if ended == Ended::Done {
        watch.set_during_ended_by("replacements_ready");
    }
    Ok(ended)
}

async fn run_command(
    setup: &Setup,
    command: &CommandFault,
    watch: &mut Watch<'_>,
    progress: &mut dyn Progress,
    sentry: &mut Sentry,
) -> Result<Ended, ExperimentError> {
    let plan = setup.hypothesis.phases;
    watch.keep_fault_note(FaultNote {
        kind: setup.hypothesis.fault.kind().to_owned(),
        asked: command.argv.join(" "),
        ..FaultNote::default()
    });
    inject(setup, watch, progress, &format!("running `{}`", command.argv.join(" ")));
    let (running, started) = fault::start(&command.argv, &setup.clock, setup.secrets.clone())?;
    let object = started.object.clone();
    watch.keep_fault(started);
    let least = Instant::now() + plan.during;
    let end = CancellationToken::new();
    let ending = tokio::spawn(until_over(running, end.clone(), watch.stop()));
    let mut done = |_: &Observed| ending.is_finished();
    let most = plan.during_at_most.min(command.timeout.max(plan.during));
    let until = Until::Done { least: Duration::ZERO, most, done: &mut done, sentry };
    let ended = watch.until(until, progress).await;
    // Whatever ended the watching, a full disk too: the program ends first of all.
    if !ending.is_finished() {
        let note = format!("ending the program, which has {} for it", length(END_GRACE));
        progress.note(setup.clock.now(), &note);
    }
    end.cancel();
    let row = ending.await.expect("waiting for a program does not panic");
    let row = row.unwrap_or_else(|| FaultRow {
        at: setup.clock.now(),
        action: FaultAction::CommandEnded,
        object,
        uid: None,
        ok: false,
        detail: "killed at once: a second signal".to_owned(),
    });
    progress.note(row.at, row.detail.lines().next().unwrap_or_default());
    watch.keep_fault(row);
    watch.set_during_ended_by("fault_ended");
    let ended = ended?;
    if ended != Ended::Done {
        return Ok(ended);
    }
    // A program that is over early leaves the rest of *during* to be watched.
    let rest = least.saturating_duration_since(Instant::now());
    let mut done = |_: &Observed| true;
    let until =
        Until::Done { least: rest, most: rest + Duration::from_secs(1), done: &mut done, sentry };
    watch.until(until, progress).await
}

/// Waits for a program to end, or ends it: with its grace or, when somebody is in a hurry, by
/// killing it, and then there is nothing to say of it.
async fn until_over(
    mut running: RunningCommand,
    end: CancellationToken,
    stop: Stop,
) -> Option<FaultRow> {
    tokio::select! {
        row = running.wait() => return Some(row),
        () = end.cancelled() => {}
    }
    tokio::select! {
        row = running.end(END_GRACE) => Some(row),
        // What is dropped is killed, with all that it started.
        () = stop.hurried() => None,
    }
}

/// Begins *during*: everything from here on may be the fault's doing.
fn inject(setup: &Setup, watch: &mut Watch<'_>, progress: &mut dyn Progress, what: &str) {
    let now = setup.clock.now();
    watch.begin_at(now, Phase::During, "injection", 0);
    watch.keep_injection(now);
    progress.note(now, what);
    progress.phase(Phase::During, setup.hypothesis.phases.during);
}

fn note_of_kill(plan: &KillPlan) -> FaultNote {
    FaultNote {
        kind: "kill_pods".to_owned(),
        asked: plan.asked.clone(),
        expected: u64::try_from(plan.expected).ok(),
        population: u64::try_from(plan.population).ok(),
        seed: Some(plan.seed),
    }
}
