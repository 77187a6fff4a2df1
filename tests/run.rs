//! `homeostat run` against the lab: each verdict, for its own reason and for no other.

use std::{path::Path, time::Duration};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{
    Done, HypothesisFile, LabProcess, VerdictFile, homeostat, program::until, recording::find_run,
    run_directory, tool,
};

/// What a caller sees of a killed pod when nobody tries again for them.
const NO_RETRIES: &[&str] = &["--retries", "off"];
/// Slower than the claim allows, before anything is disturbed.
const TOO_SLOW: &[&str] = &["--service-time", "300ms", "--load", "50"];
const NO_LOAD: &[&str] = &["--load", "0"];

/// Nothing is disturbed, so there is nothing to recover from.
const PLACEBO_CHECKS: &str = "
  - {indicator: latency_p99, during: {below: 2.5s}}
  - {indicator: error_ratio, during: {below: 1%}}";

/// Runs a hypothesis and holds every account of the verdict to the exit code.
#[track_caller]
fn check(lab: &LabProcess, hypothesis: &HypothesisFile, code: i32) -> (VerdictFile, Done) {
    let done = lab.run(hypothesis).run().exits(code);
    let run = run_directory(&lab.store());
    let verdict = VerdictFile::of_run(&run);
    let (word, in_junit) = match code {
        0 => ("pass", None),
        10 => ("fail", Some("<failure")),
        11 => ("inconclusive", Some("<error")),
        _ => panic!("{code} is no verdict"),
    };
    assert_eq!(verdict.outcome(), word);
    let read = |name: &str| fs_err::read_to_string(run.join(name)).unwrap();
    for (name, text) in [
        ("report.md", read("report.md")),
        ("report.html", read("report.html")),
        ("stdout", done.stdout.clone()),
    ] {
        assert!(text.to_lowercase().contains(word), "`{word}` is not in {name}: {text:.2000}");
    }
    let junit = read("junit.xml");
    for tag in ["<failure", "<error", "<skipped"] {
        // A failed run may hold checks that cannot be told, beside the one that fails.
        let may = in_junit == Some(tag) || (code == 10 && tag == "<error");
        assert!(may || !junit.contains(tag), "`{tag}` in junit.xml of a run that ended {word}");
    }
    assert!(in_junit.is_none_or(|tag| junit.contains(tag)), "no {in_junit:?} in junit.xml");
    (verdict, done)
}

/// The fault `command`: a `kubectl` that deletes one pod, or what a selector names.
fn deletes(lab: &LabProcess, what: &str) -> Option<String> {
    let kubectl = tool::need(&["kubectl"])?.display().to_string();
    let kubeconfig = lab.kubeconfig();
    let argv =
        [&kubectl, "--kubeconfig", &kubeconfig, "delete", "pod", "--grace-period=0", "--force"];
    Some(format!("{{command: {{argv: [{}, {what}], timeout: 20s}}}}", argv.join(", ")))
}

#[test]
fn a_fleet_with_retries_keeps_its_claim() {
    let lab = LabProcess::start(&[]);
    let before = lab.pods();
    let (verdict, _) = check(&lab, &HypothesisFile::short(), 0);
    assert_eq!(verdict.evidence(), "confirmed");
    let after = lab.pods();
    let kept = before.iter().filter(|pod| after.contains(pod)).count();
    assert_eq!((before.len(), after.len(), kept), (10, 10, 7), "30 % of 10 pods");
}

#[test]
fn without_retries_the_kill_shows_in_the_errors() {
    let lab = LabProcess::start(NO_RETRIES);
    let (verdict, _) = check(&lab, &HypothesisFile::short(), 10);
    assert_eq!(verdict.evidence(), "confirmed");
    let errors = verdict.check("error_ratio.during.below");
    assert_eq!(errors.outcome(), "fail");
    assert!(errors.observed("value") > 0.01, "{}", errors.observed("value"));
}

#[test]
fn what_is_broken_before_is_not_disturbed() {
    let lab = LabProcess::start(TOO_SLOW);
    let before = lab.pods();
    let hypothesis = HypothesisFile::short().replace("below: 2.5s", "below: 200ms");
    let (verdict, _) = check(&lab, &hypothesis, 11);
    assert_eq!(verdict.grounds()[..2], ["not_injected", "not_steady"]);
    assert_eq!(lab.pods(), before, "a pod was deleted");
}

#[test]
fn no_traffic_is_not_a_pass() {
    let lab = LabProcess::start(NO_LOAD);
    let before = lab.pods();
    let (verdict, _) = check(&lab, &HypothesisFile::short(), 11);
    assert_eq!(verdict.grounds()[..2], ["not_injected", "not_steady"]);
    let errors = verdict.steady("error_ratio.during.below");
    assert!(errors.reasons().contains(&"no_traffic"), "{:?}", errors.reasons());
    assert_eq!(lab.pods(), before, "a pod was deleted");
}

/// What a command is held to that deletes what kubectl is told to.
fn commanded(lab: &LabProcess, what: &str) -> Option<HypothesisFile> {
    let seen = "[{targets_lost: 'up{job=\"api\"}', at_least: 1}]";
    Some(HypothesisFile::short().set("fault", &deletes(lab, what)?).set("evidence", seen))
}

#[test]
fn a_command_is_believed_only_for_what_was_seen() {
    let lab = LabProcess::start(&[]);
    let victim = lab.pods().swap_remove(0);
    let Some(hypothesis) = commanded(&lab, &victim.name) else { return };
    let (verdict, _) = check(&lab, &hypothesis, 0);
    assert_eq!(verdict.evidence(), "confirmed");
    assert!(!lab.pods().contains(&victim));

    // The same run, had three pods been asked for: fewer lost than asked is not a pass.
    let asked = format!("[{{pods_lost: {}, at_least: 30%}}]", HypothesisFile::short().selector());
    let asked = hypothesis.set("evidence", &asked).write(lab.store().parent().unwrap());
    let run = run_directory(&lab.store());
    let judge = ["judge".as_ref(), run.as_os_str(), "--hypothesis".as_ref(), asked.as_os_str()];
    let done = homeostat(judge).args(["--no-write", "--format", "json"]).run().exits(11);
    let verdict = VerdictFile::parse(&done.stdout);
    assert_eq!(verdict.grounds()[0], "evidence_smaller");
    assert_eq!(verdict.evidence(), "smaller");
}

#[test]
fn a_command_that_ends_well_and_does_nothing_is_no_evidence() {
    let lab = LabProcess::start(&[]);
    let Some(hypothesis) = commanded(&lab, "--selector=app=nobody") else { return };
    let (verdict, _) = check(&lab, &hypothesis, 11);
    assert_eq!(verdict.grounds()[0], "evidence_absent");
}

#[test]
fn a_placebo_run_passes() {
    let lab = LabProcess::start(&[]);
    let before = lab.pods();
    let hypothesis = HypothesisFile::short()
        .set("fault", "none")
        .without("because")
        .set("checks", PLACEBO_CHECKS);
    let (verdict, _) = check(&lab, &hypothesis, 0);
    assert!(verdict.grounds().contains(&"placebo"), "{:?}", verdict.grounds());
    assert_eq!(lab.pods(), before, "a pod was deleted");
}

/// Some when the recording has begun *during*: there is something to interrupt.
fn reached_during(store: &Path) -> Option<()> {
    let run = find_run(store)?;
    let manifest = fs_err::read_to_string(run.join("run.json")).ok()?;
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let phases = manifest["phases"].as_array().unwrap();
    phases.iter().any(|edges| edges["phase"] == "during").then_some(())
}

#[test]
fn an_interrupted_run_keeps_what_it_saw() {
    let lab = LabProcess::start(&[]);
    for signal in [Signal::INT, Signal::TERM] {
        let running = lab.run(&HypothesisFile::short()).start();
        until("the fault", Duration::from_secs(60), || reached_during(&lab.store()));
        running.signal(signal);
        running.finish().exits(130);

        let run = run_directory(&lab.store());
        homeostat(["judge".as_ref(), run.as_os_str()]).run().exits(11);
        let verdict = VerdictFile::of_run(&run);
        assert!(verdict.grounds().contains(&"interrupted"), "{:?}", verdict.grounds());
        fs_err::remove_dir_all(lab.store()).unwrap();
    }
}

#[test]
fn a_source_that_is_not_there_is_an_error_and_no_verdict() {
    let dir = tempfile::TempDir::new().unwrap();
    let file = HypothesisFile::short().write(dir.path());
    homeostat(["run".as_ref(), file.as_os_str()])
        .args(["--store".as_ref(), dir.path().join("store").as_os_str()])
        .env("HOMEOSTAT_LAB_SD", "http://127.0.0.1:9/sd")
        .env("HOMEOSTAT_LAB_KUBECONFIG", dir.path().join("nothing"))
        .run()
        .exits(1);
}
