//! `homeostat schema`: the JSON Schemas of what is read and written.

use std::io::Write;

use clap::{Args, ValueEnum};

use super::exit::Exit;
use crate::{hypothesis, report};

/// Print the JSON Schema of hypothesis files, of `verdict.json`, or of what `lint` or `drift` prints
#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// Of what
    #[arg(value_enum, default_value_t = Of::Hypothesis)]
    of: Of,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Of {
    /// Hypothesis files
    Hypothesis,
    /// `verdict.json`, which is also what `--format json` prints
    Verdict,
    /// What `lint --format json` prints
    Lint,
    /// What `drift --format json` prints
    Drift,
}

pub(super) fn run(args: &SchemaArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let text = match args.of {
        Of::Hypothesis => hypothesis::schema::text(),
        Of::Lint => serde_json::to_string_pretty(&super::lint::json_schema())? + "\n",
        Of::Drift => serde_json::to_string_pretty(&report::drift_json_schema())? + "\n",
        Of::Verdict => serde_json::to_string_pretty(&report::json_schema())? + "\n",
    };
    out.write_all(text.as_bytes())?;
    Ok(Exit::Success)
}
