//! What is wrong with a hypothesis: a stable code, the place, a message, and a hint.
//!
//! Problems are data. They are rendered here in two ways, for people and for programs, and the
//! order is that of the file.

use std::{error::Error, fmt};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde_json::json;

pub use super::code::{Code, Severity};

/// A place in the text of a hypothesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Its first byte.
    pub start: usize,
    /// The first byte after it.
    pub end: usize,
    /// Its line, from 1.
    pub line: usize,
    /// Its column in characters, from 1.
    pub column: usize,
}

impl Span {
    /// The beginning of the file: for what is missing altogether.
    pub const TOP: Self = Self { start: 0, end: 0, line: 1, column: 1 };
}

/// One thing that is wrong with a hypothesis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind of problem; stable, and a heading of `docs/hypothesis.md`.
    pub code: Code,
    /// Where it is.
    pub span: Span,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem without a hint.
    pub fn new(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self { code, span, message: message.into(), hint: None }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Whether it stops a run.
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }
}

/// All problems of one file, in its order, with the text they are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    file: String,
    text: String,
    items: Vec<Problem>,
}

impl Problems {
    /// Problems of a file, sorted by place.
    pub fn new(file: &str, text: &str, mut items: Vec<Problem>) -> Self {
        items.sort_by_key(|problem| (problem.span, problem.code));
        items.dedup();
        Self { file: file.to_owned(), text: text.to_owned(), items }
    }

    /// The name of the file.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The problems, in order of place.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.items.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many stop a run.
    pub fn errors(&self) -> usize {
        self.items.iter().filter(|problem| problem.severity() == Severity::Error).count()
    }

    /// How many do not.
    pub fn warnings(&self) -> usize {
        self.items.len() - self.errors()
    }

    /// For people: each with its line of the file, its code and its hint. `styled` adds colour;
    /// nothing is said by colour alone.
    pub fn render(&self, styled: bool) -> String {
        let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
        let blocks: Vec<String> = self.items.iter().map(|p| self.block(&renderer, p)).collect();
        blocks.join("\n\n")
    }

    /// For programs: one object a problem.
    pub fn to_json(&self) -> serde_json::Value {
        let item = |problem: &Problem| {
            json!({
                "file": self.file,
                "line": problem.span.line,
                "column": problem.span.column,
                "severity": problem.severity().name(),
                "code": problem.code.text(),
                "message": problem.message,
                "hint": problem.hint,
            })
        };
        self.items.iter().map(item).collect()
    }

    fn block(&self, renderer: &Renderer, problem: &Problem) -> String {
        let level = match problem.severity() {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(&problem.message).id(problem.code.text());
        let snippet = Snippet::source(&self.text)
            .path(&self.file)
            .annotation(AnnotationKind::Primary.span(self.visible(problem.span)));
        let group = title.element(snippet);
        let group = match &problem.hint {
            Some(hint) => group.element(Level::HELP.message(hint)),
            None => group,
        };
        renderer.render(&[group])
    }

    /// The part of a span that is worth underlining: its first line, and at least something.
    fn visible(&self, span: Span) -> std::ops::Range<usize> {
        let floor = |mut at: usize| {
            at = at.min(self.text.len());
            while !self.text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let (start, end) = (floor(span.start), floor(span.end));
        let line = self.text[start..].find('\n').map_or(self.text.len(), |n| start + n);
        let end = end.clamp(start, line);
        let one = self.text[start..line].chars().next().map_or(0, char::len_utf8);
        start..end.max(start + one)
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    /// `api.yaml has 2 errors and 1 warning`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
        let said = match (self.errors(), self.warnings()) {
            (0, 0) => "no problems".to_owned(),
            (errors, 0) => count(errors, "error"),
            (0, warnings) => count(warnings, "warning"),
            (errors, warnings) => {
                format!("{} and {}", count(errors, "error"), count(warnings, "warning"))
            }
        };
        write!(f, "{} has {said}", self.file)
    }
}

impl Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Problems {
        let text = "name: Böse Name\nversion: 2\n";
        let items = vec![
            Problem::new(
                Code::BadVersion,
                Span { start: 26, end: 27, line: 2, column: 10 },
                "version 2 is not known",
            ),
            Problem::new(
                Code::BadName,
                Span { start: 6, end: 16, line: 1, column: 7 },
                "`Böse Name` is not a DNS label",
            )
            .hint("write `boese-name`"),
        ];
        Problems::new("a.yaml", text, items)
    }

    #[test]
    fn people_see_file_line_code_and_hint() {
        insta::assert_snapshot!(sample().render(false), @r"
        error[bad-name]: `Böse Name` is not a DNS label
         --> a.yaml:1:7
          |
        1 | name: Böse Name
          |       ^^^^^^^^^
          |
          = help: write `boese-name`

        error[bad-version]: version 2 is not known
         --> a.yaml:2:10
          |
        2 | version: 2
          |          ^
        ");
        assert!(sample().render(true).contains('\u{1b}'));
        assert_eq!(sample().to_string(), "a.yaml has 2 errors");
    }

    #[test]
    fn programs_see_the_same() {
        let json = sample().to_json();
        assert_eq!(json[0]["code"], "bad-name");
        assert_eq!((&json[0]["line"], &json[0]["column"]), (&json!(1), &json!(7)));
        assert_eq!(json[1]["hint"], serde_json::Value::Null);
    }

    #[test]
    fn any_span_can_be_shown() {
        for (start, end) in [(0, 0), (0, 9), (3, 3), (4, 99), (99, 99), (7, 2)] {
            let span = Span { start, end, line: 1, column: 1 };
            let problem = Problem::new(Code::Syntax, span, "x");
            assert!(Problems::new("f", "aä\nböb", vec![problem]).render(false).contains("syntax"));
        }
    }
}
