//! The guard on the lab: it stops a run that hurts, and one that can no longer be seen.

use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{HypothesisFile, LabProcess, VerdictFile, recording::manifest, run_directory};

/// Held to errors only: how fast a busy machine answers is not what these are about.
const ERRORS: &str = "[{indicator: error_ratio, during: {below: 1%}}]";

/// What every account of a run says when its guard tripped for a reason.
#[track_caller]
fn check(run: &Path, stderr: &str, why: &str) -> Value {
    let manifest = manifest(run);
    assert_eq!(manifest["status"], "guard_tripped");
    let notes = manifest["ledger"]["notes"].to_string();
    let report = fs_err::read_to_string(run.join("report.md")).unwrap();
    for (place, text) in [("stderr", stderr), ("the ledger", &notes), ("report.md", &report)] {
        let said = text.replace(['`', '\\'], "");
        assert!(said.contains("the guard on"), "no guard in {place}: {text}");
        assert!(said.contains(why), "`{why}` is not in {place}: {text}");
    }
    let verdict = VerdictFile::of_run(run);
    assert!(verdict.grounds().contains(&"guard_tripped"), "{:?}", verdict.grounds());
    // What it takes to come back is worth knowing most of all when it hurt.
    assert_eq!(manifest["phases"][2]["phase"], "after");
    assert_eq!(manifest["phases"][2]["start_source"], "guard");
    manifest
}

#[test]
fn a_guard_stops_what_hurts_and_the_proof_stays() {
    let lab = LabProcess::start(&["--retries", "off"]);
    // Errors stay in the window for 5 s: long enough to be seen for two, also by scrapes that come
    // late, of which the guard then says that its data were not fresh.
    let hypothesis = HypothesisFile::short()
        .replace("over: 3s", "over: 5s")
        .set("checks", ERRORS)
        .set("guard", "[{indicator: error_ratio, above: 1%, for: 2s}]");
    let done = lab.run(&hypothesis).run().exits(10);
    let run = run_directory(&lab.store());
    check(&run, &done.stderr, "beyond its level");
    let verdict = VerdictFile::of_run(&run);
    assert_eq!(verdict.grounds()[0], "failed");
    assert_eq!(verdict.check("error_ratio.during.below").outcome(), "fail");
}

#[test]
fn a_guard_that_is_blind_stops_the_fault() {
    let lab = LabProcess::start(&[]);
    let dir = tempfile::TempDir::new().unwrap();
    let sleeper = dir.path().join("sleeper");
    // The fault freezes the proxy with its metrics, and would go on for five minutes.
    let script =
        format!("kill -STOP {}; echo $$ >{}; exec sleep 300", lab.pid(), sleeper.display());
    let hypothesis = HypothesisFile::short()
        .set("checks", ERRORS)
        .set("phases", "{before: 8s, during: 6s, during_at_most: 2m, after: 8s, step: 1s}")
        .set("fault", &format!("{{command: {{argv: [sh, -c, '{script}'], timeout: 1m}}}}"))
        .set("evidence", "[{targets_lost: 'up{job=\"api\"}', at_least: 1}]")
        .without("because")
        // Far from its level all the time: only being blind can trip it.
        .set("guard", "[{indicator: error_ratio, above: 90%, for: 4s}]");
    let mut running = lab.run(&hypothesis).start();
    running.line("the guard's trip", |line| line.contains("the guard on"));
    let frozen = Pid::from_raw(lab.pid()).unwrap();
    kill_process(frozen, Signal::CONT).unwrap();
    let done = running.finish().exits(11);
    check(&run_directory(&lab.store()), &done.stderr, "no fresh data for 4 s");
    let sleeper = fs_err::read_to_string(sleeper).unwrap().trim().parse().unwrap();
    assert!(!crate::support::lab::alive(sleeper), "the fault goes on");
}
