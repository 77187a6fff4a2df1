//! A pass can be broken: one recording, held against bounds on either side of its worst value.

use tempfile::TempDir;

use crate::support::{Done, HypothesisFile, LabProcess, VerdictFile, homeostat, run_directory};

/// One pod is frozen for four seconds, so that requests to it stall, and two scrapes of it in a row:
/// the worst of *during* lies buckets above anything in *before*.
fn frozen(pod: i32) -> HypothesisFile {
    let script = format!("kill -STOP {pod}; sleep 4; kill -CONT {pod}");
    HypothesisFile::short()
        .set("fault", &format!("{{command: {{argv: [sh, -c, '{script}'], timeout: 10s}}}}"))
        .set("evidence", "[{targets_lost: 'up{job=\"api\"}', at_least: 1}]")
        .without("because")
}

fn held_to(hypothesis: &HypothesisFile, seconds: f64) -> HypothesisFile {
    let check = format!("[{{indicator: latency_p99, during: {{below: {seconds}s}}}}]");
    hypothesis.clone().set("checks", &check)
}

#[test]
fn the_bucket_of_the_worst_value_decides() {
    let lab = LabProcess::start(&[]);
    let hypothesis = frozen(lab.children()[0]);
    let done = lab.run(&held_to(&hypothesis, 100.0)).run();
    assert!([0, 10, 11].contains(&done.code.unwrap()), "{done}");
    let run = run_directory(&lab.store());
    let dir = TempDir::new().unwrap();

    let judge = |seconds: f64| -> (Done, VerdictFile) {
        let file = held_to(&hypothesis, seconds).write(dir.path());
        let done = homeostat(["judge".as_ref(), run.as_os_str(), "--hypothesis".as_ref()])
            .args([file.as_os_str()])
            .args(["--no-write", "--format", "json"])
            .run();
        let verdict = VerdictFile::parse(&done.stdout);
        (done, verdict)
    };
    let worst = VerdictFile::of_run(&run);
    let worst = worst.check("latency_p99.during.below");
    let (lower, upper) = (worst.observed("lower"), worst.observed("upper"));
    assert!(lower < upper && upper.is_finite(), "the worst value lies in {lower}–{upper}");

    let (below, verdict) = judge(lower);
    assert_eq!(verdict.check("latency_p99.during.below").outcome(), "fail");
    below.exits(10);

    let (above, verdict) = judge(upper);
    assert_eq!(verdict.check("latency_p99.during.below").outcome(), "pass");
    above.exits(0);

    let (inside, verdict) = judge(f64::midpoint(lower, upper));
    let check = verdict.check("latency_p99.during.below");
    assert_eq!(check.outcome(), "inconclusive");
    assert!(check.reasons().contains(&"bound_inside_bucket"), "{:?}", check.reasons());
    inside.exits(11);
}
