//! Taking back what a fault changed, from its journal: at the end of *during*, and by
//! `homeostat undo` for a run that was killed.

use std::time::Duration;

use camino::Utf8Path;

use crate::{
    clock::Clock,
    fault::{self, Leftover},
    frame::{FaultAction, FaultRow},
    record::RecordError,
    redact::Secrets,
    store::{Change, StepState, UndoJournal},
};

/// How long the program that takes a fault back may take, unless more is given by hand.
pub(crate) const UNDO_TIME: Duration = Duration::from_secs(60);

/// What is taken back when processes are ended.
pub(super) const PROCESSES: &str = "the processes of the fault";

/// What taking back needs from outside.
#[derive(Clone, Debug)]
pub(crate) struct UndoSetup<'a> {
    /// Our own program, which supervises the one that is run.
    pub program: &'a Utf8Path,
    /// The clock.
    pub clock: &'a Clock,
    /// What the journal does not keep of a program, and what must not be kept when one prints it.
    pub secrets: &'a Secrets,
    /// How long one program may take.
    pub within: Duration,
}

/// What came of taking back.
#[derive(Debug, Default)]
pub(crate) struct Undone {
    /// What was done, in the order in which it was done.
    pub rows: Vec<FaultRow>,
    /// That the journal could not be written. What was to be done was done all the same.
    pub unwritten: Option<RecordError>,
}

impl Undone {
    /// Whether nothing is left to be taken back.
    pub(crate) fn is_complete(&self) -> bool {
        self.rows.iter().all(|row| row.ok)
    }
}

/// Takes back whatever is pending, the newest change first. One that fails stays pending and
/// keeps none of the others. `about` is told of each before it is begun.
pub(crate) async fn take_back(
    journal: &mut UndoJournal,
    setup: &UndoSetup<'_>,
    about: &mut (dyn FnMut(&Change) + Send),
) -> Undone {
    let mut undone = Undone::default();
    for place in journal.pending() {
        let change = journal.steps()[place].change.clone();
        about(&change);
        let row = take_back_one(&change, setup).await;
        let (at, detail) = (row.at, setup.secrets.redact(&row.detail));
        let state =
            if row.ok { StepState::Done { at, detail } } else { StepState::Failed { at, detail } };
        if let Err(error) = journal.settle(place, state) {
            undone.unwritten.get_or_insert(error);
        }
        undone.rows.push(row);
    }
    undone
}

async fn take_back_one(change: &Change, setup: &UndoSetup<'_>) -> FaultRow {
    match change {
        Change::Command { argv: kept } => match kept.argv(setup.secrets) {
            Ok(argv) => {
                let UndoSetup { program, clock, secrets, within } = setup;
                fault::take_back(&argv, *within, program, clock, secrets).await
            }
            Err(unset) => FaultRow {
                at: setup.clock.now(),
                action: FaultAction::Undone,
                object: kept.to_string(),
                uid: None,
                ok: false,
                detail: unset.to_string(),
            },
        },
        Change::ProcessGroup { pid, started, boot_id, mark } => {
            let (boot_id, mark) = (boot_id.clone(), mark.clone());
            let left = Leftover { pid: *pid, started: *started, boot_id, mark };
            let (ok, detail) = match left.end().await {
                Ok(said) => (true, said),
                Err(said) => (false, said),
            };
            let at = setup.clock.now();
            let object = PROCESSES.to_owned();
            FaultRow { at, action: FaultAction::Undone, object, uid: None, ok, detail }
        }
    }
}

/// What is written down of a program before it is started.
pub(super) fn change_of(leftover: &Leftover) -> Change {
    let Leftover { pid, started, boot_id, mark } = leftover.clone();
    Change::ProcessGroup { pid, started, boot_id, mark }
}
