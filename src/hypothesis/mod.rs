//! The hypothesis file: text → raw tree → checked model. Only [`load`] touches the world.
//!
//! [`check()`] reads a text and says everything that is wrong with it; [`parse`] is for those who
//! need a hypothesis or nothing.

mod check;
mod code;
mod excerpt;
mod fields;
mod fingerprint;
pub mod load;
pub(crate) mod model;
mod printable;
pub(crate) mod problem;
pub(crate) mod queries;
mod raw;
mod recordable;
pub(crate) mod schema;
pub(crate) mod selector;
mod span;
mod substitute;
mod syntax;
pub(crate) mod units;
mod url;

#[cfg(test)]
pub(crate) use self::problem::Span;
pub use self::{code::Code, problem::Problems};
pub(crate) use self::{
    code::Severity,
    model::Hypothesis,
    problem::{Place, Problem},
    recordable::recordable,
};

/// What a text is read for.
#[derive(Clone, Copy)]
pub enum Reading<'a> {
    /// To try it: every variable under `sources` must have a value, looked up here, and this
    /// version must be able to carry all of it out.
    ToRun(&'a dyn Fn(&str) -> Option<String>),
    /// To judge what was recorded: nothing is looked up, and a variable without a default stays
    /// as it is written. No analysis depends on what a variable said.
    Recorded,
}

/// What came of reading a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The hypothesis, unless there is an error.
    pub hypothesis: Option<Hypothesis>,
    /// All problems, warnings among them.
    pub problems: Problems,
}

/// Reads a text and reports every problem in it. `file` is its name in the report.
pub fn check(text: &str, file: &str, reading: Reading<'_>) -> Checked {
    let (hypothesis, problems) = check::check(text, reading);
    let problems = Problems::new(file, text, problems);
    let hypothesis = hypothesis.filter(|_| problems.errors() == 0);
    Checked { hypothesis, problems }
}

/// Reads a text into a hypothesis; warnings do not count.
pub fn parse(text: &str, file: &str, reading: Reading<'_>) -> Result<Hypothesis, Problems> {
    let Checked { hypothesis, problems } = check(text, file, reading);
    hypothesis.ok_or(problems)
}
