//! Where something stands in a text, in bytes and as people count.

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

/// Line and column, both from 1. A column is a character: neither a byte nor a cell of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// A text by its lines. They end as YAML has it: with a line feed, a carriage return, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let ends = |at: usize| match bytes[at] {
            b'\n' => true,
            b'\r' => bytes.get(at + 1) != Some(&b'\n'),
            _ => false,
        };
        let after = (0..bytes.len()).filter(|at| ends(*at)).map(|at| at + 1);
        Self { starts: std::iter::once(0).chain(after).collect() }
    }

    /// The line and column of a byte; one inside a character is the character's.
    pub(super) fn place(&self, text: &str, at: usize) -> Place {
        let at = floor(text, at);
        let line = self.starts.partition_point(|start| *start <= at);
        Place { line, column: text[self.starts[line - 1]..at].chars().count() + 1 }
    }

    /// The first byte of a line, and its text without the end.
    pub(super) fn line<'t>(&self, text: &'t str, line: usize) -> (usize, &'t str) {
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(text.len());
        let end = self.starts.get(line).copied().unwrap_or(text.len());
        (start, text[start..end].trim_end_matches(['\n', '\r']))
    }

    /// The byte at a line and column; the end of the line when it has fewer characters.
    pub(super) fn byte(&self, text: &str, place: Place) -> usize {
        let (start, line) = self.line(text, place.line);
        let within = line.char_indices().nth(place.column.saturating_sub(1));
        start + within.map_or(line.len(), |(at, _)| at)
    }
}

/// The nearest boundary of a character at or before a byte.
pub(super) fn floor(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, at: usize, line: usize, column: usize) {
        let lines = Lines::of(text);
        let place = Place { line, column };
        assert_eq!(lines.place(text, at), place);
        assert_eq!(lines.byte(text, place), floor(text, at));
    }

    #[test]
    fn columns_count_characters() {
        check("ä漢b", 0, 1, 1);
        check("ä漢b", 2, 1, 2);
        check("ä漢b", 3, 1, 2);
        check("ä漢b", 5, 1, 3);
        check("e\u{301}x", 3, 1, 3);
        check("ab", 99, 1, 3);
        check("", 0, 1, 1);
    }

    #[test]
    fn lines_end_in_three_ways() {
        check("a\nb", 2, 2, 1);
        check("a\r\nb", 3, 2, 1);
        check("a\rb", 2, 2, 1);
        check("a\n\nb", 3, 3, 1);
        check("a\n", 2, 2, 1);
        assert_eq!(Lines::of("a\r\nb\n").line("a\r\nb\n", 1), (0, "a"));
    }
}
