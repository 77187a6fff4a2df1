//! `homeostat lint`: the examples are sound, and everything wrong with a file is said at once.

mod codes;
mod hostile;
mod mutations;

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::{HypothesisFile, Program, homeostat};

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
    assert_eq!(all["format_version"], 1);
    assert_eq!(all["files"][0]["errors"], 3);
    let problems = all["problems"].as_array().unwrap();
    let lines: Vec<u64> =
        problems.iter().map(|problem| problem["span"]["start"]["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [3, 5, 11]);
    insta::assert_snapshot!(serde_json::to_string_pretty(&problems[1]).unwrap().replace(
        all["files"][0]["file"].as_str().unwrap(), "FILE"), @r##"
    {
      "code": "bad-quantity",
      "docs": "https://github.com/homeostat/homeostat/blob/main/docs/hypothesis.md#bad-quantity",
      "file": "FILE",
      "hint": "write a number with its unit: `200ms`, `30%`, `10MiB` or `100/s`",
      "message": "`before`: `soon` is not a number",
      "severity": "error",
      "span": {
        "end": {
          "byte": 70,
          "column": 15,
          "line": 5
        },
        "start": {
          "byte": 66,
          "column": 11,
          "line": 5
        }
      }
    }
    "##);
}

#[test]
fn github_shows_problems_where_they_are() {
    let dir = TempDir::new().unwrap();
    let file = HypothesisFile::text(WRONG).write(dir.path());
    let done = homeostat(["lint", "--format", "github", "hypothesis.yaml"]).cwd(dir.path()).run();
    let done = done.exits(2);
    let second = done.stdout.lines().nth(1).unwrap();
    insta::assert_snapshot!(second, @"::error file=hypothesis.yaml,line=5,col=11,endLine=5,endColumn=15,title=bad-quantity::`before`: `soon` is not a number%0Ahint: write a number with its unit: `200ms`, `30%25`, `10MiB` or `100/s`%0Ahttps://github.com/homeostat/homeostat/blob/main/docs/hypothesis.md#bad-quantity");
    assert_eq!(done.stdout.lines().count(), 3);
    assert!(file.exists());
}

#[test]
fn files_and_directories_make_one_sorted_list() {
    let dir = TempDir::new().unwrap();
    for name in ["b.yaml", "a.yml", "c.json", "more/d.yaml"] {
        fs_err::create_dir_all(dir.path().join("more")).unwrap();
        fs_err::write(dir.path().join(name), "version: 2\n").unwrap();
    }
    let lint = |args: &[&str]| {
        let args = [&["lint", "--format", "json"], args].concat();
        let done = homeostat(args).cwd(dir.path()).run();
        let json: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
        let files = json["files"].as_array().unwrap().iter();
        let files: Vec<String> = files.map(|f| f["file"].as_str().unwrap().to_owned()).collect();
        let problems = json["problems"].as_array().unwrap();
        assert!(problems.is_sorted_by_key(|problem| problem["file"].as_str()), "{done}");
        (files.join(" "), done.code)
    };
    assert_eq!(lint(&["."]), ("./a.yml ./b.yaml".to_owned(), Some(2)));
    assert_eq!(lint(&["b.yaml", "more", "b.yaml"]), ("b.yaml more/d.yaml".to_owned(), Some(2)));
    // A file that was not looked at outweighs what was found in another.
    assert_eq!(lint(&["b.yaml", "a.yaml"]), ("a.yaml b.yaml".to_owned(), Some(1)));
}

#[test]
fn a_text_is_read_from_the_input() {
    let dir = TempDir::new().unwrap();
    let file = HypothesisFile::text(WRONG).write(dir.path());
    let script = format!("'{}' lint - < '{}'", env!("CARGO_BIN_EXE_homeostat"), file.display());
    let done = Program::new("sh").args(["-c", &script]).run().exits(2);
    assert!(done.stdout.contains("--> stdin:3:7"), "{done}");
}

#[test]
fn warnings_count_when_told() {
    let dir = TempDir::new().unwrap();
    let file = HypothesisFile::example("pod-loss-30").set("cadence", "1s").write(dir.path());
    let lint = homeostat(["lint".as_ref(), file.as_os_str()]).run().exits(0);
    assert!(lint.stdout.contains("1 warning"), "{lint}");
    homeostat(["lint".as_ref(), file.as_os_str()]).args(["--strict"]).run().exits(2);
}

#[test]
fn a_code_is_explained() {
    let done = homeostat(["lint", "--code", "unknown-key"]).run().exits(0);
    assert!(done.stdout.starts_with("unknown-key (error)\n\n"), "{done}");
    let done = homeostat(["lint", "--code", "unknown-kye"]).run().exits(2);
    assert!(done.stderr.contains("'unknown-key'"), "{done}");
}

#[test]
fn every_command_ends_alike_for_a_file_that_is_no_text() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("a.yaml");
    fs_err::write(&file, b"name: \xff\n").unwrap();
    let done = homeostat(["run".as_ref(), file.as_os_str()]).run().exits(2);
    assert!(done.stderr.contains("hint: "), "{done}");
    homeostat(["run", "no-such-file.yaml"]).run().exits(1);
}
