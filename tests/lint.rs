//! `homeostat lint`: the examples are sound, and everything wrong with a file is said at once.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::{HypothesisFile, homeostat};

/// Three mistakes, on lines 3, 5 and 11.
const WRONG: &str = r#"version: 1
claim: it stays up
name: Not A Label
phases:
  before: soon
  during: 10s
  after: 10s
  step: 1s
sources: {scrape: {http_sd: "http://127.0.0.1:9/sd", interval: 1s}}
fault: none
indicators: {errors: {rate: 'errors_total{', over: 5s}}
checks: [{indicator: errors, during: {below: 1}}]
"#;

pub(crate) fn examples() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("hypotheses");
    let all = fs_err::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut examples: Vec<PathBuf> =
        all.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    examples.sort();
    examples
}

#[test]
fn every_example_is_sound() {
    let examples = examples();
    assert!(examples.len() >= 3, "{examples:?}");
    // No environment is set: `lint` needs none, and what is not set is no mistake of the file.
    for example in examples {
        let done = homeostat(["lint".as_ref(), example.as_os_str()]).run().exits(0);
        assert!(!done.stdout.contains("error"), "{done}");
    }
}

#[test]
fn all_mistakes_are_said_at_once() {
    let dir = TempDir::new().unwrap();
    let file = HypothesisFile::text(WRONG).write(dir.path());
    let done = homeostat(["lint".as_ref(), file.as_os_str()]).run().exits(2);
    for line in [3, 5, 11] {
        let place = format!("hypothesis.yaml:{line}:");
        assert!(done.stdout.contains(&place), "nothing at line {line}\n{done}");
    }
}

#[test]
fn json_is_for_programs() {
    let dir = TempDir::new().unwrap();
    let file = HypothesisFile::text(WRONG).write(dir.path());
    let done = homeostat(["lint".as_ref(), file.as_os_str()]).args(["--format", "json"]).run();
    let done = done.exits(2);
    let all: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    let problems = all.as_array().unwrap();
    let lines: Vec<u64> =
        problems.iter().map(|problem| problem["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [3, 5, 11]);
    assert!(problems.iter().all(|problem| problem["code"].is_string()));
}

#[test]
fn a_file_that_is_not_there_is_an_error() {
    homeostat(["lint", "no-such-file.yaml"]).run().exits(1);
}
