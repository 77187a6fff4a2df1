//! `homeostat lint`: every problem of hypothesis files, at once.

use std::io::Write;

use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};

use super::exit::Exit;
use crate::hypothesis::{self, Reading, load};

/// Show every problem of hypothesis files, each with line, code and hint
#[derive(Debug, Args)]
pub(super) struct LintArgs {
    /// Hypothesis files
    #[arg(required = true)]
    files: Vec<Utf8PathBuf>,
    /// How problems are printed
    #[arg(long, value_enum, default_value_t = LintFormat::Text)]
    format: LintFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LintFormat {
    /// With snippets, for people
    Text,
    /// One JSON array, for programs
    Json,
}

pub(super) fn run(args: &LintArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let variables = |name: &str| std::env::var(name).ok();
    let mut linted = Vec::new();
    let mut unread = Vec::new();
    for file in &args.files {
        match load::read(file) {
            Ok(text) => linted
                .push(hypothesis::check(&text, file.as_str(), Reading::ToRun(&variables)).problems),
            Err(error) => unread.push(anyhow::Error::from(error)),
        }
    }
    match args.format {
        LintFormat::Text => print(&linted, out)?,
        LintFormat::Json => {
            let arrays = linted.iter().map(hypothesis::Problems::to_json);
            let all: Vec<_> =
                arrays.filter_map(|array| array.as_array().cloned()).flatten().collect();
            writeln!(out, "{}", serde_json::to_string_pretty(&all)?)?;
        }
    }
    for error in &unread {
        anstream::eprintln!("error: {error:#}");
    }
    Ok(if !unread.is_empty() {
        Exit::Error
    } else if linted.iter().any(|problems| problems.errors() > 0) {
        Exit::Usage
    } else {
        Exit::Success
    })
}

fn print(linted: &[hypothesis::Problems], out: &mut dyn Write) -> anyhow::Result<()> {
    for problems in linted {
        if problems.is_empty() {
            writeln!(out, "{}: no problems", problems.file())?;
        } else {
            writeln!(out, "{}\n", problems.render(true))?;
            writeln!(out, "{}", summary(problems))?;
        }
    }
    Ok(())
}

/// `api.yaml: 2 errors, 1 warning`
pub(super) fn summary(problems: &hypothesis::Problems) -> String {
    let count = |n: usize, word: &str| match n {
        0 => None,
        1 => Some(format!("1 {word}")),
        n => Some(format!("{n} {word}s")),
    };
    let parts = [count(problems.errors(), "error"), count(problems.warnings(), "warning")];
    format!("{}: {}", problems.file(), parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}
