//! `homeostat supervise`: the hidden parent of the program of a fault.

use anyhow::Context as _;
use clap::Args;

use super::exit::Exit;
use crate::fault::{self, SuperviseArgs};

/// The parent of the program of a fault
#[derive(Debug, Args)]
pub(super) struct SuperviseCommand {
    #[command(flatten)]
    supervise: SuperviseArgs,
}

pub(super) fn run(args: &SuperviseCommand) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime
        .context("starting the async runtime")?
        .block_on(fault::supervise(args.supervise.clone()))
        .context("supervising a program")?;
    Ok(Exit::Success)
}
