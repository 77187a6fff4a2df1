//! `homeostat judge`: the same bytes as `run` gave, on any number of threads, with no network.

use std::path::Path;

use tempfile::TempDir;

use crate::support::{Program, homeostat, recording::copy, shared_recording, tool};

/// What is made of a recording, and can be made again.
pub(crate) const JUDGED: &[&str] =
    &["checks.parquet", "verdict.json", "report.html", "report.md", "junit.xml"];

/// Judges a copy of the recording from which all judgement is taken away, and compares.
#[track_caller]
fn check(judge: impl Fn(&Path) -> Program) {
    let recorded = shared_recording();
    let dir = TempDir::new().unwrap();
    let run = dir.path().join(recorded.parent().unwrap().file_name().unwrap());
    let run = run.join(recorded.file_name().unwrap());
    copy(&recorded, &run);
    for name in JUDGED {
        fs_err::remove_file(run.join(name)).unwrap();
    }
    judge(&run).run().exits(0);
    for name in JUDGED {
        let same =
            fs_err::read(run.join(name)).unwrap() == fs_err::read(recorded.join(name)).unwrap();
        assert!(same, "{name} is not what `run` wrote");
    }
}

fn judge(run: &Path) -> Program {
    homeostat(["judge".as_ref(), run.as_os_str()])
}

#[test]
fn one_thread_gives_the_bytes_that_run_gave() {
    check(|run| judge(run).env("POLARS_MAX_THREADS", "1"));
}

#[test]
fn two_threads_give_the_bytes_that_run_gave() {
    check(|run| judge(run).env("POLARS_MAX_THREADS", "2"));
}

#[test]
fn it_needs_no_network() {
    let Some(unshare) = tool::unshare("net", &["true"]) else { return };
    let program = env!("CARGO_BIN_EXE_homeostat");
    let cut = || Program::new(&unshare[0]).args(&unshare[1..]);
    check(|run| cut().args([program.as_ref(), "judge".as_ref(), run.as_os_str()]));
}

#[test]
fn judging_twice_changes_nothing() {
    check(|run| {
        judge(run).run().exits(0);
        judge(run)
    });
}

#[test]
fn what_is_no_recording_is_an_error_and_no_verdict() {
    let dir = TempDir::new().unwrap();
    let done = judge(dir.path()).run().exits(1);
    assert!(done.stderr.contains("run.json"), "{done}");
    assert_eq!(done.stdout, "");
}
