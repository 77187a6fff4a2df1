//! What the YAML reader refuses, in words that help: it knows where, but not what a hypothesis is.

use serde_saphyr::{Error, Location, budget::BudgetBreach};

use super::{
    code::Code,
    problem::{Place, Problem, Span},
    raw,
    span::Lines,
};

/// The most levels that mappings and lists may nest.
pub(super) const DEPTH: usize = 24;
/// The most values of a file, counting what aliases repeat.
pub(super) const VALUES: usize = 20_000;
/// The most aliases of a file.
pub(super) const ALIASES: usize = 200;

/// The refusal as a problem.
pub(super) fn problem(text: &str, error: &Error) -> Problem {
    let error = error.without_snippet();
    let span = error.location().map_or(Span::TOP, |location| place_of(location, text));
    let span = back_to_the_tab(span, text);
    if let Some((message, hint)) = limit(error) {
        return Problem::new(Code::BeyondLimits, span, message).hint(hint);
    }
    if several_documents(error) {
        let message = "a second YAML document begins here; a file holds one hypothesis";
        let hint = "remove the `---`, or put what follows it into a file of its own";
        return Problem::new(Code::SeveralDocuments, span, message).hint(hint);
    }
    let said = error.to_string();
    // The place is ours to say, once.
    let said = said.split(" at line ").next().unwrap_or(&said);
    let (said, hint) = in_our_words(said, text, span);
    Problem::new(Code::Syntax, span, message(&said)).hint(hint)
}

/// What is said of a text that cannot be read.
pub(super) fn message(why: &str) -> String {
    format!("this is not YAML as a hypothesis uses it: {why}")
}

/// Limits that no hypothesis comes near.
fn limit(error: &Error) -> Option<(String, &'static str)> {
    let depth = || {
        let message = format!("this nests more than {DEPTH} levels deep");
        (message, "no key of a hypothesis lies deeper than five levels")
    };
    let aliases = |message: String| {
        (message, "write the values out: an alias that repeats aliases multiplies what is read")
    };
    if let Error::AliasError { error, .. } = error {
        return limit(error);
    }
    if let Error::Budget { breach, .. } = error {
        return if matches!(breach, BudgetBreach::Documents { .. }) {
            None
        } else if matches!(breach, BudgetBreach::Depth { .. }) {
            Some(depth())
        } else if matches!(breach, BudgetBreach::Aliases { .. } | BudgetBreach::Anchors { .. }) {
            Some(aliases(format!("the file has more than {ALIASES} anchors or aliases")))
        } else {
            let message = format!("the file has more than {VALUES} values");
            Some((message, "split it: one file holds one hypothesis"))
        };
    }
    let multiplied = matches!(
        error,
        Error::AliasReplayCounterOverflow { .. }
            | Error::AliasReplayLimitExceeded { .. }
            | Error::AliasExpansionLimitExceeded { .. }
            | Error::AliasReplayStackDepthExceeded { .. }
    );
    if multiplied {
        let message = format!("the aliases of this file stand for more than {VALUES} values");
        return Some(aliases(message));
    }
    error.to_string().starts_with("recursion limit exceeded").then(depth)
}

fn several_documents(error: &Error) -> bool {
    matches!(
        error,
        Error::MultipleDocuments { .. }
            | Error::Budget { breach: BudgetBreach::Documents { .. }, .. }
    )
}

/// A parser's words for the mistakes that are made most, and the way out of each.
fn in_our_words(said: &str, text: &str, span: Span) -> (String, &'static str) {
    let has = |words: &str| said.contains(words);
    let kept = |hint: &'static str| (said.to_owned(), hint);
    if has("mapping values are not allowed") {
        return (
            "a `: ` where no key can stand".to_owned(),
            "a text with `: ` in it is put in quotes; keys of one mapping line up",
        );
    }
    if has("unexpected character") {
        let letter = text[span.start..].chars().next();
        let hint = match letter {
            Some('@' | '`' | '%' | '|' | '>' | '&' | '*' | '!' | '{' | '[') => {
                "a text that begins with a sign of YAML is put in quotes"
            }
            _ => "a text with such characters is put in double quotes, and they are escaped: `\\t`",
        };
        let said =
            letter.map_or(said.to_owned(), |letter| format!("the sign {letter} cannot stand here"));
        return (said, hint);
    }
    if has("expected ',' or '}'") || has("expected ',' or ']'") {
        let said = "a `{` or `[` is not closed, or a comma is missing".to_owned();
        return (
            said,
            "look at this line and the one above for the `}`, `]` or `,` that is missing",
        );
    }
    if has("unknown anchor") {
        let hint =
            "a text that begins with `*` is put in quotes; an alias needs its `&anchor` first";
        return ("an alias without its anchor".to_owned(), hint);
    }
    if has("recursive references") {
        return ("an alias inside of what it stands for".to_owned(), "write the values out");
    }
    if has("unsupported tag") {
        return kept("a hypothesis is plain data: leave the tag out");
    }
    if has("merge value") {
        let said = "`<<` merges a mapping, and this is none".to_owned();
        return (said, "write the keys out, or give `<<` an alias of a mapping");
    }
    if has("trailing content") || has("quoted scalar") || has("unclosed") {
        return kept("look for a quote that is not closed, here or above");
    }
    if has("tabs disallowed") || text[span.start..].starts_with('\t') {
        return ("a tab where only spaces can stand".to_owned(), "indent with spaces");
    }
    kept("compare it with the examples in `hypotheses/`; an editor that knows YAML shows more")
}

/// A tab is refused at what follows it; it is the tab that has to go.
fn back_to_the_tab(span: Span, text: &str) -> Span {
    if !text[..span.start].ends_with('\t') {
        return span;
    }
    let start = text[..span.start].trim_end_matches('\t').len();
    Span { start, end: span.start, ..span }
}

/// The place of an error. Syntax errors come with line and column only.
fn place_of(location: Location, text: &str) -> Span {
    let span = raw::span(location);
    if location.span().byte_offset().is_some() {
        return span;
    }
    let at = Lines::of(text).byte(text, Place { line: span.line, column: span.column });
    Span { start: at, end: at, ..span }
}
