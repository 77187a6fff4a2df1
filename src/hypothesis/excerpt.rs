//! How a problem looks to people: what is wrong, where, the line it stands in, and the way out.
//!
//! Only that one line is shown, and of a long one only the part around the problem, so that
//! neither the size of a file nor what stands in it decides what reaches a terminal.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::{
    code::Severity,
    printable::{is_unseen, printable},
    problem::Problem,
};

/// The most characters of a line that are shown.
const WIDTH: usize = 100;
/// How many of them stand before the problem when the line is cut.
const BEFORE: usize = 40;

/// The problem with its line: where that begins in the file, and its text. There is none of a
/// file that could not be read, nor of an empty one.
pub(super) fn render(
    file: &str,
    line: Option<(usize, &str)>,
    problem: &Problem,
    styled: bool,
) -> String {
    let level = match problem.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let span = problem.span;
    let title = level.primary_title(&problem.message).id(problem.code.text());
    let file = printable(file);
    let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
    let helped = |group: Group<'_>| {
        let help = problem.hint.iter().map(|hint| Level::HELP.message(hint));
        renderer.render(&[group.elements(help)])
    };
    let Some((start, line)) = line else {
        return helped(title.element(Origin::path(&file)));
    };
    if line.is_empty() {
        let origin = Origin::path(&file).line(span.line).char_column(span.column);
        return helped(title.element(origin));
    }
    let within = |byte: usize| byte.saturating_sub(start).min(line.len());
    let (shown, marked) = visible(line, within(span.start)..within(span.end));
    // The renderer counts the column in what is shown, which may be a part of the line only.
    let counted = shown[..marked.start].chars().count() + 1;
    let snippet = Snippet::source(shown)
        .path(&file)
        .line_start(span.line)
        .annotation(AnnotationKind::Primary.span(marked));
    let text = helped(title.element(snippet));
    let place = |column: usize| format!("--> {file}:{}:{column}", span.line);
    match text.rfind(&place(counted)) {
        Some(at) if counted != span.column => {
            let (before, after) = (&text[..at], &text[at + place(counted).len()..]);
            [before, &place(span.column), after].concat()
        }
        Some(_) | None => text,
    }
}

/// The part of a line around a problem, as it can be printed, and where the problem is in it.
/// At least one character is marked.
fn visible(line: &str, problem: Range<usize>) -> (String, Range<usize>) {
    let letters: Vec<(usize, char)> = line.char_indices().collect();
    let at = letters.partition_point(|(byte, _)| *byte < problem.start);
    let from = if letters.len() <= WIDTH { 0 } else { at.saturating_sub(BEFORE) };
    let to = letters.len().min(from + WIDTH);
    let mut shown = String::from(if from > 0 { "…" } else { "" });
    let (mut first, mut last) = (None, None);
    for (byte, letter) in &letters[from..to] {
        let before = shown.len();
        push(*letter, &mut shown);
        if *byte >= problem.start && (*byte < problem.end || first.is_none()) {
            first.get_or_insert(before);
            last = Some(shown.len());
        }
    }
    let marked = first.unwrap_or(shown.len())..last.unwrap_or(shown.len());
    if to < letters.len() {
        shown.push('…');
    }
    (shown, marked)
}

/// A character as it can be shown in a line: one that is an order to the terminal, by its picture.
fn push(letter: char, shown: &mut String) {
    match u32::from(letter) {
        0x09 => shown.push_str("    "),
        code @ 0x00..=0x1f => shown.push(char::from_u32(0x2400 + code).unwrap_or('\u{fffd}')),
        0x7f => shown.push('\u{2421}'),
        _ if is_unseen(letter) => shown.push('\u{fffd}'),
        _ => shown.push(letter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hypothesis::{Code, Problems, problem::Span};

    #[track_caller]
    fn check(text: &str, marked: &str, want: &str) {
        let start = text.find(marked).unwrap();
        let span = Span { start, end: start + marked.len(), ..Span::TOP };
        let problem = Problem::new(Code::UnknownKey, span, "no such key").hint("leave it out");
        let shown = Problems::new("a.yaml", text, vec![problem]).render(false);
        let middle: Vec<&str> = shown.lines().skip(3).take(2).collect();
        assert_eq!(middle.join("\n"), want);
    }

    #[test]
    fn the_caret_stands_below_the_problem() {
        check("a: 1\nb: {c: 2}\n", "c:", "2 | b: {c: 2}\n  |     ^^");
        check("漢字: {c: 2}", "c:", "1 | 漢字: {c: 2}\n  |        ^^");
        check("e\u{301}e\u{301}: {c: 2}", "c:", "1 | e\u{301}e\u{301}: {c: 2}\n  |      ^^");
        check("a:\t{c: 2}", "c:", "1 | a:    {c: 2}\n  |        ^^");
        check("a: 漢字\r\n", "漢字", "1 | a: 漢字\n  |    ^^^^");
    }

    #[test]
    fn a_line_gives_no_orders_to_the_terminal() {
        check("\u{1b}[31ma\u{202e}b\u{9b}: x", "x", "1 | ␛[31ma�b�: x\n  |            ^");
    }

    #[test]
    fn of_a_long_line_the_part_around_the_problem_is_shown() {
        let text = format!("a: [{}, bad, {}]", "x".repeat(5000), "y".repeat(5000));
        let (before, after) = ("x".repeat(38), "y".repeat(55));
        let want = format!("1 | …{before}, bad, {after}…\n  | {}^^^", " ".repeat(41));
        check(&text, "bad", &want);
        let whole = format!("{}!", "z".repeat(99));
        check(&whole, "!", &format!("1 | {whole}\n  | {}^", " ".repeat(99)));
    }

    #[test]
    fn of_an_empty_line_the_place_is_shown() {
        for (text, start, want) in
            [("", 0, "a.yaml"), ("\na: 1", 0, "a.yaml:1:1"), ("a:\n\n", 3, "a.yaml:2:1")]
        {
            let problem = Problem::new(Code::Syntax, Span { start, end: start, ..Span::TOP }, "no");
            let shown = Problems::new("a.yaml", text, vec![problem]).render(false);
            assert_eq!(shown.lines().nth(1), Some(format!("--> {want}").as_str()), "{text:?}");
        }
    }

    #[test]
    fn a_problem_over_lines_is_marked_in_its_first() {
        check("a: {b: 1,\n c: 2}\n", "{b: 1,\n c", "1 | a: {b: 1,\n  |    ^^^^^^");
    }
}
