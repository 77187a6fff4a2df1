//! Reads a recording once in a process of its own, before this one reads it.
//!
//! A recording can be a stranger's. What its files say of themselves is held to limits, and a
//! decoder that panics is caught; but one that asks for a terabyte, or calls itself too deeply,
//! takes its process down, and no error can be made of that from inside. So the first to open a
//! recording is a child that holds itself to limits of memory and time and has nothing else to
//! do. Whatever it survives, the same program survives again.

use std::process::{Command, ExitStatus, Stdio};

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use rustix::process::{Resource, Rlimit, setrlimit};

use super::exit::Exit;
use crate::record::{self, RecordError, limits};

/// The name of the hidden command.
const NAME: &str = "first-reading";

/// Read a recording within limits; the work of a child of `judge` and `report`
#[derive(Debug, Args)]
#[command(name = NAME)]
pub(super) struct FirstReadingArgs {
    /// The directory of the run
    run: Utf8PathBuf,
}

/// Fails when reading a recording would take this process down. What else is wrong with it is
/// left to whoever reads it next, who can say it better.
pub(super) fn survive(run: &Utf8Path) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("finding this program, to read a recording")?;
    let mut child = Command::new(program);
    child.args([NAME, "--"]).arg(run);
    child.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Its limit is for what it reads, not for as many threads as the machine has processors.
    child.env("POLARS_MAX_THREADS", "1");
    let status = child.status().context("starting the first reading of a recording")?;
    match how(status) {
        None => Ok(()),
        Some(how) => Err(RecordError::Fatal { dir: run.to_owned(), how }.into()),
    }
}

/// What the child is for.
pub(super) fn run(args: &FirstReadingArgs) -> anyhow::Result<Exit> {
    hold_to_limits()?;
    record::open(&args.run)?;
    // Not there before the first judgement.
    drop(record::read_checks(&args.run));
    Ok(Exit::Success)
}

fn hold_to_limits() -> anyhow::Result<()> {
    // No file of what a stranger's recording did to it.
    let limits = [
        (Resource::Core, 0),
        (Resource::Data, limits::MEMORY_BYTES),
        (Resource::Cpu, limits::READING_SECONDS),
    ];
    for (resource, most) in limits {
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        setrlimit(resource, limit).context("limiting the first reading of a recording")?;
    }
    Ok(())
}

/// How a child ended that did not end by itself; none when it did.
fn how(status: ExitStatus) -> Option<String> {
    use std::os::unix::process::ExitStatusExt as _;
    let by_itself = [Exit::Success.code(), Exit::Error.code()].map(i32::from);
    match (status.code(), status.signal()) {
        (Some(code), _) if by_itself.contains(&code) => None,
        (Some(code), _) => Some(format!("ended with {code}")),
        (None, Some(signal)) => Some(format!(
            "was ended by signal {signal}, beyond its limits or deeper than its stack"
        )),
        (None, None) => Some("did not end by itself".to_owned()),
    }
}
