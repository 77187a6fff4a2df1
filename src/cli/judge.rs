//! `homeostat judge`: judges a recorded run again, without the network.

use std::io::Write;

use camino::Utf8PathBuf;
use clap::Args;

use super::{env, exit::Exit, first_reading, judgement::Judged};
use crate::{
    hypothesis::load,
    record,
    report::{self, Format},
    store,
};

/// Judge a recorded run again, offline: the same bytes from the same recording
#[derive(Debug, Args)]
pub(super) struct JudgeArgs {
    /// A run's directory, its id, or the beginning of its id
    run: String,
    /// Where recordings are kept
    #[arg(long, env = "HOMEOSTAT_STORE", default_value = "reports", value_name = "DIR")]
    store: Utf8PathBuf,
    /// Judge by this file instead of the recorded text; then nothing is written
    #[arg(long, value_name = "FILE")]
    hypothesis: Option<Utf8PathBuf>,
    /// Only print; leave the files beside the recording alone
    #[arg(long)]
    no_write: bool,
    /// Replace results of another analysis version
    #[arg(long)]
    overwrite: bool,
    /// What is printed to stdout
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    format: Format,
}

pub(super) fn run(args: &JudgeArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let dir = store::find(&args.store, &args.run)?;
    first_reading::survive(&dir)?;
    let judged = match &args.hypothesis {
        Some(file) => Judged::by(record::open(&dir)?, &load::read(file)?, file.as_str())?,
        None => Judged::of(&dir)?,
    };
    let view = judged.view();
    if args.hypothesis.is_none() && !args.no_write {
        judged.write(&view, args.overwrite)?;
    }
    write!(out, "{}", report::render(&view, args.format, env::stdout_style()))?;
    Ok(judged.verdicts.outcome.into())
}
