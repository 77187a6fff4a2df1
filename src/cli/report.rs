//! `homeostat report`: renders a recorded run in one of its formats, offline.

use std::io::Write;

use camino::Utf8PathBuf;
use clap::Args;

use super::{env, exit::Exit, judgement::open_run};
use crate::{
    record::atomic,
    report::{self, Format},
};

/// Render a recorded run, offline; ends with 0 whatever the verdict
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// A run's directory, its id, or the beginning of its id
    run: String,
    /// Where recordings are kept
    #[arg(long, env = "HOMEOSTAT_STORE", default_value = "reports", value_name = "DIR")]
    store: Utf8PathBuf,
    /// The format
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    format: Format,
    /// Write to this file instead of stdout
    #[arg(long, short, value_name = "FILE")]
    output: Option<Utf8PathBuf>,
}

pub(super) fn run(args: &ReportArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let judged = open_run(&args.store, &args.run)?;
    let text = report::render(&judged.view(), args.format, env::stdout_style());
    match &args.output {
        Some(file) => atomic::write(file, text.as_bytes())?,
        None => write!(out, "{text}")?,
    }
    Ok(Exit::Success)
}
