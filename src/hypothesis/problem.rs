//! What is wrong with a hypothesis: a stable code, the place, a message, and a hint.
//!
//! Problems are data, in the order of the file. How they look to people is said in `excerpt`;
//! what programs get of them, by those who write it.

use std::{error::Error, fmt};

pub(crate) use super::{
    code::{Code, Severity},
    span::{Place, Span},
};
use super::{excerpt, printable::printable, span::Lines};

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
        Self { code, span, message: printable(&message.into()), hint: None }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(printable(&hint.into()));
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
    lines: Lines,
    items: Vec<Problem>,
}

impl Problems {
    /// Problems of a file, sorted by place. Lines and columns are counted here, from the bytes,
    /// so that every format says the same.
    pub fn new(file: &str, text: &str, mut items: Vec<Problem>) -> Self {
        let lines = Lines::of(text);
        for Problem { span, .. } in &mut items {
            span.end = span.end.clamp(span.start, text.len().max(span.start)).min(text.len());
            span.start = span.start.min(text.len());
            let Place { line, column } = lines.place(text, span.start);
            (span.line, span.column) = (line, column);
        }
        items.sort_by(|one, other| {
            (one.span, one.code, &one.message).cmp(&(other.span, other.code, &other.message))
        });
        items.dedup();
        Self { file: file.to_owned(), text: text.to_owned(), lines, items }
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

    /// Where a problem ends: the place of the first character after it.
    pub fn end(&self, problem: &Problem) -> Place {
        self.lines.place(&self.text, problem.span.end)
    }

    /// For people: each with its line of the file, its code and its hint. `styled` adds colour;
    /// nothing is said by colour alone.
    pub fn render(&self, styled: bool) -> String {
        let block = |problem: &Problem| {
            let line =
                (!self.text.is_empty()).then(|| self.lines.line(&self.text, problem.span.line));
            excerpt::render(&self.file, line, problem, styled)
        };
        let blocks: Vec<String> = self.items.iter().map(block).collect();
        blocks.join("\n\n")
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Problems {
    /// How many there are, `2 errors and 1 warning`, joined as given.
    pub(crate) fn counted(&self, joint: &str) -> String {
        let count = |n: usize, word: &str| match n {
            0 => None,
            1 => Some(format!("1 {word}")),
            n => Some(format!("{n} {word}s")),
        };
        let parts = [count(self.errors(), "error"), count(self.warnings(), "warning")];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() { "no problems".to_owned() } else { parts.join(joint) }
    }
}

impl fmt::Display for Problems {
    /// `api.yaml has 2 errors and 1 warning`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has {}", self.file, self.counted(" and "))
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
                Span { start: 26, end: 27, ..Span::TOP },
                "version 2 is not known",
            ),
            Problem::new(
                Code::BadName,
                Span { start: 6, end: 16, ..Span::TOP },
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
    fn places_are_counted_from_the_bytes() {
        let problems = sample();
        let first = problems.iter().next().unwrap();
        assert_eq!((first.span.line, first.span.column), (1, 7));
        assert_eq!(problems.end(first), Place { line: 1, column: 16 });
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
