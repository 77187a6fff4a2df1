//! Problems for programs: one object, described by `docs/lint.schema.json`.

use std::io::Write;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Linted, docs};
use crate::hypothesis::{Place, Problem, Problems, Severity};

/// The version of the shape. Fields may be added without a new one.
const FORMAT_VERSION: u32 = 1;

/// The JSON Schema of what is written.
pub(in crate::cli) fn schema() -> schemars::Schema {
    schemars::schema_for!(Listing)
}

pub(super) fn write(linted: &[Linted], out: &mut dyn Write) -> anyhow::Result<()> {
    let listing = Listing::of(linted);
    writeln!(out, "{}", serde_json::to_string_pretty(&listing)?)?;
    Ok(())
}

/// The problems of hypothesis files: what `homeostat lint --format json` prints.
#[derive(Serialize, JsonSchema)]
struct Listing {
    /// The version of this shape.
    format_version: u32,
    /// Every file that was named or found, by name.
    files: Vec<FileEntry>,
    /// Every problem, by file, then by place.
    problems: Vec<ProblemEntry>,
}

/// One file.
#[derive(Serialize, JsonSchema)]
struct FileEntry {
    /// The path as it was given; `stdin` for `-`.
    file: String,
    /// Whether there was a text to look at. If not, the only problem says why.
    read: bool,
    /// How many of its problems stop a run.
    errors: usize,
    /// How many do not.
    warnings: usize,
}

/// One problem.
#[derive(Serialize, JsonSchema)]
struct ProblemEntry {
    /// The path as it stands in `files`.
    file: String,
    /// What kind of problem. A code never changes its meaning.
    code: &'static str,
    /// Whether it stops a run.
    severity: SeverityEntry,
    /// What is wrong: one line, nothing in it that a terminal would obey.
    message: String,
    /// What to do about it.
    hint: Option<String>,
    /// Where it is.
    span: SpanEntry,
    /// Where the page of the code can be read.
    docs: String,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum SeverityEntry {
    Error,
    Warning,
}

/// A part of a file, its end not included; empty where something is missing.
#[derive(Serialize, JsonSchema)]
struct SpanEntry {
    /// Its beginning.
    start: PlaceEntry,
    /// What comes first after it.
    end: PlaceEntry,
}

/// A place in a file.
#[derive(Serialize, JsonSchema)]
struct PlaceEntry {
    /// The line, from 1.
    line: usize,
    /// The column in characters, from 1.
    column: usize,
    /// The byte, from 0; a byte order mark does not count.
    byte: usize,
}

impl Listing {
    fn of(linted: &[Linted]) -> Self {
        let file = |one: &Linted| FileEntry {
            file: one.problems.file().to_owned(),
            read: one.read,
            errors: one.problems.errors(),
            warnings: one.problems.warnings(),
        };
        let problems = linted.iter().flat_map(|one| {
            one.problems.iter().map(|problem| ProblemEntry::of(problem, &one.problems))
        });
        Self {
            format_version: FORMAT_VERSION,
            files: linted.iter().map(file).collect(),
            problems: problems.collect(),
        }
    }
}

impl ProblemEntry {
    fn of(problem: &Problem, problems: &Problems) -> Self {
        let span = problem.span;
        let start = Place { line: span.line, column: span.column };
        Self {
            file: problems.file().to_owned(),
            code: problem.code.text(),
            severity: match problem.severity() {
                Severity::Error => SeverityEntry::Error,
                Severity::Warning => SeverityEntry::Warning,
            },
            message: problem.message.clone(),
            hint: problem.hint.clone(),
            span: SpanEntry {
                start: PlaceEntry::of(start, span.start),
                end: PlaceEntry::of(problems.end(problem), span.end),
            },
            docs: docs(problem),
        }
    }
}

impl PlaceEntry {
    fn of(place: Place, byte: usize) -> Self {
        Self { line: place.line, column: place.column, byte }
    }
}
