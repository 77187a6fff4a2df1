//! What a code means: its section of `docs/hypothesis.md`, which the program carries with it.

use crate::hypothesis::Code;

const DOCS: &str = include_str!("../../../docs/hypothesis.md");

/// The section of a code. Every code has one: a test of `hypothesis::code` holds that.
pub(super) fn page(code: Code) -> String {
    let heading = format!("\n### {code}\n");
    let section = DOCS.split_once(&heading).map_or("", |(_, rest)| rest);
    let section = section.split("\n### ").next().unwrap_or_default();
    format!("{code} ({})\n\n{}\n", code.severity().name(), section.trim())
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
