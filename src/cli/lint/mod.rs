//! `homeostat lint`: every problem of hypothesis files, at once.

mod explained;
mod github;
mod json;

use std::{collections::BTreeSet, io, io::Write};

use camino::{Utf8Path, Utf8PathBuf};
use clap::{Args, ValueEnum, builder::PossibleValuesParser};

pub(super) use self::json::schema as json_schema;
use super::exit::Exit;
use crate::hypothesis::{
    self, Code, Hypothesis, Problem, Problems, Reading, load, load::LoadError,
};

/// Show every problem of hypothesis files, each with line, code and hint
///
/// Ends with 0 when there is no error, 2 when a file is no sound hypothesis, and 1 when a file
/// could not be read at all. Nothing is executed and nothing is asked over the network.
#[derive(Debug, Args)]
pub(super) struct LintArgs {
    /// Hypothesis files; a directory stands for the `*.yaml` files in it, `-` for the input
    #[arg(required_unless_present = "code")]
    files: Vec<Utf8PathBuf>,
    /// How problems are printed
    #[arg(long, value_enum, default_value_t = LintFormat::Text)]
    format: LintFormat,
    /// End with 2 for warnings, too
    #[arg(long)]
    strict: bool,
    /// Print the PromQL of each indicator, too, and what a Prometheus server is asked for
    #[arg(long, conflicts_with = "code")]
    explain: bool,
    /// Print what a code means, with an example of each kind, and lint nothing
    #[arg(long, value_name = "CODE", conflicts_with = "files", hide_possible_values = true,
          value_parser = PossibleValuesParser::new(Code::ALL.iter().map(|code| code.text())))]
    code: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LintFormat {
    /// With snippets, for people
    Text,
    /// One JSON object, for programs; `homeostat schema lint` describes it
    Json,
    /// Annotations of a GitHub workflow
    Github,
}

/// A file with what is wrong with it.
struct Linted {
    problems: Problems,
    /// None with an error.
    hypothesis: Option<Hypothesis>,
    /// Whether there was a text to look at.
    read: bool,
}

pub(super) fn run(args: &LintArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    if let Some(code) = args.code.as_deref().and_then(Code::from_text) {
        out.write_all(explained::page(code).as_bytes())?;
        return Ok(Exit::Success);
    }
    let linted = lint(&args.files);
    match args.format {
        LintFormat::Text => text(&linted, args.explain, out)?,
        LintFormat::Json => json::write(&linted, out)?,
        LintFormat::Github => github::write(&linted, out)?,
    }
    Ok(exit(&linted, args.strict))
}

/// Lints each file once, in the order of their names.
fn lint(given: &[Utf8PathBuf]) -> Vec<Linted> {
    let mut files = BTreeSet::new();
    let mut linted = Vec::new();
    for path in given {
        if !path.is_dir() {
            files.insert(path.clone());
            continue;
        }
        match load::files_in(path) {
            Ok(found) => files.extend(found),
            Err(error) => linted.push(unread(&error)),
        }
    }
    linted.extend(files.iter().map(|file| one(file)));
    linted.sort_by(|one, other| one.problems.file().cmp(other.problems.file()));
    linted
}

fn one(file: &Utf8Path) -> Linted {
    let text = if file == "-" {
        load::text_of(io::stdin().lock(), Utf8Path::new("stdin"))
    } else {
        load::read(file)
    };
    match text {
        Ok(text) => {
            let name = if file == "-" { "stdin" } else { file.as_str() };
            let variables = |name: &str| std::env::var(name).ok();
            let checked = hypothesis::check(&text, name, Reading::ToRun(&variables));
            Linted { problems: checked.problems, hypothesis: checked.hypothesis, read: true }
        }
        Err(error) => unread(&error),
    }
}

fn unread(error: &LoadError) -> Linted {
    Linted { problems: error.problems(), hypothesis: None, read: error.is_about_the_text() }
}

/// That a file could not be looked at outweighs what was found in others: nobody may take the
/// list for a whole one.
fn exit(linted: &[Linted], strict: bool) -> Exit {
    let wrong = |one: &Linted| one.problems.errors() > 0 || (strict && one.problems.warnings() > 0);
    if linted.iter().any(|one| !one.read) {
        Exit::Error
    } else if linted.iter().any(wrong) {
        Exit::Usage
    } else {
        Exit::Success
    }
}

fn text(linted: &[Linted], explain: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    for Linted { problems, hypothesis, .. } in linted {
        if !problems.is_empty() {
            writeln!(out, "{}\n", problems.render(true))?;
        }
        writeln!(out, "{}", summary(problems))?;
        if let Some(hypothesis) = hypothesis.as_ref().filter(|_| explain) {
            write!(out, "{}", explained::promql(hypothesis))?;
        }
    }
    let codes = linted.iter().flat_map(|one| &one.problems).map(|problem| problem.code);
    if let Some(code) = codes.min_by_key(|code| code.severity()) {
        writeln!(out, "\n`homeostat lint --code {code}` says more about a code")?;
    }
    Ok(())
}

/// `api.yaml: 2 errors, 1 warning`
pub(super) fn summary(problems: &Problems) -> String {
    format!("{}: {}", problems.file().escape_debug(), problems.counted(", "))
}

/// Where the page of a code can be read.
fn docs(problem: &Problem) -> String {
    format!("{}/blob/main/docs/hypothesis.md#{}", env!("CARGO_PKG_REPOSITORY"), problem.code)
}
