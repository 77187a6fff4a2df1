//! Whatever stands in a file, there is an answer; every problem of it lies inside the text, has a
//! way out, and can be shown.

use homeostat::internals::hypothesis::{self, Reading};
use proptest::prelude::*;

const EXAMPLES: [&str; 3] = [
    include_str!("../../hypotheses/pod-loss-30.yaml"),
    include_str!("../../hypotheses/chaos-lab-kill-one.yaml"),
    include_str!("../../hypotheses/chaos-lab-kill-two.yaml"),
];

/// Scalars that someone, or something, may write where another was meant.
const NASTY: [&str; 36] = [
    "",
    "~",
    "null",
    "yes",
    "true",
    ".nan",
    "-.inf",
    "0",
    "-1",
    "1",
    "1e999",
    "-0.0",
    "0x10",
    "1_000",
    "1:30",
    "99999999999999999999",
    "5",
    "5 min",
    "-5s",
    "0s",
    "1us",
    "400d",
    "0%",
    "101%",
    "1e-320%",
    "[]",
    "{}",
    "[[[{}]]]",
    "*gone",
    "&a b",
    "!!python/object x",
    "'${HOME}'",
    "\"\\e[31m\\0\\u202e\"",
    "漢字e\u{301}👩‍🚀",
    "|\n  a\n  b",
    "'a{b=~\"(\"}'",
];

fn nothing_breaks(text: &str) -> Result<(), TestCaseError> {
    for reading in [Reading::ToRun(&|_| None), Reading::Recorded] {
        let checked = hypothesis::check(text, "a.yaml", reading);
        let problems = &checked.problems;
        prop_assert_eq!(checked.hypothesis.is_some(), problems.errors() == 0);
        let shown = problems.render(false);
        prop_assert_eq!(shown.matches("--> a.yaml").count(), problems.iter().count());
        prop_assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{:?}", shown);
        prop_assert_eq!(problems.render(true).matches("a.yaml").count() > 0, !problems.is_empty());
        for problem in problems {
            let span = problem.span;
            prop_assert!(text.get(span.start..span.end).is_some(), "{:?}", problem);
            let before = &text[..span.start];
            let line = before.rsplit(['\n', '\r']).next().unwrap_or_default();
            prop_assert_eq!(span.column, line.chars().count() + 1, "{:?}", problem);
            let end = problems.end(problem);
            prop_assert!((end.line, end.column) >= (span.line, span.column), "{:?}", problem);
            prop_assert!(problem.hint.as_ref().is_some_and(|h| !h.is_empty()), "{:?}", problem);
            // A name that is missing would show so; one that has a backtick itself may.
            let named = text.contains('`') || !problem.message.contains("``");
            prop_assert!(named, "{:?}", problem);
        }
    }
    Ok(())
}

/// One thing that is done to a text; the numbers say where, whatever its length.
#[derive(Clone, Debug)]
enum Mutation {
    Delete(usize),
    Duplicate(usize),
    Swap(usize, usize),
    Indent(usize),
    Scalar(usize, usize),
    Bytes(usize, usize, String),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let line = 0..200_usize;
    prop_oneof![
        line.clone().prop_map(Mutation::Delete),
        line.clone().prop_map(Mutation::Duplicate),
        (line.clone(), line.clone()).prop_map(|(a, b)| Mutation::Swap(a, b)),
        line.prop_map(Mutation::Indent),
        (0..400_usize, 0..NASTY.len()).prop_map(|(a, b)| Mutation::Scalar(a, b)),
        (0..10_000_usize, 0..20_usize, any::<String>())
            .prop_map(|(a, b, text)| Mutation::Bytes(a, b, text)),
    ]
}

impl Mutation {
    fn of(&self, text: &str) -> String {
        let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
        let indented;
        let count = lines.len().max(1);
        match self {
            _ if lines.is_empty() => {}
            Self::Delete(at) => drop(lines.remove(at % count)),
            Self::Duplicate(at) => lines.insert(at % count, lines[at % count]),
            Self::Swap(one, other) => lines.swap(one % count, other % count),
            Self::Indent(at) => {
                indented = format!("  {}", lines[at % count]);
                lines[at % count] = &indented;
            }
            Self::Scalar(at, nasty) => return replace_scalar(text, *at, NASTY[*nasty]),
            Self::Bytes(at, gone, new) => {
                let letters: Vec<char> = text.chars().collect();
                let start = at % (letters.len() + 1);
                let end = (start + gone).min(letters.len());
                let part = |letters: &[char]| letters.iter().collect::<String>();
                return [&part(&letters[..start]), new.as_str(), &part(&letters[end..])].concat();
            }
        }
        lines.concat()
    }
}

/// The text with what follows one of its `: ` replaced, up to the next sign of YAML.
fn replace_scalar(text: &str, at: usize, new: &str) -> String {
    let places: Vec<usize> = text.match_indices(": ").map(|(at, _)| at + 2).collect();
    let Some(start) = places.get(at % places.len().max(1)) else { return text.to_owned() };
    let rest = &text[*start..];
    let end = rest.find([',', '}', ']', '\n']).unwrap_or(rest.len());
    [&text[..*start], new, &rest[end..]].concat()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        nothing_breaks(&text)?;
    }

    #[test]
    fn any_yaml_like_text_is_answered(text in "([a-z]{1,3}: ?|- |[\\[\\]{},&*!|>%@'\"#\t \r\n]|[0-9]+[smh%]?|ä|漢|\u{85}|\u{2028}){0,60}") {
        nothing_breaks(&text)?;
    }

    #[test]
    fn any_change_of_an_example_is_answered(
        which in 0..EXAMPLES.len(),
        mutations in prop::collection::vec(mutation(), 1..6),
    ) {
        let text = mutations.iter().fold(EXAMPLES[which].to_owned(), |text, one| one.of(&text));
        nothing_breaks(&text)?;
    }
}
