//! `homeostat schema`: what an editor reads is what the program reads.

use std::path::Path;

use serde_json::Value;

use crate::support::homeostat;

#[track_caller]
fn check(which: &str, committed: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(committed);
    let committed = fs_err::read_to_string(file).unwrap();
    let printed = homeostat(["schema", which]).run().exits(0).stdout;
    assert_eq!(printed, committed, "`just schema` writes it anew");
}

#[test]
fn the_committed_schema_of_hypotheses_is_the_programs() {
    check("hypothesis", "hypotheses/hypothesis.schema.json");
}

#[test]
fn the_committed_schema_of_verdicts_is_the_programs() {
    check("verdict", "docs/verdict.schema.json");
}

#[test]
fn the_committed_schema_of_problems_is_the_programs() {
    check("lint", "docs/lint.schema.json");
}

#[test]
fn the_committed_schema_of_drift_is_the_programs() {
    check("drift", "docs/drift.schema.json");
}

#[test]
fn all_schemas_are_json_schemas() {
    for which in ["hypothesis", "verdict", "lint", "drift"] {
        let printed = homeostat(["schema", which]).run().exits(0).stdout;
        let schema: Value = serde_json::from_str(&printed).unwrap();
        assert!(schema["$schema"].is_string() && schema["properties"].is_object(), "{which}");
    }
}
