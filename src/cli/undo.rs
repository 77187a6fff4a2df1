//! `homeostat undo`: takes back what a killed run left behind, by the journal that it kept.

use std::{io::Write, time::Duration};

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use super::{
    env::{self, Env},
    exit::Exit,
    lab::program,
};
use crate::{
    experiment::{self, UNDO_TIME, UndoSetup},
    frame::FaultRow,
    store::{self, Change, Claim, Holder, Lock, StepState, UndoJournal},
};

/// Take back what a killed run left behind
///
/// It runs the program that the run wrote down for it, and ends what is left of the fault's own.
/// That program was named by the hypothesis: undo runs of your own only.
#[derive(Debug, Args)]
pub(super) struct UndoArgs {
    /// A run's directory, its id, or the beginning of its id
    run: String,
    /// Where recordings are kept
    #[arg(long, env = "HOMEOSTAT_STORE", default_value = "reports", value_name = "DIR")]
    store: Utf8PathBuf,
    /// Take nothing back: write down that someone decided to leave it, so that runs may go on
    #[arg(long)]
    forget: bool,
    /// Who decides that, kept in `undo.json`; `USER` when not given
    #[arg(long, value_name = "NAME", requires = "forget")]
    by: Option<String>,
    /// How many seconds one program may take
    #[arg(long, value_name = "SECONDS", default_value_t = UNDO_TIME.as_secs())]
    timeout: u64,
}

pub(super) fn run(args: &UndoArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let dir = store::find(&args.store, &args.run)?;
    let store = store_of(&dir)?;
    let Some(mut journal) = UndoJournal::open(&store, &dir)? else {
        writeln!(out, "nothing is left to be taken back of {dir}")?;
        return Ok(Exit::Success);
    };
    let (run_id, hypothesis_name) = (journal.run_id().to_owned(), String::new());
    let holder = Holder { run_id, hypothesis_name, claim: Claim::Undo };
    let _lock = Lock::admit_undo(&store, &holder)?;
    if args.forget {
        forget(&mut journal, args.by.clone(), out)
    } else {
        take_back(&mut journal, args, out)
    }
}

fn take_back(
    journal: &mut UndoJournal,
    args: &UndoArgs,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let (Env { clock, .. }, program, secrets) = (Env::take(None)?, program()?, env::secrets());
    let within = Duration::from_secs(args.timeout);
    let setup = UndoSetup { program: &program, clock: &clock, secrets: &secrets, within };
    let runtime = tokio::runtime::Runtime::new().context("starting the async runtime")?;
    // Said on stderr and before it is done: whoever waits wants to know for what.
    let mut about = |change: &Change| anstream::eprintln!("{}", intention(change));
    let undone = runtime.block_on(experiment::take_back(journal, &setup, &mut about));
    for row in &undone.rows {
        writeln!(out, "{}", line(row))?;
    }
    if let Some(error) = undone.unwritten {
        return Err(error).context("what was done could not be written down");
    }
    if !undone.is_complete() {
        bail!(
            "not all of run {} was taken back; do it by hand, and `homeostat undo --forget {}` \
             lets runs go on",
            journal.run_id(),
            journal.run_id()
        );
    }
    Ok(Exit::Success)
}

fn forget(
    journal: &mut UndoJournal,
    by: Option<String>,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let by = by.or_else(|| env::variable("USER"));
    let by = by.context("who decides that? say it with `--by NAME`")?;
    let at = Env::take(None)?.clock.now();
    for place in journal.pending() {
        journal.settle(place, StepState::Forgotten { at, by: by.clone() })?;
        let step = &journal.steps()[place];
        writeln!(out, "left as it is, as {by} decided: {}", subject(&step.change))?;
    }
    Ok(Exit::Success)
}

/// The store that a run lies in: `STORE/hypothesis=NAME/run=ID`.
fn store_of(dir: &Utf8Path) -> anyhow::Result<Utf8PathBuf> {
    let dir = dir.canonicalize_utf8().with_context(|| format!("reading `{dir}`"))?;
    let store = dir.parent().and_then(Utf8Path::parent);
    Ok(store.unwrap_or(&dir).to_owned())
}

fn intention(change: &Change) -> String {
    match change {
        Change::Command { .. } => format!("running {}", subject(change)),
        Change::ProcessGroup { .. } => format!("ending {}", subject(change)),
    }
}

fn subject(change: &Change) -> String {
    match change {
        Change::Command { argv } => format!("`{argv}`"),
        Change::ProcessGroup { .. } => "the processes of the fault".to_owned(),
    }
}

/// What was done, in one line and, for a program that printed something, more.
fn line(row: &FaultRow) -> String {
    let mark = if row.ok { "taken back" } else { "failed" };
    format!("{mark}: {}: {}", row.object, row.detail.trim_end())
}
