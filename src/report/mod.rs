//! From the verdicts to what people and machines read: one [`View`], many formats.
//!
//! Here numbers become text, once, in `view`; the renderers only lay that text out, and none of
//! them decides anything. Nothing here reads a clock, a file or the network: two renders of one
//! view are the same bytes.

mod drift;
mod html;
mod json;
mod junit;
mod markdown;
mod markup;
mod plot;
mod screen;
mod spark;
mod terminal;
mod text;
mod view;

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod fixture;

pub(crate) use drift::{
    DriftFormat, DriftNote, DriftSubject, json_schema as drift_json_schema, render as render_drift,
};
pub(crate) use json::schema as json_schema;
pub(crate) use text::{cut_to, plain, plain_lines};
pub use view::View;

use crate::{
    analysis::Analysis, frame::Observed, hypothesis::Hypothesis, record::Manifest,
    verdict::Verdicts,
};

/// All that a report is about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// What the run was.
    pub manifest: &'a Manifest,
    /// What was claimed.
    pub hypothesis: &'a Hypothesis,
    /// What was seen.
    pub observed: &'a Observed,
    /// What that says.
    pub analysis: &'a Analysis,
    /// What it came to.
    pub verdicts: &'a Verdicts,
}

/// A form that a report can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For a terminal.
    Terminal,
    /// One self-contained page with plots.
    Html,
    /// For a pull request or the summary of a CI step.
    Markdown,
    /// For a CI server's test view.
    Junit,
    /// For programs: exact numbers, with a schema.
    Json,
}

/// How text for a terminal looks; the other formats ignore it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether to colour it. Nothing is said by colour alone.
    pub colour: bool,
    /// Columns of the terminal.
    pub width: usize,
}

impl Default for Style {
    /// No colour, 80 columns.
    fn default() -> Self {
        Self { colour: false, width: 80 }
    }
}

/// The report in one format, ending with a newline.
///
/// Text from outside is harmless in each of them, whatever field of the view brings it. What is
/// markup in a format is escaped by that format's own type: the templates' escaper, `Markup`,
/// `XmlString`, `serde_json`, `Screen`. What no reader should meet in any format (characters
/// that drive a terminal or cannot be seen) is made visible here, over the finished text; only
/// the terminal's has escapes of its own, and only JSON keeps what it was given, as escapes.
pub fn render(view: &View, format: Format, style: Style) -> String {
    match format {
        Format::Terminal => terminal::render(view, style),
        Format::Html => plain_lines(&html::render(view)),
        Format::Markdown => plain_lines(&markdown::render(view)),
        Format::Junit => plain_lines(&junit::render(view)),
        Format::Json => json::render(view),
    }
}

/// The files that stand beside a recording: their names and what they hold.
pub(crate) fn files(view: &View) -> [(&'static str, String); 4] {
    let file = |name, format| (name, render(view, format, Style::default()));
    [
        file("verdict.json", Format::Json),
        file("report.html", Format::Html),
        file("report.md", Format::Markdown),
        file("junit.xml", Format::Junit),
    ]
}
