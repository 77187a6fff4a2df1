//! What a code means, and what an indicator is in PromQL.
//!
//! The page of a code is its section of `docs/hypothesis.md`, which the program carries with it.

use crate::hypothesis::{Code, Hypothesis, queries};

const DOCS: &str = include_str!("../../../docs/hypothesis.md");

/// The section of a code. Every code has one: a test of `hypothesis::code` holds that.
pub(super) fn page(code: Code) -> String {
    let heading = format!("\n### {code}\n");
    let section = DOCS.split_once(&heading).map_or("", |(_, rest)| rest);
    let section = section.split("\n### ").next().unwrap_or_default();
    format!("{code} ({})\n\n{}\n", code.severity().name(), section.trim())
}

/// Each indicator in PromQL, and what a server is asked for.
pub(super) fn promql(hypothesis: &Hypothesis) -> String {
    let mut lines: Vec<String> = Vec::new();
    for indicator in &hypothesis.indicators {
        let promql = queries::promql(indicator);
        let promql = promql.as_deref().unwrap_or("not of metrics");
        lines.push(format!("  {}: {promql}", indicator.name));
    }
    if hypothesis.sources.has_server() {
        let asked = queries::Queries::of(hypothesis);
        lines.push("  the server is asked for".to_owned());
        let samples = asked.samples.iter();
        lines.extend(samples.map(|selector| format!("    the samples of {selector}")));
        let evaluated = asked.expressions.iter();
        lines.extend(evaluated.map(|one| format!("    {}, at each step", one.promql)));
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page_with_a_bad_and_a_good_example() {
        for code in Code::ALL {
            let page = page(*code);
            let lines = page.lines().count();
            assert!((6..40).contains(&lines), "{page}");
            assert!(page.contains("```") && !page.contains("###"), "{page}");
        }
    }
}
