//! `homeostat demo`: the main job, for someone who has nothing but the program.

use std::time::Duration;

use tempfile::TempDir;

use crate::support::{VerdictFile, homeostat, machine::can_measure, run_directory};

/// Everything that a finished run leaves behind (design, section 5).
const FILES: &[&str] = &[
    "checks.parquet",
    "events.parquet",
    "fault.parquet",
    "junit.xml",
    "pods.parquet",
    "raw.parquet",
    "report.html",
    "report.md",
    "run.json",
    "samples.parquet",
    "verdict.json",
];

#[test]
fn it_passes_within_a_minute_from_any_directory() {
    if !can_measure() {
        return;
    }
    let elsewhere = TempDir::new().unwrap();
    let done = homeostat(["demo", "--store", "kept"])
        .cwd(elsewhere.path())
        .timeout(Duration::from_secs(90))
        .run()
        .exits(0);
    assert!(done.took <= Duration::from_secs(60), "it took {:?}", done.took);

    let run = run_directory(&elsewhere.path().join("kept"));
    let mut files: Vec<String> = fs_err::read_dir(&run)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, FILES);
    assert_eq!(VerdictFile::of_run(&run).outcome(), "pass");
    let name = run.file_name().unwrap().to_str().unwrap();
    assert!(done.stdout.contains(name), "where the run is kept is not said: {}", done.stdout);
}
