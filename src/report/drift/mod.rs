//! The report on a history: what `homeostat drift` prints.
//!
//! As with a run, numbers become text once, in `words`, and the renderers only lay that text out.

pub(super) mod chart;
mod html;
mod json;
mod markdown;
mod terminal;
mod words;

use std::fmt;

pub(crate) use json::schema as json_schema;

use chart::Chart;

use super::{
    Style,
    text::plain_lines,
    view::{Answer, Fact, Tone},
};
use crate::drift::{Finding, History, Settings};

/// All that a report on a history is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DriftSubject<'a> {
    /// What the numbers are called.
    pub(crate) name: &'a str,
    /// The numbers.
    pub(crate) history: &'a History,
    /// How they were looked at.
    pub(crate) settings: Settings,
    /// What they say.
    pub(crate) finding: &'a Finding,
    /// What is to be known of how they were given.
    pub(crate) notes: &'a [DriftNote],
}

/// A form that the report on a history can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum DriftFormat {
    /// For a terminal.
    Terminal,
    /// For programs: exact numbers; `homeostat schema drift` describes it.
    Json,
    /// For a pull request or the summary of a CI step.
    Markdown,
    /// One self-contained page with a plot.
    Html,
}

/// What is to be known of how the numbers were given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DriftNote {
    /// Columns that nobody asked for.
    IgnoredColumns {
        /// Their names.
        names: Vec<String>,
    },
    /// The indices do not rise from row to row.
    IndexDoesNotRise,
    /// Some rows have no time.
    TimesMissing,
    /// Times repeat or go back.
    TimesDoNotRise {
        /// How many rows there are.
        rows: usize,
        /// How many different times.
        distinct: usize,
    },
    /// The times follow no cadence.
    NoCadence,
    /// There are runs missing between the times.
    MissingRuns {
        /// How many.
        missing: usize,
        /// The usual time between two runs.
        cadence: String,
    },
}

impl DriftNote {
    /// A stable code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::IgnoredColumns { .. } => "ignored_columns",
            Self::IndexDoesNotRise => "index_does_not_rise",
            Self::TimesMissing => "times_missing",
            Self::TimesDoNotRise { .. } => "times_do_not_rise",
            Self::NoCadence => "no_cadence",
            Self::MissingRuns { .. } => "missing_runs",
        }
    }
}

impl fmt::Display for DriftNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IgnoredColumns { names } => {
                write!(f, "columns that are not read: {}", super::text::list(names, 5))
            }
            Self::IndexDoesNotRise => {
                f.write_str("the indices do not rise from row to row, so rows are counted instead")
            }
            Self::TimesMissing => {
                f.write_str("some rows have no time, so rows are counted instead")
            }
            Self::TimesDoNotRise { rows, distinct } => write!(
                f,
                "the times repeat or go back ({rows} rows, {distinct} different times), so rows \
                 are counted instead"
            ),
            Self::NoCadence => f.write_str("the times follow no cadence, so rows are counted"),
            Self::MissingRuns { missing, cadence } => write!(
                f,
                "runs missing between the times, by a cadence of {cadence}: {missing}; they are \
                 gaps"
            ),
        }
    }
}

/// What the report says. Made once; every format is laid out from it.
#[derive(Clone, Debug)]
struct DriftView {
    name: String,
    tone: Tone,
    word: &'static str,
    headline: String,
    answers: Vec<Answer>,
    regimes: Vec<RegimeRow>,
    method: Vec<Fact>,
    chart: Chart,
    document: json::Document,
}

/// A regime in words.
#[derive(Clone, Debug)]
struct RegimeRow {
    begins: String,
    rows: String,
    runs: String,
    level: String,
    slope: String,
}

/// The report in one format, ending with a newline.
pub(crate) fn render(subject: &DriftSubject<'_>, format: DriftFormat, style: Style) -> String {
    let view = words::view(subject);
    match format {
        DriftFormat::Terminal => terminal::render(&view, style),
        DriftFormat::Json => json::render(&view.document),
        DriftFormat::Markdown => plain_lines(&markdown::render(&view)),
        DriftFormat::Html => plain_lines(&html::render(&view)),
    }
}
