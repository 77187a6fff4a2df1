//! *During*: the fault, from its first injection until it and its replacements are over.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    ExperimentError, Progress, Setup, Stop,
    guard::Sentry,
    killing::kill_pods,
    stretch::{Ended, Until},
    undo::{PROCESSES, UNDO_TIME, UndoSetup, Undone, change_of, take_back},
    watch::Watch,
};
use crate::{
    fault::{self, RunningCommand},
    frame::{FaultAction, FaultRow, Observed},
    hypothesis::model::{CommandFault, Fault},
    number::length,
    record::{FaultNote, KeptProgram, Status},
    store::{Change, StepState, UndoJournal},
    window::Phase,
};

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
        Ended::Guard(why) if !watch.is_injected() => {
            let note = format!("{why}, so nothing is injected");
            progress.note(setup.clock.now(), &note);
            watch.note_in_ledger(note);
            Status::NotInjected
        }
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

async fn run_command(
    setup: &Setup,
    command: &CommandFault,
    watch: &mut Watch<'_>,
    progress: &mut dyn Progress,
    sentry: &mut Sentry,
) -> Result<Ended, ExperimentError> {
    watch.keep_fault_note(FaultNote {
        kind: setup.hypothesis.fault.kind().to_owned(),
        asked: command.argv.join(" "),
        ..FaultNote::default()
    });
    let mut journal = UndoJournal::begin(&setup.store, &setup.hypothesis.name, &setup.run_id)?;
    let held = fault::hold(&command.argv, &setup.program, &setup.clock, setup.secrets.clone())?;
    if let Some(undo) = &command.undo {
        journal.add(Change::Command { argv: KeptProgram::new(undo, &setup.secrets) })?;
    }
    journal.add(change_of(held.leftover()))?;
    inject(setup, watch, progress, &format!("running `{}`", command.argv.join(" ")));
    let running = match watch.while_doing(held.start(), progress).await {
        Ok((running, started)) => {
            watch.keep_fault(started);
            running
        }
        Err(error) => {
            let at = setup.clock.now();
            for place in journal.pending() {
                let detail = "the program was never started".to_owned();
                journal.settle(place, StepState::Done { at, detail })?;
            }
            return Err(error.into());
        }
    };
    let (running, ended) = while_it_runs(setup, command, running, watch, progress, sentry).await;
    // However it came to its end, an error of ours included: what is left of the program is
    // ended, and then what it did is taken back.
    if !running.is_over() {
        let note = format!("ending the program, which has {} for it", length(fault::GRACE));
        progress.note(setup.clock.now(), &note);
    }
    let stop = watch.stop();
    let rows = watch.while_doing(ended_or_hurried(setup, running, stop), progress).await;
    keep_told(rows, watch, progress);
    let undone = watch.while_doing(undo(setup, &mut journal), progress).await;
    keep_told(undone.rows.iter().filter(|row| is_told(row)).cloned(), watch, progress);
    if !undone.is_complete() {
        let note = format!(
            "what the fault did was not taken back: `homeostat undo {}` tries again",
            setup.run_id
        );
        progress.note(setup.clock.now(), &note);
        watch.note_in_ledger(note);
    }
    watch.set_during_ended_by("fault_ended");
    match undone.unwritten {
        None => ended,
        Some(error) => ended.and(Err(error.into())),
    }
}

/// Watches until the program and *during* are over. The program may still run then.
async fn while_it_runs(
    setup: &Setup,
    command: &CommandFault,
    running: RunningCommand,
    watch: &mut Watch<'_>,
    progress: &mut dyn Progress,
    sentry: &mut Sentry,
) -> (RunningCommand, Result<Ended, ExperimentError>) {
    let plan = setup.hypothesis.phases;
    let least = Instant::now() + plan.during;
    let give_up = CancellationToken::new();
    let waiting = tokio::spawn(until_over(running, give_up.clone()));
    let mut done = |_: &Observed| waiting.is_finished();
    let most = plan.during_at_most.min(command.timeout.max(plan.during));
    let until = Until::Done { least: Duration::ZERO, most, done: &mut done, sentry };
    let ended = watch.until(until, progress).await;
    give_up.cancel();
    let (running, row) = waiting.await.expect("waiting for a program does not panic");
    if let Some(row) = row {
        progress.note(row.at, &told(&row));
        watch.keep_fault(row);
    }
    match ended {
        Ok(Ended::Done) => {}
        ended => return (running, ended),
    }
    // A program that is over early leaves the rest of *during* to be watched.
    let rest = least.saturating_duration_since(Instant::now());
    let mut done = |_: &Observed| true;
    let until =
        Until::Done { least: rest, most: rest + Duration::from_secs(1), done: &mut done, sentry };
    (running, watch.until(until, progress).await)
}

/// Waits for a program to end, until that is given up.
async fn until_over(
    mut running: RunningCommand,
    give_up: CancellationToken,
) -> (RunningCommand, Option<FaultRow>) {
    let row = give_up.run_until_cancelled(running.wait()).await;
    (running, row)
}

/// Ends what still runs: with its grace or, when somebody is in a hurry, at once.
async fn ended_or_hurried(setup: &Setup, running: RunningCommand, stop: Stop) -> Vec<FaultRow> {
    let object = running.object().to_owned();
    tokio::select! {
        rows = running.end() => rows,
        // What is dropped is ended by its supervisor, with all that it started.
        () = stop.hurried() => vec![FaultRow {
            at: setup.clock.now(),
            action: FaultAction::CommandEnded,
            object,
            uid: None,
            ok: false,
            detail: "not waited for: a second signal".to_owned(),
        }],
    }
}

async fn undo(setup: &Setup, journal: &mut UndoJournal) -> Undone {
    let (clock, secrets) = (&setup.clock, &setup.secrets);
    let undo = UndoSetup { program: &setup.program, clock, secrets, within: UNDO_TIME };
    take_back(journal, &undo, &mut |_| {}).await
}

fn keep_told(
    rows: impl IntoIterator<Item = FaultRow>,
    watch: &mut Watch<'_>,
    progress: &mut dyn Progress,
) {
    for row in rows {
        progress.note(row.at, &told(&row));
        watch.keep_fault(row);
    }
}

/// That nothing was left of a program that has just been ended is no news.
fn is_told(row: &FaultRow) -> bool {
    !row.ok || row.object != PROCESSES
}

/// A row in a line.
fn told(row: &FaultRow) -> String {
    let said = row.detail.lines().next().unwrap_or_default();
    match row.action {
        FaultAction::CommandStarted | FaultAction::CommandEnded => said.to_owned(),
        FaultAction::BackgroundEnded => format!("the program in the background: {said}"),
        FaultAction::Undone => format!("undo by `{}`: {said}", row.object),
        FaultAction::DeletePod | FaultAction::EvictPod => format!("{}: {said}", row.object),
    }
}

/// Begins *during*: everything from here on may be the fault's doing.
pub(super) fn inject(
    setup: &Setup,
    watch: &mut Watch<'_>,
    progress: &mut dyn Progress,
    what: &str,
) {
    let now = setup.clock.now();
    watch.begin_at(now, Phase::During, "injection", 0);
    watch.keep_injection(now);
    progress.note(now, what);
    progress.phase(Phase::During, setup.hypothesis.phases.during);
}
